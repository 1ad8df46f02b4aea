"""Scalings of the inputs and targets of a small network."""

import pytest
from peephole import Standardiser


@pytest.fixture
def scalings(rng):
    """Of inputs and targets, with values that have no short decimal form."""
    x = rng.standard_normal((9, 3)) ** 3 / 7
    return Standardiser().fit(x), Standardiser().fit(x[:, :1] / 3 + 1e6)

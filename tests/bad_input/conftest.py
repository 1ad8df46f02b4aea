"""Small models, for tests of wrong calls."""

import peephole
import pytest
from support.calls import INPUTS, OUTPUTS, SIZES


@pytest.fixture
def lstm():
    return peephole.LSTM(INPUTS, SIZES, seed=0)


@pytest.fixture
def net():
    return peephole.Network(INPUTS, SIZES, OUTPUTS, head="softmax", seed=0)

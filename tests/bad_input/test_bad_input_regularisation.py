"""Wrong rates and seeds of dropout, recurrent dropout and zoneout."""

import numpy as np
import peephole
import pytest
from support.refusals import refused, unchanged

NAMES = ("dropout", "recurrent_dropout", "zoneout")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (-0.1, ValueError),
        (1.0, ValueError),
        (2, ValueError),
        (np.nan, ValueError),
        ("0.5", TypeError),
        (None, TypeError),
        ([0.5], TypeError),
    ],
)
def test_bad_options(name, value, error):
    for build in (lambda **o: peephole.LSTM(2, 3, **o), lambda **o: peephole.Network(2, 3, 1, **o)):
        with refused(error, name):
            build(**{name: value})


@pytest.mark.parametrize("name", NAMES)
def test_needs_a_seed(name):
    for model in (peephole.LSTM(2, 3, **{name: 0.5}), peephole.Network(2, 3, 1, **{name: 0.5})):
        with unchanged(model), refused(ValueError, "seed", says="needs"):
            model.forward(np.zeros((1, 2, 2)))


@pytest.mark.parametrize(
    ("seed", "error"), [(-1, ValueError), (2**64, ValueError), (0.5, TypeError), ("0", TypeError)]
)
def test_bad_seed(seed, error):
    for model in (peephole.LSTM(2, 3, dropout=0.5), peephole.Network(2, 3, 1)):
        with refused(error, "seed"):
            model.forward(np.zeros((1, 2, 2)), seed=seed)

"""Wrong options and gradients of optimisers."""

import math

import numpy as np
import peephole
import pytest
from peephole import optim
from support.refusals import Wrong, refused, table, unchanged

NAN, INFINITY = math.nan, math.inf
WRONG = [
    *table(
        "learning_rate",
        Wrong("negative", -1e-3, ValueError),
        Wrong("NaN", NAN, ValueError),
        Wrong("infinite", INFINITY, ValueError),
        Wrong("text", "1", TypeError),
    ),
    *table("weight_decay", Wrong("negative", -1.0, ValueError), Wrong("text", "1", TypeError)),
    *table(
        "parameters",
        Wrong("model", peephole.LSTM(3, 4), TypeError),
        Wrong("dict", {}, TypeError),
    ),
]
WRONG_ADAM = [
    *table("epsilon", Wrong("negative", -1e-8, ValueError), Wrong("NaN", NAN, ValueError)),
    *table(
        "betas",
        Wrong("first is 1", (1.0, 0.9), ValueError, "beta1"),
        Wrong("second is NaN", (0.9, NAN), ValueError, "beta2"),
        Wrong("second is negative", (0.9, -0.1), ValueError, "beta2"),
        Wrong("text", ("a", 0.9), TypeError, "beta1"),
    ),
]
WRONG_SGD = [
    *table("momentum", Wrong("1", 1.0, ValueError), Wrong("negative", -0.1, ValueError)),
    *table(
        "nesterov",
        Wrong("without momentum", True, ValueError, "momentum"),
        Wrong("an int", 1, TypeError),
    ),
]
WRONG_RMSPROP = [
    *table("rho", Wrong("1", 1.0, ValueError)),
    *table("epsilon", Wrong("0", 0.0, ValueError)),
    *table("centred", Wrong("text", "yes", TypeError)),
]


def check_refused(cls, argument, wrong):
    arguments = {"parameters": peephole.LSTM(3, 4).parameters} | {argument: wrong.value}
    with refused(wrong.error, wrong.argument or argument, wrong.says):
        cls(**arguments)


@pytest.mark.parametrize("cls", [optim.Adam, optim.AdamW, optim.SGD, optim.RMSprop])
@pytest.mark.parametrize(("argument", "wrong"), WRONG)
def test_bad_input(cls, argument, wrong):
    check_refused(cls, argument, wrong)


@pytest.mark.parametrize(
    ("cls", "argument", "wrong"),
    [
        pytest.param(cls, *row.values, id=f"{cls.__name__}-{row.id}")
        for cls, rows in (
            (optim.Adam, WRONG_ADAM),
            (optim.SGD, WRONG_SGD),
            (optim.RMSprop, WRONG_RMSPROP),
        )
        for row in rows
    ],
)
def test_bad_input_of_one_rule(cls, argument, wrong):
    check_refused(cls, argument, wrong)


@pytest.mark.parametrize("value", [-1.0, NAN, INFINITY])
def test_bad_learning_rate_later(value):
    adam = optim.Adam(peephole.LSTM(3, 4).parameters, 0.5)
    with refused(ValueError, "learning_rate"):
        adam.learning_rate = value
    assert adam.learning_rate == 0.5


@pytest.mark.parametrize(
    ("error", "value"),
    [
        (ValueError, np.zeros((16, 3))),
        (ValueError, np.zeros(4)),
        (TypeError, np.zeros((16, 4), complex)),
        (TypeError, None),
    ],
    ids=["shape", "broadcast", "complex", "None"],
)
def test_bad_gradients(error, value):
    lstm = peephole.LSTM(3, 4, seed=0)
    adam = optim.Adam(lstm.parameters)
    gradients = {name: np.ones(np.shape(lstm.parameters[name])) for name in lstm.parameters}
    with unchanged(lstm), refused(error, "gradients[weight_hh_l0]"):
        adam.step(gradients | {"weight_hh_l0": value})
    del gradients["weight_hh_l0"]
    with unchanged(lstm), refused(ValueError, "gradients", "weight_hh_l0"):
        adam.step(gradients)
    assert adam.steps == 0

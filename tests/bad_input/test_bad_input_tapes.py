"""Tapes that do not belong to the model as it is: each a clear error."""

import numpy as np
import peephole
import pytest
from support.calls import INPUTS, OUTPUTS, SIZES, B, T, x_of
from support.refusals import refused, unchanged


def lstm_tape(options=(INPUTS, SIZES), **keywords):
    return peephole.LSTM(*options, seed=0, **keywords).forward(x_of())[2]


WRONG_TAPES = {
    "none": (TypeError, lambda: None),
    "a text": (TypeError, lambda: "tape"),
    "the whole result": (TypeError, lambda: peephole.LSTM(INPUTS, SIZES).forward(x_of())),
    "of an equal model": (ValueError, lstm_tape),
    "of other sizes": (ValueError, lambda: lstm_tape((INPUTS, (9, 2)))),
    "of more layers": (ValueError, lambda: lstm_tape((INPUTS, (4, 2, 2)))),
    "of a float64 model": (TypeError, lambda: lstm_tape(dtype="float64")),
    "of a network": (
        TypeError,
        lambda: peephole.Network(INPUTS, SIZES, 2, seed=0).forward(x_of())[2],
    ),
    "of a network's stack": (
        ValueError,
        lambda: peephole.Network(INPUTS, SIZES, 2, seed=0).lstm.forward(x_of())[2],
    ),
}


@pytest.mark.parametrize(("error", "make"), WRONG_TAPES.values(), ids=WRONG_TAPES.keys())
def test_tape(lstm, error, make):
    with unchanged(lstm), refused(error, "tape"):
        lstm.backward(make(), x_of((B, T, 2)))


def test_tape_of_another_network(net):
    other = peephole.Network(INPUTS, SIZES, OUTPUTS, head="softmax", seed=0)
    _, _, tape = other.forward(x_of())
    with unchanged(net), refused(ValueError, "tape"):
        net.backward(tape, x_of((B, T, OUTPUTS)))
    with unchanged(net), refused(TypeError, "tape"):
        net.backward(net.lstm.forward(x_of())[2], x_of((B, T, OUTPUTS)))


def assign(net):
    net.parameters["weight_ih_l0"] = np.zeros((16, INPUTS), np.float32)


def step(net):
    _, _, tape = net.forward(x_of())
    peephole.optim.Adam(net.parameters).step(net.backward(tape, x_of((B, T, OUTPUTS))))


def fit(net):
    labels = np.zeros((B, T), int)
    net.fit(x_of(), labels, epochs=1, progress=False)


@pytest.mark.parametrize("change", [assign, step, fit])
def test_tape_of_parameters_that_have_changed(net, change):
    tape, stack_tape = net.forward(x_of())[2], net.lstm.forward(x_of())[2]
    change(net)
    with refused(ValueError, "tape"):
        net.backward(tape, x_of((B, T, OUTPUTS)))
    with refused(ValueError, "tape"):
        net.lstm.backward(stack_tape, x_of((B, T, SIZES[-1])))


def test_reading_a_parameter_is_no_change(lstm):
    _, _, tape = lstm.forward(x_of())
    assert lstm.parameters["weight_hh_l0"].shape == (16, 4)
    lstm.backward(tape, x_of((B, T, 2)))

"""peephole.inspection: the activities of gates are those that the model computes with."""

import numpy as np
import peephole
import pytest
from hypothesis import given
from peephole.inspection import gate_activities
from support.refusals import refused
from support.strategies import cases
from support.tolerances import REFERENCE, assert_close

TOLERANCE = REFERENCE["float64"]


def one_sequence(case):
    """The model of a case, and the first sequence of its batch."""
    return case.build(), case.x[0]


@given(cases(min_time=1, with_state=False, ragged=False))
def test_are_those_of_the_model(case):
    lstm, x = one_sequence(case)
    y, state = lstm(x)
    ways = (False, True) if lstm.bidirectional else (False,)
    for k in range(lstm.num_layers):
        for d, reverse in enumerate(ways):
            activities = gate_activities(lstm, x, layer=k, reverse=reverse)
            h, c = state[k * len(ways) + d]
            last = 0 if reverse else -1
            assert_close(activities.h[last], h, TOLERANCE, "h")
            assert_close(activities.c[last], c, TOLERANCE, "c")
    tops = [gate_activities(lstm, x, reverse=reverse).h for reverse in ways]
    assert_close(np.hstack(tops), y, TOLERANCE, "y")


@given(cases(min_time=1, with_state=False, ragged=False))
def test_peephole_inputs_of_the_gates(case):
    lstm, x = one_sequence(case)
    activities = gate_activities(lstm, x, layer=0)
    if case.options["peephole"] == "none":
        assert activities.peepholes == {}
        return
    assert "".join(activities.peepholes) == case.options["peephole_gates"]
    c = activities.c
    first = np.zeros_like(c[:1])
    if case.options["initial_state"] == "learned":
        first[0] = lstm.parameters["c0_l0"]
    before = np.vstack([first, c[:-1]])
    for gate, P in zip("ifgo", np.split(lstm.parameters["weight_ch_l0"], 4), strict=True):
        if gate not in activities.peepholes:
            continue
        read = c if gate == "o" and case.options["output_peephole"] == "current" else before
        told = read * P[0] if case.options["peephole"] == "diagonal" else read @ P.T
        assert_close(activities.peepholes[gate], told, TOLERANCE, gate)


def test_of_a_network_and_of_float32(rng):
    net = peephole.Network(2, [3, 4], 1, seed=0)
    x = rng.standard_normal((5, 2)).astype(np.float32)
    activities = gate_activities(net, x)
    assert activities.h.dtype == np.float64
    np.testing.assert_allclose(activities.h, net.lstm(x)[0], rtol=1e-5)
    np.testing.assert_array_equal(activities.h, gate_activities(net.lstm, x, layer=1).h)


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("model", "lstm", TypeError),
        ("x", np.zeros((5, 3)), ValueError),
        ("x", np.zeros((1, 5, 2)), ValueError),
        ("x", np.zeros((0, 2)), ValueError),
        ("x", np.zeros((5, 2), complex), TypeError),
        ("layer", 1, ValueError),
        ("layer", -2, ValueError),
        ("layer", 0.0, TypeError),
        ("layer", True, TypeError),
        ("reverse", True, ValueError),
    ],
)
def test_bad_input(argument, value, error):
    arguments = {"model": peephole.LSTM(2, 3, seed=0), "x": np.zeros((5, 2))}
    with refused(error, argument):
        gate_activities(**{**arguments, argument: value})

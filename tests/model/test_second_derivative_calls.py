"""jvp and backward_jvp: of networks, in all forms of the call, and wrong arguments."""

import numpy as np
import peephole
import pytest
from peephole import Tangents
from reference import derivatives
from support.hessians import HESSIAN, SMOOTH, difference, flat, point_of, tangents_of
from support.strategies import Case
from support.tolerances import assert_close, assert_identical, assert_same_to_rounding


@pytest.mark.parametrize("of_y", [True, False])
@pytest.mark.parametrize("readout", ["all", "last", "mean", "max"])
@pytest.mark.parametrize("head", ["identity", "sigmoid", "tanh", "softmax"])
def test_networks(head, readout, of_y):
    case = Case(SMOOTH, batch=3, time=4, lengths=(4, 0, 2), seed=5)
    net, values = case.build_network(2, head=head, readout=readout, dropout=0.3)
    point = point_of(case) | values
    direction = derivatives.random_direction(case.rng("v"), point, list(point))
    y, _, tape = net.forward(case.x, case.state, case.lengths, seed=9)
    dy = case.rng("dy").standard_normal(y.shape)
    upstream = {"dy" if of_y else "dlogits": dy}
    gradients, moved = net.backward_jvp(
        tape, tangents_of(direction), dstate=case.dstate, **upstream
    )

    def backward(tape):
        return net.backward(tape, dstate=case.dstate, **upstream)

    expected = derivatives.gradient_point(backward(tape))
    for name, found in derivatives.gradient_point(gradients).items():
        assert_same_to_rounding(found, expected[name], name)
    found = difference(case, net, direction, backward, seed=9)
    assert_close(flat(found), flat(derivatives.gradient_point(moved)), HESSIAN)

    (y_again, _), (y_tangent, _) = net.jvp(
        case.x, tangents_of(direction), case.state, case.lengths, seed=9
    )
    assert_same_to_rounding(y_again, y, "y")
    ends = []
    for step in (1e-4, -1e-4):
        there = derivatives.move(point, direction, step)
        for name in net.parameters:
            net.parameters[name] = there[name]
        state = derivatives.state_of(there)
        ends.append(net.forward(there["x"], state, case.lengths, seed=9)[0])
    assert_close((ends[0] - ends[1]) / 2e-4, y_tangent, HESSIAN, "tangent of y")


def test_hessian_of_a_loss(rng):
    """Of half the squared error, through the tangent of y: against differences of its gradient."""
    lstm = peephole.LSTM(2, 3, dtype="float64", seed=0)
    x, target = rng.standard_normal((2, 5, 2)), rng.standard_normal((2, 5, 3))
    v = {name: rng.standard_normal(lstm.parameters[name].shape) for name in lstm.parameters}
    y, _, tape = lstm.forward(x)
    _, (y_tangent, _) = lstm.jvp(x, Tangents(parameters=v))
    _, moved = lstm.backward_jvp(
        tape, Tangents(parameters=v), y - target, dy_tangent=y_tangent, inputs=False
    )
    assert moved.x is None
    before = {name: np.array(lstm.parameters[name]) for name in lstm.parameters}
    total = dict.fromkeys(before, 0.0)
    for step in (1e-4, -1e-4):
        for name, value in before.items():
            lstm.parameters[name] = value + step * v[name]
        y, _, tape = lstm.forward(x)
        for name, gradient in lstm.backward(tape, y - target).parameters.items():
            total[name] = total[name] + gradient / (2 * step)
    for name, found in total.items():
        assert_close(found, moved.parameters[name], HESSIAN, name)


def test_forms_of_the_call(rng):
    """A single sequence, a recomputing tape, the stack of a network, gradients as a direction."""
    net = peephole.Network(2, [3, 4], 2, dtype="float64", seed=0)
    lstm, x = net.lstm, rng.standard_normal((5, 2))
    dy = rng.standard_normal((5, 4))
    _, _, tape = lstm.forward(x)
    direction = lstm.backward(tape, dy)
    _, expected = lstm.backward_jvp(tape, direction, dy)
    assert expected.x.shape == (5, 2) and expected.state[1][0].shape == (4,)
    assert set(expected.parameters) == set(lstm.parameters)
    _, _, again = lstm.forward(x, recompute=True)
    _, found = lstm.backward_jvp(again, direction, dy)
    _, _, batch = lstm.forward(x[None])
    with_batch = Tangents(direction.x[None], parameters=direction.parameters)
    states = [(h[None], c[None]) for h, c in direction.state]
    _, of_batch = lstm.backward_jvp(batch, with_batch._replace(state=states), dy[None])
    for name, values in derivatives.gradient_point(expected).items():
        assert_identical(derivatives.gradient_point(found)[name], values, name)
    assert_identical(of_batch.x[0], expected.x, "x")


def test_a_row_has_the_same_bits_in_any_batch_and_nan_stays_in_it(rng):
    lstm = peephole.LSTM(2, 7, 2, bidirectional=True, dtype="float64", seed=0)
    x, v = rng.standard_normal((2, 4, 6, 2))
    lengths = [6, 2, 5, 6]
    _, (expected, _) = lstm.jvp(x, Tangents(x=v), lengths=lengths)
    for b, length in enumerate(lengths):
        _, (alone, _) = lstm.jvp(x[b, :length], Tangents(x=v[b, :length]))
        assert_identical(alone, expected[b, :length], "y")
    v[1, 0, 0] = np.nan
    _, (found, _) = lstm.jvp(x, Tangents(x=v), lengths=lengths)
    assert np.isnan(found[1, :2]).any()
    assert_identical(np.delete(found, 1, 0), np.delete(expected, 1, 0), "the others")


X = np.zeros((2, 3, 4))
WRONG = {
    "tangents: expected peephole.Tangents or Gradients, got tuple": (TypeError, (X, None, None)),
    r"tangents.x: expected \(2, 3, 4\), got \(2, 3, 5\)": (
        ValueError,
        Tangents(x=np.zeros((2, 3, 5))),
    ),
    "tangents.state": (ValueError, Tangents(state=[(np.zeros((2, 5)), np.zeros((1, 5)))])),
    r"tangents.parameters\['bias_l0'\]: expected \(20,\), got \(5,\)": (
        ValueError,
        Tangents(parameters={"bias_l0": np.zeros(5)}),
    ),
    "tangents.parameters: expected names among weight_ih_l0, .*, got 'bias'": (
        ValueError,
        Tangents(parameters={"bias": np.zeros(5)}),
    ),
    "tangents.parameters: expected names as keys, got int": (
        TypeError,
        Tangents(parameters={1: np.zeros(5)}),
    ),
    "tangents.parameters: expected a mapping of names to arrays, got list": (
        TypeError,
        Tangents(parameters=[np.zeros(5)]),
    ),
    "tangents.x: expected an array without masked values": (
        TypeError,
        Tangents(x=np.ma.masked_equal(X, 0)),
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_tangents(message):
    kind, tangents = WRONG[message]
    lstm = peephole.LSTM(4, 5, dtype="float64", seed=0)
    y, _, tape = lstm.forward(X)
    with pytest.raises(kind, match=message):
        lstm.jvp(X, tangents)
    with pytest.raises(kind, match=message):
        lstm.backward_jvp(tape, tangents, y)


def test_wrong_calls():
    lstm = peephole.LSTM(4, 5, dtype="float64", seed=0)
    y, _, tape = lstm.forward(X)
    with pytest.raises(ValueError, match=r"dy: expected \(2, 3, 5\), got \(2, 3, 4\)"):
        lstm.backward_jvp(tape, Tangents(), X)
    with pytest.raises(ValueError, match=r"dy_tangent: expected \(2, 3, 5\), got \(2, 3, 4\)"):
        lstm.backward_jvp(tape, Tangents(), y, dy_tangent=X)
    with pytest.raises(ValueError, match=r"dstate_tangent: expected 1 pair"):
        lstm.backward_jvp(tape, Tangents(), y, dstate_tangent=[])
    with pytest.raises(TypeError, match="inputs: expected True or False, got 1"):
        lstm.backward_jvp(tape, Tangents(), y, inputs=1)
    with pytest.raises(TypeError, match="tape: expected one that this model's forward returned"):
        lstm.backward_jvp(y, Tangents(), y)
    lstm.parameters["bias_l0"] += 1
    with pytest.raises(ValueError, match="tape: expected one of the current parameters"):
        lstm.backward_jvp(tape, Tangents(), y)
    with pytest.raises(ValueError, match="seed"):
        peephole.LSTM(4, 5, zoneout=0.1, seed=0).jvp(X, Tangents())
    net = peephole.Network(4, 5, 2, dtype="float64", seed=0)
    y, _, tape = net.forward(X)
    with pytest.raises(ValueError, match="dy: expected exactly one of dy and dlogits, got both"):
        net.backward_jvp(tape, Tangents(), y, dlogits=y)
    with pytest.raises(ValueError, match="dy: expected exactly one of dy and dlogits, got neither"):
        net.backward_jvp(tape, Tangents())
    with pytest.raises(ValueError, match="dlogits_tangent: expected None with dy"):
        net.backward_jvp(tape, Tangents(), y, dlogits_tangent=y)
    with pytest.raises(ValueError, match="dy_tangent: expected None with dlogits"):
        net.backward_jvp(tape, Tangents(), dlogits=y, dy_tangent=y)

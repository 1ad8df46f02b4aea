"""Products with the Jacobian and the Hessian: against the reference's derivatives by complex step,
and against differences of the library's own gradients."""

import numpy as np
import peephole
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from peephole import Gradients, Tangents
from reference import derivatives
from support.quotients import initial_state, weights_of
from support.strategies import Case, cases, lstm_options
from support.tolerances import (
    COMPLEX_STEP,
    SINGLE_PRECISION,
    assert_close,
    assert_identical,
    assert_same_to_rounding,
)

CONFIGURATIONS = 100
# Fourth-order differences of gradients in float64: truncation h^4, rounding 2^-52 / h.
HESSIAN = 1e-5
STEP = 1e-3

NOISE = {"dropout": 0.3, "recurrent_dropout": 0.2, "zoneout": 0.2}


def point_of(case):
    return derivatives.make_point(case.x, initial_state(case), case.parameters)


def direction_of(case, purpose):
    """A direction in which everything moves, also masked weights, to no effect."""
    point = point_of(case)
    return derivatives.random_direction(case.rng(purpose), point, list(point))


def tangents_of(direction):
    return Tangents(
        direction["x"], derivatives.state_of(direction), derivatives.parameters_of(direction)
    )


def product(case, lstm, direction, **options):
    """The library's Hessian-vector product, as a point."""
    _, _, tape = lstm.forward(case.x, case.state, case.lengths, **options)
    _, moved = lstm.backward_jvp(tape, tangents_of(direction), case.dy, case.dstate)
    found = derivatives.gradient_point(moved)
    return {name: found[name] for name in direction}  # without a state that is not given


def gradient_at(case, model, point, backward, **options):
    for name in model.parameters:
        model.parameters[name] = point[name]
    _, _, tape = model.forward(point["x"], derivatives.state_of(point), case.lengths, **options)
    return derivatives.gradient_point(backward(tape))


def difference(case, model, direction, backward, **options):
    """The derivative of the gradient along a direction, by differences, as a point."""
    point = point_of(case) | {name: np.array(model.parameters[name]) for name in model.parameters}
    total = dict.fromkeys(point, 0.0)
    for factor, share in derivatives.STENCIL.items():
        for sign in (1, -1):
            moved = derivatives.move(point, direction, sign * factor * STEP)
            gradient = gradient_at(case, model, moved, backward, **options)
            for name in point:
                total[name] += sign * share / STEP * gradient[name]
    for name in model.parameters:
        model.parameters[name] = point[name]
    return total


def flat(point):
    return np.concatenate([np.ravel(point[name]) for name in sorted(point)])


def smooth(case, direction):
    model = derivatives.ReferenceModel(case)
    return not model.has_kinks or derivatives.is_smooth(
        model.regions_at, point_of(case), direction, STEP
    )


def test_hessian_by_finite_differences():
    compared = []

    @settings(max_examples=3 * CONFIGURATIONS, phases=[Phase.explicit, Phase.generate])
    @given(case=cases())
    def check(case):
        direction = direction_of(case, "v")
        if not smooth(case, direction):
            return
        lstm = case.build()
        exact = product(case, lstm, direction)
        found = difference(
            case, lstm, direction, lambda tape: lstm.backward(tape, case.dy, case.dstate)
        )
        assert_close(flat(found), flat(exact), HESSIAN, "Hessian-vector product")
        compared.append(case)

    check()
    assert len(compared) >= CONFIGURATIONS


@given(case=cases())
def test_jacobian_by_complex_step(case):
    """Exact to rounding, and with the values of forward."""
    lstm, direction = case.build(), direction_of(case, "v")
    values, moved = lstm.jvp(case.x, tangents_of(direction), case.state, case.lengths)
    y, state, _ = lstm.forward(case.x, case.state, case.lengths)
    assert_same_to_rounding(values[0], y, "y")
    results = [moved[0], *(array for pair in moved[1] for array in pair)]
    weights = weights_of(case)
    model = derivatives.ReferenceModel(case)
    exact = derivatives.complex_step(model.run, weights, point_of(case), direction)
    products = [np.sum(w * r) for w, r in zip(weights, results, strict=True)]
    scale = sum(np.abs(w * r).sum() for w, r in zip(weights, results, strict=True))
    assert abs(sum(products) - exact) <= COMPLEX_STEP * max(scale, abs(exact))
    assert not moved[0][~case.real_steps].any()
    for value, expected in zip(values[1], state, strict=True):
        for a, b in zip(value, expected, strict=True):
            assert_same_to_rounding(a, b, "state")


@given(case=cases())
def test_the_hessian_is_symmetric(case):
    """<u, H v> = <v, H u>."""
    lstm, u, v = case.build(), direction_of(case, "u"), direction_of(case, "v")
    Hu, Hv = product(case, lstm, u), product(case, lstm, v)
    scale = np.abs(flat(Hv) * flat(u)).sum() + np.abs(flat(Hu) * flat(v)).sum()
    assert abs(flat(Hv) @ flat(u) - flat(Hu) @ flat(v)) <= COMPLEX_STEP * max(scale, 1e-300)


@given(case=cases())
def test_values_are_those_of_backward(case):
    lstm = case.build()
    _, _, tape = lstm.forward(case.x, case.state, case.lengths)
    values, _ = lstm.backward_jvp(tape, Tangents(), case.dy, case.dstate)
    assert isinstance(values, Gradients)
    found = derivatives.gradient_point(values)
    for name, expected in derivatives.gradient_point(
        lstm.backward(tape, case.dy, case.dstate)
    ).items():
        assert_same_to_rounding(found[name], expected, name)


@given(case=cases())
def test_nothing_moves_and_gradients_are_linear_in_dy(case):
    """A direction of dy alone: the derivative is the backward pass of that direction."""
    lstm = case.build()
    _, _, tape = lstm.forward(case.x, case.state, case.lengths)
    _, still = lstm.backward_jvp(tape, Tangents(), case.dy, case.dstate)
    assert not flat(derivatives.gradient_point(still)).any()
    _, moved = lstm.backward_jvp(
        tape, Tangents(), case.dy, dy_tangent=2 * case.dy, dstate_tangent=case.dstate
    )
    found = derivatives.gradient_point(moved)
    expected = derivatives.gradient_point(lstm.backward(tape, 2 * case.dy, case.dstate))
    for name, values in expected.items():
        assert_same_to_rounding(found[name], values, name)


@given(case=cases())
def test_masked_weights_have_no_second_derivatives(case):
    lstm = case.build()
    moved = product(case, lstm, direction_of(case, "v"))
    for name in lstm.parameters:
        assert not moved[name][~case.connected(name)].any(), name


@given(case=cases(with_state=True))
def test_float32_is_rounded_at_the_end(case):
    single = case.build("float32")
    rounded = {name: np.asarray(single.parameters[name], float) for name in single.parameters}
    double = case.build()
    for name, values in rounded.items():
        double.parameters[name] = values
    direction = {k: np.float32(v).astype(float) for k, v in direction_of(case, "v").items()}
    x, state = np.float32(case.x), [(np.float32(h), np.float32(c)) for h, c in case.state]
    dy = np.float32(case.dy)
    results = []
    for lstm in (single, double):
        _, _, tape = lstm.forward(x, state, case.lengths)
        _, moved = lstm.backward_jvp(tape, tangents_of(direction), dy)
        results.append(derivatives.gradient_point(moved))
    for name, exact in results[1].items():
        assert results[0][name].dtype == np.float32
        assert_close(results[0][name], exact, SINGLE_PRECISION, name)


# `smooth` looks at the model without noise, so nothing here may have kinks.
WITHOUT_KINKS = {"activations": None, "cell_clip": None, "preactivation_clip": None}


@given(
    case=cases(
        options=lstm_options(**NOISE, **WITHOUT_KINKS, hidden_size=[3, 2], num_layers=1),
        with_state=True,
    )
)
@settings(max_examples=30)
def test_noise_is_that_of_the_forward_pass(case):
    direction = direction_of(case, "v")
    lstm = case.build()
    _, _, tape = lstm.forward(case.x, case.state, case.lengths, seed=3)
    values, _ = lstm.backward_jvp(tape, tangents_of(direction), case.dy, case.dstate)
    expected = derivatives.gradient_point(lstm.backward(tape, case.dy, case.dstate))
    for name, found in derivatives.gradient_point(values).items():
        assert_same_to_rounding(found, expected[name], name)
    if not smooth(case, direction):
        return
    exact = product(case, lstm, direction, seed=3)
    found = difference(
        case, lstm, direction, lambda tape: lstm.backward(tape, case.dy, case.dstate), seed=3
    )
    assert_close(flat(found), flat(exact), HESSIAN, "Hessian-vector product")


SMOOTH = {
    "input_size": 3,
    "hidden_size": [4, 3],
    "peephole": "dense",
    "peephole_gates": "ifgo",
    "output_peephole": "current",
    "bias": True,
    "activations": None,
    "coupled_input_forget": False,
    "bidirectional": True,
}


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


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_any_number_of_threads(seed):
    case = Case(SMOOTH, batch=3, time=4, seed=seed)
    lstm, direction = case.build(), direction_of(case, "v")
    with peephole.executor("own"):
        threads = peephole.num_threads()
        found = []
        for count in (1, 2):
            peephole.set_num_threads(count)
            found.append(product(case, lstm, direction))
        peephole.set_num_threads(threads)
    for name, values in found[0].items():
        assert_identical(found[1][name], values, name)

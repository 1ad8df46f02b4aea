"""Products with the Jacobian and the Hessian: against the reference's derivatives by complex step,
and against differences of the library's own gradients."""

import numpy as np
import peephole
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from peephole import Gradients, Tangents
from reference import derivatives
from support.hessians import (
    HESSIAN,
    SMOOTH,
    difference,
    direction_of,
    flat,
    point_of,
    product,
    smooth,
    tangents_of,
)
from support.quotients import weights_of
from support.strategies import Case, cases, lstm_options
from support.tolerances import (
    COMPLEX_STEP,
    SINGLE_PRECISION,
    assert_close,
    assert_identical,
    assert_same_to_rounding,
)

CONFIGURATIONS = 100
NOISE = {"dropout": 0.3, "recurrent_dropout": 0.2, "zoneout": 0.2}


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
WITHOUT_KINKS = {
    "activations": None,
    "cell_clip": None,
    "preactivation_clip": None,
    "projection_clip": None,
}


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

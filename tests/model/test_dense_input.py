"""A dense layer before the LSTM: its values and its gradients."""

import numpy as np
import peephole
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peephole import optim
from reference import derivatives
from reference import lstm as reference
from support.dense_input import built, dense
from support.hessians import HESSIAN, SMOOTH, difference, flat, point_of, tangents_of
from support.quotients import initial_state
from support.strategies import Case, cases
from support.tolerances import COMPLEX_STEP, REFERENCE, assert_close, assert_identical

each_activation = pytest.mark.parametrize("activation", sorted(reference.ACTIVATIONS))
few = settings(max_examples=8)


class ReferenceModel(derivatives.ReferenceModel):
    """The readable reference, with the dense layer before it."""

    def __init__(self, case, activation, head, readout):
        super().__init__(case, head, readout)
        self.activation = activation

    def run(self, point, regions=None):
        u = dense(self.activation, point, point["x"])
        rest = {name: value for name, value in point.items() if not name.startswith("input.")}
        return super().run({**rest, "x": u}, regions)


class TestValues:
    @each_activation
    @few
    @given(case=cases(), inputs=st.integers(1, 5), readout=st.sampled_from(["all", "last", "mean"]))
    def test_equals_the_readable_reference(self, activation, case, inputs, readout):
        net, values, x = built(case, inputs, activation, head="tanh", readout=readout)
        expected, _, final = reference.network(
            case.options, "tanh", readout, values, dense(activation, values, x), case.state,
            case.lengths,
        )  # fmt: skip
        y, state = net(x, case.state, case.lengths)
        assert_close(y, expected, REFERENCE["float64"], "y")
        for pair, expected_pair in zip(state, final, strict=True):
            for found, wanted in zip(pair, expected_pair, strict=True):
                assert_close(found, wanted, REFERENCE["float64"], "state")
        assert_identical(net.forward(x, case.state, case.lengths)[0], y, "y of forward")

    def test_the_lstm_inside_reads_its_output(self, rng, dtype):
        net = peephole.Network(3, 5, 2, input_dense_size=4, input_activation="relu", dtype=dtype)
        assert net.input_size == 3
        assert net.lstm.input_size == 4
        assert list(net.lstm.parameters) == list(net.parameters)[:4]
        assert list(net.parameters)[4:] == [
            "input.weight", "input.bias", "head.weight", "head.bias",
        ]  # fmt: skip
        x = rng.standard_normal((2, 6, 3)).astype(dtype)
        u = dense("relu", {name: np.array(net.parameters[name]) for name in net.parameters}, x)
        h, _ = net.lstm(u)
        y = h @ net.parameters["head.weight"].T + net.parameters["head.bias"]
        assert_close(net.predict(x), y, REFERENCE[dtype], "y")

    def test_first_values(self):
        net = peephole.Network(16, 5, 2, input_dense_size=400, seed=3)
        weight = net.parameters["input.weight"]
        assert 0.24 < np.abs(weight).max() <= 0.25  # 1 / sqrt(16)
        assert not net.parameters["input.bias"].any()
        plain = peephole.Network(400, 5, 2, seed=3)
        assert_identical(net.parameters["weight_hh_l0"], plain.parameters["weight_hh_l0"], "R")


class TestGradients:
    @each_activation
    @settings(max_examples=3)
    @given(case=cases(), inputs=st.integers(1, 3), of_logits=st.booleans())
    def test_every_entry_by_complex_step(self, activation, case, inputs, of_logits):
        net, values, x = built(case, inputs, activation, head="tanh")
        y, _, tape = net.forward(x, case.state, case.lengths)
        dy = case.rng("dy of the network").standard_normal(y.shape)
        dy = np.where(case.real_steps[..., None], dy, 0.0)
        upstream = {"dlogits": dy} if of_logits else {"dy": dy}
        grads = net.backward(tape, dstate=case.dstate, **upstream)
        gradient = derivatives.gradient_point(grads)

        point = derivatives.make_point(x, initial_state(case), values)
        model = ReferenceModel(case, activation, "tanh", "all")
        states = [array for pair in case.dstate for array in pair]
        unused = np.zeros_like(dy)
        weights = [unused, dy, *states] if of_logits else [dy, unused, *states]
        for name in point:
            exact = derivatives.entry_gradient(model.run, weights, point, name)
            assert_close(gradient[name], exact, COMPLEX_STEP, name)
        assert not grads.x[~case.real_steps].any()

    @pytest.mark.parametrize("recompute", [False, True])
    def test_bits_whatever_is_asked_for(self, rng, dtype, recompute):
        net = peephole.Network(
            3, [5, 4], 2, input_dense_size=6, input_activation="tanh", dtype=dtype, dropout=0.3,
            bidirectional=True, seed=0,
        )  # fmt: skip
        x, dy = (rng.standard_normal((4, 30, n)).astype(dtype) for n in (3, 2))
        lengths = [30, 7, 0, 19]
        _, _, tape = net.forward(x, None, lengths, seed=1)
        _, _, other = net.forward(x, None, lengths, seed=1, recompute=recompute)
        expected, found = net.backward(tape, dy), net.backward(other, dy, inputs=False)
        assert found.x is None
        for name, value in expected.parameters.items():
            assert_identical(found.parameters[name], value, name)
        assert recompute == (other.nbytes < tape.nbytes)

    def test_masked_weights_have_no_gradient(self, rng):
        mask = np.eye(4, 3, dtype=bool)
        net = peephole.Network(3, 5, 2, input_dense_size=4, masks={"input.weight": mask}, seed=0)
        assert not net.parameters["input.weight"][~mask].any()
        y, _, tape = net.forward(rng.standard_normal((2, 5, 3)))
        gradient = net.backward(tape, np.ones_like(y)).parameters["input.weight"]
        assert not gradient[~mask].any()
        assert gradient[mask].all()

    def test_second_derivatives(self):
        case = Case(SMOOTH, batch=3, time=4, lengths=(4, 0, 2), seed=5)
        net, values, x = built(case, 2, "tanh", dropout=0.3)
        case.__dict__["x"] = x  # of which `difference` makes its points
        point = {**point_of(case), **values, "x": x}
        direction = derivatives.random_direction(case.rng("v"), point, list(point))
        y, _, tape = net.forward(x, case.state, case.lengths, seed=9)
        dy = case.rng("dy").standard_normal(y.shape)
        gradients, moved = net.backward_jvp(tape, tangents_of(direction), dy, case.dstate)

        def backward(of):
            return net.backward(of, dy, case.dstate)

        expected = derivatives.gradient_point(backward(tape))
        for name, value in derivatives.gradient_point(gradients).items():
            assert_close(value, expected[name], REFERENCE["float64"], name)
        found = difference(case, net, direction, backward, seed=9)
        assert_close(flat(found), flat(derivatives.gradient_point(moved)), HESSIAN)

    def test_weight_decay_acts_on_the_weights_alone(self):
        net = peephole.Network(3, 5, 2, input_dense_size=4, dtype="float64", seed=0)
        net.parameters["input.bias"] = np.ones(4)
        before = {name: np.array(net.parameters[name]) for name in net.parameters}
        rule = optim.AdamW(net.parameters, 0.1, weight_decay=0.5)
        rule.step({name: np.zeros_like(value) for name, value in before.items()})
        assert_close(net.parameters["input.weight"], 0.95 * before["input.weight"], 1e-15)
        assert_identical(net.parameters["input.bias"], before["input.bias"], "bias")

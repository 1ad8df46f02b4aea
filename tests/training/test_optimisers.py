"""The optimisers: against PyTorch's and the equations, their state, clipping, bad input."""

import math

import numpy as np
import peephole
import pytest
from peephole import optim
from support.refusals import refused, unchanged

INPUTS, UNITS = 3, 4
STEPS = 200
# Equal to PyTorch's after 200 steps, values being about 1: the promise is 1e-6. In float32 each
# side rounds by 6e-8 a step in its own order.
TOLERANCE = {"float64": 1e-10, "float32": 1e-6}

RULES = {
    "Adam": (optim.Adam, {}, {}),
    "Adam with decay": (optim.Adam, {"betas": (0.8, 0.95), "weight_decay": 0.1}, {}),
    "AdamW": (optim.AdamW, {}, {}),
    "AdamW with options": (
        optim.AdamW,
        {"betas": (0.8, 0.95), "epsilon": 1e-4, "weight_decay": 0.3},
        {"epsilon": "eps"},
    ),
    "SGD": (optim.SGD, {}, {}),
    "SGD with momentum": (optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}, {}),
    "Nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, {}),
    "RMSprop": (optim.RMSprop, {}, {}),
    "RMSprop with options": (
        optim.RMSprop,
        {"rho": 0.9, "epsilon": 1e-3, "momentum": 0.5, "centred": True, "weight_decay": 0.1},
        {"rho": "alpha", "epsilon": "eps", "centred": "centered"},
    ),
}


@pytest.fixture(params=RULES)
def rule(request):
    return RULES[request.param]


def layer(dtype="float64", **options):
    return peephole.LSTM(INPUTS, UNITS, dtype=dtype, seed=0, **options)


def values_of(model):
    return {name: np.array(model.parameters[name]) for name in model.parameters}


def random_gradients(rng, model):
    shapes = {name: model.parameters.shape(name) for name in model.parameters}
    return {n: rng.standard_normal(s).astype(model.dtype) for n, s in shapes.items()}


class TestAgainstTorch:
    def test_same_gradients_same_weights(self, rule, dtype, rng):
        torch = pytest.importorskip("torch")
        cls, options, names = rule
        lstm = layer(dtype)
        ours = cls(lstm.parameters, 1e-2, **options)
        theirs = {name: torch.tensor(value) for name, value in values_of(lstm).items()}
        weights = [value for name, value in theirs.items() if not name.startswith("bias")]
        biases = [value for name, value in theirs.items() if name.startswith("bias")]
        groups = [{"params": weights}, {"params": biases, "weight_decay": 0.0}]
        options = {names.get(name, name): value for name, value in options.items()}
        peer = getattr(torch.optim, cls.__name__)(groups, lr=1e-2, **options)
        for _ in range(STEPS):
            gradients = random_gradients(rng, lstm)
            for name, tensor in theirs.items():
                tensor.grad = torch.from_numpy(gradients[name])
            peer.step()
            ours.step(gradients)
        for name, tensor in theirs.items():
            np.testing.assert_allclose(
                lstm.parameters[name], tensor.numpy(), rtol=0, atol=TOLERANCE[dtype]
            )

    def test_clipping(self, rng):
        torch = pytest.importorskip("torch")
        lstm = layer()
        gradients = random_gradients(rng, lstm)
        theirs = [torch.tensor(g, requires_grad=True) for g in gradients.values()]
        for tensor, g in zip(theirs, gradients.values(), strict=True):
            tensor.grad = torch.tensor(g)
        norm = torch.nn.utils.clip_grad_norm_(theirs, 0.5)
        assert optim.clip_norm(gradients, 0.5) == pytest.approx(norm.item(), rel=1e-12)
        for tensor, g in zip(theirs, gradients.values(), strict=True):
            # PyTorch divides by norm + 1e-6.
            np.testing.assert_allclose(g, tensor.grad.numpy(), rtol=1e-5)


class TestEquations:
    def test_adam(self, rng):
        lstm = layer()
        expected = values_of(lstm)
        moments = dict.fromkeys(expected, (0.0, 0.0))
        optimiser = optim.Adam(lstm.parameters, 0.1, betas=(0.8, 0.9), epsilon=1e-3)
        for step in range(1, 4):
            optimiser.learning_rate = rate = 0.1 / step
            gradients = random_gradients(rng, lstm)
            optimiser.step(gradients)
            for name, d in gradients.items():
                m, v = moments[name]
                m, v = moments[name] = 0.8 * m + 0.2 * d, 0.9 * v + 0.1 * d * d
                slope = (m / (1 - 0.8**step)) / (np.sqrt(v / (1 - 0.9**step)) + 1e-3)
                expected[name] = expected[name] - rate * slope
        assert optimiser.steps == 3
        assert optimiser.learning_rate == 0.1 / 3
        for name, value in expected.items():
            np.testing.assert_allclose(lstm.parameters[name], value, rtol=1e-12)

    @pytest.mark.parametrize("cls", [optim.Adam, optim.AdamW, optim.SGD, optim.RMSprop])
    def test_decay_leaves_biases_alone(self, cls):
        lstm = layer()
        before = values_of(lstm)
        cls(lstm.parameters, 0.1, weight_decay=0.5).step(
            {name: np.zeros_like(value) for name, value in before.items()}
        )
        np.testing.assert_array_equal(lstm.parameters["bias_l0"], before["bias_l0"])
        for name in ("weight_ih_l0", "weight_hh_l0", "weight_ch_l0"):
            assert ((lstm.parameters[name] - before[name]) * before[name] < 0).all(), "towards 0"

    def test_masked_weights_stay_zero(self, rule, rng):
        """Whatever is written to them, and whatever gradient is given."""
        mask = rng.random((4 * UNITS, UNITS)) < 0.5
        lstm = layer(masks={"weight_hh_l0": mask})
        lstm.parameters["weight_hh_l0"][...] = 1.0
        cls, options, _ = rule
        optimiser = cls(lstm.parameters, 0.1, **options)
        gradients = random_gradients(rng, lstm)
        gradients["weight_hh_l0"] *= mask
        for _ in range(3):
            optimiser.step(gradients)
            np.testing.assert_array_equal(lstm.parameters["weight_hh_l0"] != 0, mask)

    def test_takes_gradients_or_a_mapping(self, rng):
        x, twins = rng.standard_normal((2, 5, INPUTS)), [layer(), layer()]
        for lstm, pick in zip(twins, (lambda g: g, lambda g: g.parameters), strict=True):
            y, _, tape = lstm.forward(x)
            optim.Adam(lstm.parameters).step(pick(lstm.backward(tape, y)))
        np.testing.assert_equal(values_of(twins[0]), values_of(twins[1]))

    def test_gradients_without_those_of_the_inputs(self, rng):
        lstm, x = layer(), rng.standard_normal((2, 5, INPUTS))
        y, _, tape = lstm.forward(x)
        with_x, without = lstm.backward(tape, y), lstm.backward(tape, y, inputs=False)
        assert without.x is None
        np.testing.assert_equal(without.parameters, with_x.parameters)
        np.testing.assert_equal(without.state, with_x.state)
        net = peephole.Network(INPUTS, UNITS, 2, seed=0)
        out, _, tape = net.forward(x)
        assert net.backward(tape, out, inputs=False).x is None


class TestState:
    def test_continues(self, rule, rng):
        cls, options, _ = rule
        lstm, twin = layer(), layer()
        first, second = (cls(m.parameters, 0.1, **options) for m in (lstm, twin))
        for _ in range(3):
            first.step(random_gradients(rng, lstm))
        first.learning_rate = 0.05
        for name in lstm.parameters:
            twin.parameters[name] = lstm.parameters[name]
        state = first.state()
        second.set_state(state)
        assert second.steps == 3
        assert second.learning_rate == 0.05
        gradients = random_gradients(rng, lstm)
        first.step(gradients)
        second.step(gradients)
        np.testing.assert_equal(values_of(twin), values_of(lstm))
        assert state["steps"] == 3, "the state is a copy"

    @pytest.mark.parametrize(
        ("change", "error", "argument"),
        [
            ({"steps": None}, TypeError, "state[steps]"),
            ({"steps": -1}, ValueError, "steps"),
            ({"learning_rate": -1.0}, ValueError, "learning_rate"),
            ({"m/bias_l0": np.zeros(3)}, ValueError, "state[m/bias_l0]"),
            ({"v/bias_l0": np.zeros(16, complex)}, TypeError, "state[v/bias_l0]"),
        ],
    )
    def test_wrong_states_change_nothing(self, change, error, argument, rng):
        lstm = layer()
        optimiser = optim.Adam(lstm.parameters, 0.1)
        optimiser.step(random_gradients(rng, lstm))
        before = optimiser.state()
        with refused(error, argument):
            optimiser.set_state({**before, "learning_rate": 0.5, **change})
        np.testing.assert_equal(optimiser.state(), before)
        (name,) = change
        with pytest.raises(ValueError, match=name):
            optimiser.set_state({k: v for k, v in before.items() if k != name})
        np.testing.assert_equal(optimiser.state(), before)


class TestClipping:
    def test_norm(self, rng):
        gradients = {"a": rng.standard_normal((3, 4)), "b": rng.standard_normal(5)}
        kept = {name: g.copy() for name, g in gradients.items()}
        norm = math.sqrt(sum(np.square(g).sum() for g in kept.values()))
        assert optim.clip_norm(gradients, 2 * norm) == pytest.approx(norm, rel=1e-12)
        np.testing.assert_equal(gradients, kept)
        assert optim.clip_norm(gradients, norm / 4) == pytest.approx(norm, rel=1e-12)
        for name, g in kept.items():
            np.testing.assert_allclose(gradients[name], g / 4, rtol=1e-12)

    def test_value(self, rng):
        gradients = {"a": rng.standard_normal((3, 4)), "b": rng.standard_normal(5)}
        kept = {name: g.copy() for name, g in gradients.items()}
        optim.clip_value(gradients, 0.5)
        for name, g in kept.items():
            np.testing.assert_array_equal(gradients[name], g.clip(-0.5, 0.5))

    @pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
    @pytest.mark.parametrize(
        ("clip", "argument"), [(optim.clip_norm, "max_norm"), (optim.clip_value, "max_value")]
    )
    def test_bad_input(self, clip, argument, value):
        gradients = {"weight": np.ones(3)}
        with unchanged(gradients["weight"]), refused(ValueError, argument):
            clip(gradients, value)
        with refused(TypeError, "gradients[weight]"):
            clip({"weight": [1.0]}, 1.0)

"""The optimiser of a training: a given one, one of another network, one of some parameters."""

import numpy as np
import pytest
from peephole import optim
from support.fitting import OUTPUTS, N, classification, network, quiet, values_of
from support.refusals import refused


@pytest.fixture
def data(rng):
    return classification(rng)


class TestOfAnotherNetwork:
    @pytest.mark.parametrize("kind", ["object", "function", "lstm"])
    def test_is_refused(self, kind, data):
        net, other = network(), network(seed=1)
        made = optim.Adam((net.lstm if kind == "lstm" else other).parameters)
        before = values_of(net), values_of(other)
        with refused(ValueError, "optimiser", "of another model"):
            quiet(net, *data, optimiser=(lambda p, r: made) if kind == "function" else made)
        np.testing.assert_equal((values_of(net), values_of(other)), before)

    def test_from_a_callback(self, data):
        net, other = network(), network(seed=1)
        before = values_of(other)

        def swap(run):
            run.optimiser = optim.Adam(other.parameters)

        with refused(ValueError, "optimiser", "of another model"):
            quiet(net, *data, callbacks=swap)
        np.testing.assert_equal(values_of(other), before)


class TestKept:
    def test_over_calls_of_fit(self, data):
        """Two calls give the bits of one, if nothing is random."""
        net, twin = network(), network()
        optimiser = optim.Adam(net.parameters, 0.01)
        for _ in range(2):
            quiet(net, *data, epochs=2, shuffle=False, optimiser=optimiser)
        quiet(twin, *data, epochs=4, shuffle=False, learning_rate=0.01)
        np.testing.assert_equal(values_of(net), values_of(twin))
        assert optimiser.steps == 4 * 3

    def test_its_learning_rate_stays(self, data):
        from peephole.schedules import Cosine

        net = network()
        optimiser = optim.Adam(net.parameters, 0.01)
        history = quiet(net, *data, optimiser=optimiser, schedule=Cosine(), learning_rate=7.0)
        assert max(history.learning_rate) < 0.01
        assert optimiser.learning_rate == 0.01

    def test_resumed(self, data, tmp_path):
        net, twin = network(), network()
        options = {"shuffle": False, "checkpoint": tmp_path / "run"}
        quiet(net, *data, epochs=1, optimiser=optim.Adam(net.parameters, 0.01), **options)
        again = network()
        optimiser = optim.Adam(again.parameters, 0.01)
        quiet(again, *data, epochs=2, optimiser=optimiser, resume=True, **options)
        quiet(twin, *data, epochs=2, shuffle=False, learning_rate=0.01)
        np.testing.assert_equal(values_of(again), values_of(twin))

    def test_a_refused_resume_leaves_it_alone(self, data, tmp_path):
        net = network()
        options = {"checkpoint": tmp_path / "run", "optimiser": optim.Adam(net.parameters)}
        quiet(net, *data, **options)
        before = options["optimiser"].state()
        with refused(ValueError, "resume"):
            quiet(net, *data, resume=True, clip_norm=0.1, **options)
        np.testing.assert_equal(options["optimiser"].state(), before)


RULES = [
    lambda p, rate: optim.AdamW(p, rate, weight_decay=0.1),
    lambda p, rate: optim.SGD(p, rate, momentum=0.9, weight_decay=0.1),
    lambda p, rate: optim.RMSprop(p, rate, weight_decay=0.1),
]


class TestFrozen:
    @pytest.mark.parametrize("rule", RULES)
    def test_stays_unchanged(self, rule, data):
        net = network(num_layers=2)
        before = values_of(net)
        quiet(net, *data, optimiser=rule, frozen=["*_l0", "head.bias"], learning_rate=0.1)
        for name, value in values_of(net).items():
            frozen = name.endswith("_l0") or name == "head.bias"
            assert np.array_equal(value, before[name]) == frozen, name

    def test_its_gradient_does_not_count(self, data):
        """The norm of the history, to which clip_norm applies, is that of the trained
        parameters."""
        x, y = data
        net = network()
        _, logits, _, tape = net._core.forward(x, None, None)
        probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        dlogits = (probabilities - np.eye(OUTPUTS)[y]) / N
        gradients = net._core.backward(tape, None, None, dlogits, False)[2]
        expected = np.sqrt(sum((gradients[f"head.{k}"] ** 2).sum() for k in ("weight", "bias")))
        history = quiet(net, x, y, epochs=1, batch_size=N, frozen="*_l0")
        np.testing.assert_allclose(history.gradient_norm, [expected], rtol=1e-10)

    def test_as_zero_gradients(self, data):
        """The trained parameters change as if the others had no gradient."""
        net, twin = network(), network()
        quiet(net, *data, frozen="*_l0", clip_norm=None, learning_rate=0.1)

        class Head(optim.Adam):
            def step(self, gradients):
                zeros = {k: np.zeros_like(g) for k, g in gradients.items() if k.endswith("_l0")}
                super().step({**gradients, **zeros})

        quiet(twin, *data, optimiser=Head, clip_norm=None, learning_rate=0.1)
        np.testing.assert_equal(values_of(net), values_of(twin))

    def test_resumed(self, data, tmp_path):
        net, again, twin = network(), network(), network()
        quiet(net, *data, epochs=1, frozen="head.*", checkpoint=tmp_path / "run")
        quiet(again, *data, epochs=3, frozen="head.*", checkpoint=tmp_path / "run", resume=True)
        quiet(twin, *data, epochs=3, frozen="head.*")
        np.testing.assert_equal(values_of(again), values_of(twin))

    @pytest.mark.parametrize(
        ("error", "frozen"),
        [(ValueError, "heads.*"), (ValueError, "*"), (TypeError, 3), (TypeError, [3])],
    )
    def test_wrong_names(self, error, frozen, data):
        with refused(error, "frozen"):
            quiet(network(), *data, frozen=frozen)

    def test_an_optimiser_of_frozen_ones(self, data):
        net = network()
        with refused(ValueError, "optimiser", "without the frozen parameters"):
            quiet(net, *data, optimiser=optim.Adam(net.parameters), frozen="head.*")
        quiet(net, *data, optimiser=optim.Adam(net.parameters.select("head.*")), frozen="*_l0")


class TestSelection:
    def test_names(self):
        parameters = network(num_layers=2).parameters
        assert list(parameters.select("head.*")) == ["head.weight", "head.bias"]
        assert list(parameters.select("bias_l1", "bias_l0")) == ["bias_l0", "bias_l1"]
        rest = parameters.without("head.*", "*_l1")
        assert all(name.endswith("_l0") for name in rest)
        assert rest.size == sum(rest[name].size for name in rest)

    def test_same_memory(self):
        net = network()
        net.parameters.select("head.*")["head.bias"] = np.arange(OUTPUTS)
        np.testing.assert_array_equal(net.parameters["head.bias"], np.arange(OUTPUTS))

    def test_wrong_names(self):
        parameters = network().parameters
        with refused(ValueError, "patterns"):
            parameters.select("head")
        with refused(ValueError, "patterns"):
            parameters.without("*")
        with refused(TypeError, "patterns"):
            parameters.select(3)

    def test_state_of_an_optimiser(self, data):
        net, twin = network(), network()
        optimiser = optim.Adam(net.parameters.select("head.*"))
        quiet(net, *data, optimiser=optimiser)
        state = optimiser.state()
        assert {key.split("/")[-1] for key in state} == {
            "steps",
            "learning_rate",
            "head.weight",
            "head.bias",
        }
        other = optim.Adam(twin.parameters.select("head.*"))
        other.set_state(state)
        np.testing.assert_equal(other.state(), state)
        del state["m/head.bias"]
        with pytest.raises(ValueError, match=r"m/head\.bias"):
            other.set_state(state)

    def test_needs_no_other_gradients(self):
        net = network()
        optimiser = optim.SGD(net.parameters.select("head.*"), 1.0)
        before = values_of(net)
        gradients = {k: np.ones_like(before[k]) for k in ("head.weight", "head.bias")}
        optimiser.step(gradients)
        for name, value in values_of(net).items():
            np.testing.assert_array_equal(value, before[name] - gradients.get(name, 0), name)
        with pytest.raises(ValueError, match=r"head\.bias"):
            optimiser.step({"head.weight": gradients["head.weight"]})

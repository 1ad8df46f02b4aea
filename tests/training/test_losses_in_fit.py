"""Losses in `Network.fit`: missing targets, weights, labels to ignore, custom functions."""

import math

import numpy as np
import peephole
import pytest
from peephole import losses
from support.fitting import network, quiet, ragged, values_of
from support.refusals import refused


def fitted(x, y, head="identity", readout="all", **options):
    net = network(head, readout)
    history = quiet(net, x, y, **{"epochs": 1, "batch_size": 12, "clip_norm": None, **options})
    return net, history


class TestInFit:
    def test_missing_steps(self, rng):
        """NaN targets are like steps without a target."""
        x = rng.standard_normal((4, 6, 3))
        y = rng.standard_normal((4, 6, 4))
        gaps = y.copy()
        gaps[:, 2] = np.nan
        with refused(ValueError, "y", "nan in sequence 0, step 2"):
            fitted(x, gaps)
        weights = np.ones((4, 6))
        weights[:, 2] = 0
        of_nan, history = fitted(x, gaps, missing="skip")
        of_weights, same = fitted(x, y, sample_weight=weights)
        assert history.loss == pytest.approx(same.loss, rel=1e-13)
        for name, value in values_of(of_nan).items():
            np.testing.assert_allclose(of_weights.parameters[name], value, atol=1e-13)

    def test_missing_sequences(self, rng):
        x, y = rng.standard_normal((6, 5, 3)), rng.integers(0, 4, 6)
        y[[1, 4]] = -1
        kept = y >= 0
        ignoring = losses.CrossEntropy(ignore_label=-1)
        with_gaps, _ = fitted(x, y, "softmax", "last", loss=ignoring)
        without, _ = fitted(x[kept], y[kept], "softmax", "last")
        for name, value in values_of(without).items():
            np.testing.assert_allclose(with_gaps.parameters[name], value, atol=1e-13)

    def test_a_batch_without_targets_makes_no_step(self, rng):
        x, y = rng.standard_normal((4, 5, 3)), np.full((4, 5, 4), np.nan)
        net = network("identity", "all")
        before = values_of(net)
        history = quiet(net, x, y, missing="skip", epochs=1)
        assert math.isnan(history.loss[0])
        np.testing.assert_equal(values_of(net), before)

    def test_sample_weights_of_ragged_steps(self, rng):
        x = ragged(rng)
        y = [rng.standard_normal((len(s), 4)) for s in x]
        of_steps = [rng.uniform(0, 1, len(s)) for s in x]
        of_sequences = rng.uniform(0, 1, len(x))
        same = [np.full(len(s), w) for s, w in zip(x, of_sequences, strict=True)]
        first, _ = fitted(x, y, sample_weight=of_sequences)
        second, _ = fitted(x, y, sample_weight=same)
        third, _ = fitted(x, y, sample_weight=of_steps)
        np.testing.assert_equal(values_of(first), values_of(second))
        assert (third.parameters["head.bias"] != first.parameters["head.bias"]).any()

    def test_a_function(self, rng):
        """A user's mean squared error trains as the built-in one."""
        x = ragged(rng)
        y = [rng.standard_normal((len(s), 4)) for s in x]

        def error(y_pred, y_true, lengths):
            assert y_pred.shape == y_true.shape == (12, 7, 4)
            real = np.arange(7) < lengths[:, None]
            difference = (y_pred - y_true) * real[..., None]
            n = real.sum() * 4
            return np.square(difference).sum() / n, 2 * difference / n

        own, own_history = fitted(x, y, loss=error)
        ours, history = fitted(x, y)
        assert own_history.loss == pytest.approx(history.loss, rel=1e-12)
        for name, value in values_of(ours).items():
            np.testing.assert_allclose(own.parameters[name], value, atol=1e-12)

    @pytest.mark.parametrize(
        ("head", "loss"),
        [("sigmoid", "binary_cross_entropy"), ("tanh", "huber"), ("softmax", "mse")],
    )
    def test_every_name(self, head, loss, rng):
        x, y = rng.standard_normal((8, 5, 3)), rng.uniform(0, 1, (8, 4))
        _, history = fitted(x, y, head, "last", loss=loss, epochs=30, learning_rate=0.05)
        assert history.loss[-1] < history.loss[0]

    @pytest.mark.parametrize(
        ("error", "argument", "options"),
        [
            (ValueError, "loss", {"loss": "l2"}),
            (ValueError, "loss", {"loss": "cross_entropy"}),
            (ValueError, "loss", {"loss": "binary_cross_entropy"}),
            (TypeError, "loss", {"loss": 2}),
            (TypeError, "loss", {"loss": losses.Huber}),
            (ValueError, "missing", {"missing": "drop"}),
            (ValueError, "sample_weight", {"sample_weight": np.ones(3)}),
            (ValueError, "sample_weight", {"sample_weight": np.ones((4, 6))}),
            (ValueError, "sample_weight", {"sample_weight": -np.ones(4)}),
            (ValueError, "sample_weight", {"sample_weight": [1, 1, 1, np.nan]}),
            (TypeError, "sample_weight", {"sample_weight": ["a"] * 4}),
            (
                ValueError,
                "sample_weight",
                {"sample_weight": np.ones(4), "loss": lambda y, t, n: (0.0, y)},
            ),
            (ValueError, "loss", {"loss": lambda y, t, n: (0.0, y[0])}),
            (TypeError, "loss", {"loss": lambda y, t, n: 0.0}),
        ],
    )
    def test_bad_input(self, error, argument, options):
        net = peephole.Network(3, 5, 4, seed=0)
        before = values_of(net)
        with refused(error, argument):
            net.fit(np.ones((4, 5, 3)), np.ones((4, 5, 4)), progress=False, **options)
        np.testing.assert_equal(values_of(net), before)

    @pytest.mark.parametrize("wrong", [-0.1, 1.1, np.inf])
    def test_bad_targets_of_binary_cross_entropy(self, wrong):
        net = peephole.Network(3, 5, 1, head="sigmoid", readout="last", seed=0)
        with refused(ValueError, "y", "targets in 0..1"):
            net.fit(np.ones((2, 5, 3)), [0, wrong], loss="binary_cross_entropy", progress=False)

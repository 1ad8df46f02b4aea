"""Metrics of partly missing targets, of weights, and of nothing; `score`, which is made of them."""

import math

import numpy as np
import peephole
import pytest
from peephole import metrics
from support.fitting import INPUTS, OUTPUTS, N, T, network, quiet, ragged, targets
from support.refusals import refused

OF_VALUES = ("mse", "rmse", "mae", "r2", "accuracy")


@pytest.mark.parametrize("name", OF_VALUES)
def test_of_present_values(name, rng):
    y_pred, y_true = rng.uniform(0, 1, (2, 40, 3))
    gaps = rng.random((40, 3)) < 0.4
    y_true[gaps] = np.nan
    y_pred[0, 0], y_true[0, 0], gaps[0, 0] = np.nan, np.nan, True
    value = metrics.BY_NAME[name](y_pred, y_true)
    of_output = [
        metrics.BY_NAME[name](y_pred[~gap, k : k + 1], y_true[~gap, k : k + 1])
        for k, gap in enumerate(gaps.T)
    ]
    if name == "r2":
        expected = np.mean(of_output)
    elif name == "rmse":
        expected = math.sqrt(np.square(y_pred - y_true)[~gaps].mean())
    else:
        expected = np.average(of_output, weights=(~gaps).sum(axis=0))
    assert value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", OF_VALUES)
def test_weights_are_repetitions(name, rng):
    y_pred, y_true = rng.uniform(0, 1, (2, 20, 3))
    y_true[3, 1] = np.nan
    weights = rng.integers(0, 4, 20)
    value = metrics.BY_NAME[name](y_pred, y_true, weights)
    repeated = [np.repeat(a, weights, axis=0) for a in (y_pred, y_true)]
    assert value == pytest.approx(metrics.BY_NAME[name](*repeated), rel=1e-12)


@pytest.mark.parametrize("name", OF_VALUES)
def test_of_nothing(name):
    metric = metrics.BY_NAME[name]
    assert math.isnan(metric(np.zeros((0, 2)), np.zeros((0, 2))))
    assert math.isnan(metric(np.zeros((3, 2)), np.full((3, 2), np.nan)))
    assert math.isnan(metric(np.zeros((3, 2)), np.ones((3, 2)), np.zeros(3)))
    assert math.isnan(metrics.accuracy(np.zeros((0, 2)), np.zeros(0, int)))


def test_r2_leaves_out_outputs_without_targets(rng):
    y_pred, y_true = rng.standard_normal((2, 9, 2))
    y_true[:, 0] = np.nan
    assert metrics.r2(y_pred, y_true) == metrics.r2(y_pred[:, 1:], y_true[:, 1:])


def test_r2_of_a_constant_that_is_not_exact_in_binary():
    y_true = np.full((7, 1), 0.1)
    assert metrics.r2(np.zeros((7, 1)), y_true) == 0
    assert metrics.r2(y_true, y_true) == 1


@pytest.mark.parametrize("readout", ["all", "last"])
def test_in_validation(readout, rng):
    x, y = (
        rng.standard_normal((N, T, INPUTS)),
        np.array(
            [rng.standard_normal((T, OUTPUTS) if readout == "all" else OUTPUTS) for _ in range(N)]
        ),
    )
    y[: N // 2, ..., 0] = np.nan
    y[N // 2 :, ..., 1:] = np.nan
    y[0] = np.nan
    net = network("identity", readout)
    seen = []

    def see(y_pred, y_true):
        seen.append(np.isnan(y_true))
        return 0.0

    history = quiet(
        net, x, y, missing="skip", validation_data=(x, y), metrics={"see": see, "mae": metrics.mae}
    )
    there = ~np.isnan(y)
    expected = np.abs(net.predict(x) - y)[there].mean()
    assert history.validation["mae"][-1] == pytest.approx(expected, rel=1e-12)
    rows = there.reshape(-1, OUTPUTS)
    np.testing.assert_array_equal(seen[-1], ~rows[rows.any(axis=1)])


def test_validation_of_nothing(rng):
    """NaN, without a warning, and without a call of a user's metric."""
    x, y = rng.standard_normal((N, T, INPUTS)), rng.standard_normal((N, OUTPUTS))
    history = quiet(
        network("identity", "last"),
        x,
        y,
        missing="skip",
        validation_data=(x, np.full_like(y, np.nan)),
        metrics={name: metrics.BY_NAME[name] for name in OF_VALUES} | {"own": lambda p, t: 1 / 0},
    )
    assert history.validation.keys() == {"loss", "own", *OF_VALUES}
    assert np.isnan(list(history.validation.values())).all()


class TestScore:
    @pytest.mark.parametrize("readout", ["all", "last"])
    @pytest.mark.parametrize("head", ["identity", "softmax"])
    def test_weights_and_gaps(self, head, readout, rng):
        x = ragged(rng)
        y = targets(rng, x, head, readout)
        net = network(head, readout)
        if readout == "all":
            weights = [rng.uniform(0, 1, len(s)) for s in x]
            predicted, true = np.concatenate(net.predict(x)), np.concatenate(y)
            flat = np.concatenate(weights)
        else:
            weights = flat = rng.uniform(0, 1, N)
            predicted, true = net.predict(x), y
        gaps = rng.random(len(true)) < 0.3
        options = {"sample_weight": weights}
        if head == "softmax":
            true[gaps], options["ignore_label"] = -7, -7
            expected = np.average(predicted.argmax(axis=1) == true, weights=flat * ~gaps)
        else:
            true[gaps, 1], options["missing"] = np.nan, "skip"
            expected = metrics.r2(predicted, true, flat)
        if readout == "all":
            y = np.split(true, np.cumsum([len(s) for s in x])[:-1])
        assert net.score(x, y, **options) == pytest.approx(expected, rel=1e-12)

    def test_of_sequence_weights(self, rng):
        x, y = rng.standard_normal((N, T, INPUTS)), rng.integers(0, OUTPUTS, (N, T))
        net, weights = network("softmax", "all"), rng.uniform(0, 1, N)
        each = [net.score(x[k : k + 1], y[k : k + 1]) for k in range(N)]
        expected = pytest.approx(np.average(each, weights=weights), rel=1e-12)
        assert net.score(x, y, sample_weight=weights, batch_size=5) == expected

    def test_of_nothing(self, rng):
        x = rng.standard_normal((N, T, INPUTS))
        nothing = np.full((N, OUTPUTS), np.nan)
        assert math.isnan(network("identity", "last").score(x, nothing, missing="skip"))
        assert math.isnan(network().score(x, np.full(N, -1), ignore_label=-1))

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_bad_x(self, bad):
        x = np.zeros((N, T, INPUTS))
        x[3, 2, 1] = bad
        with refused(ValueError, "x", f"got {bad} in sequence 3, step 2"):
            network().score(x, np.zeros(N, int))
        lengths = np.full(N, T)
        lengths[3] = 2  # it is padding now
        network().score(x, np.zeros(N, int), lengths)

    @pytest.mark.parametrize(
        ("error", "argument", "head", "options"),
        [
            (ValueError, "missing", "identity", {"missing": "drop"}),
            (ValueError, "ignore_label", "identity", {"ignore_label": -1}),
            (TypeError, "ignore_label", "softmax", {"ignore_label": 1.5}),
            (ValueError, "sample_weight", "softmax", {"sample_weight": np.ones(3)}),
            (ValueError, "sample_weight", "softmax", {"sample_weight": np.zeros(N)}),
        ],
    )
    def test_bad_input(self, error, argument, head, options):
        y = np.zeros(N, int) if head == "softmax" else np.zeros((N, OUTPUTS))
        with refused(error, argument):
            network(head).score(np.zeros((N, T, INPUTS)), y, **options)

    def test_nan_is_not_skipped_unasked(self):
        y = np.full((N, OUTPUTS), np.nan)
        with refused(ValueError, "y", 'missing="skip"'):
            network("identity").score(np.zeros((N, T, INPUTS)), y)


def test_public_metrics_are_those_by_name():
    of_distributions = {"calibration", "coverage", "crps_gaussian", "crps_quantiles"}
    of_distributions |= {"interval_width", "pinball"}
    assert set(metrics.BY_NAME) == set(peephole.metrics.__all__) - of_distributions

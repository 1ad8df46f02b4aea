"""Metrics of forecasts that are distributions."""

import math

import numpy as np
import pytest
from peephole import losses, metrics
from support.refusals import refused


def test_pinball_is_the_loss(rng):
    levels, y, targets = [0.1, 0.5, 0.8], rng.standard_normal((3, 9)), rng.standard_normal(9)
    targets[4] = np.nan
    expected = losses.Quantile(levels)(y.T, y.T, targets[:, None]).mean
    assert metrics.pinball(y, targets, levels) == pytest.approx(expected, rel=1e-12)


def test_crps_of_normal_distributions(rng):
    """By quantiles, and as the integral of (F(x) - 1(x >= t))²."""
    pytest.importorskip("scipy")
    from scipy.stats import norm

    m, d, t = rng.standard_normal(5), rng.uniform(0.5, 2, 5), rng.standard_normal(5)
    found = metrics.crps_gaussian(m, d, t)
    x = np.linspace(-15, 15, 60001)
    squares = (norm.cdf((x - m[:, None]) / d[:, None]) - (x >= t[:, None])) ** 2
    assert found == pytest.approx(squares.sum(axis=1).mean() * (x[1] - x[0]), rel=1e-3)
    levels = (np.arange(2000) + 0.5) / 2000
    quantiles = norm.ppf(levels[:, None]) * d + m
    assert metrics.crps_quantiles(quantiles, t, levels) == pytest.approx(found, rel=1e-3)


def test_crps_of_unequal_levels():
    """One quantile stands for all levels: twice its pinball loss."""
    assert metrics.crps_quantiles([[1.0]], [3.0], [0.25]) == pytest.approx(2 * 0.25 * 2)
    # Levels up to 0.3 belong to the first quantile, the others to the second.
    expected = 2 * (0.3 * 0.1 * 1 + 0.7 * 0.5 * 2)
    assert metrics.crps_quantiles([[2.0], [5.0]], [3.0], [0.1, 0.5]) == pytest.approx(expected)


def test_coverage_and_width():
    lower, upper = np.array([0.0, 0, 0, 0]), np.array([1.0, 2, 3, 4])
    true = [1.0, 2.5, 0, np.nan]  # the bounds belong to the interval
    assert metrics.coverage(lower, upper, true) == pytest.approx(2 / 3)
    assert metrics.coverage(lower, upper, true, [1, 3, 0, 9]) == pytest.approx(1 / 4)
    assert metrics.interval_width(lower, upper) == 2.5
    assert metrics.interval_width(lower, upper, [0, 0, 1, 1]) == 3.5


def test_calibration(rng):
    y = np.array([[0.0, 0], [2, 2], [9, 9]])
    np.testing.assert_array_equal(metrics.calibration(y, [1.0, 2.0]), [0, 1, 1])
    np.testing.assert_array_equal(metrics.calibration(y, [1.0, np.nan]), [0, 1, 1])
    targets = rng.standard_normal(20000)
    levels = [0.1, 0.4, 0.9]
    exact = np.quantile(targets, levels)[:, None] * np.ones(20000)
    np.testing.assert_allclose(metrics.calibration(exact, targets), levels, atol=1e-4)


def test_of_nothing():
    nothing = np.full(3, np.nan)
    zeros = np.zeros(3)
    assert math.isnan(metrics.coverage(zeros, zeros, nothing))
    assert math.isnan(metrics.pinball(zeros[None], nothing, [0.5]))
    assert math.isnan(metrics.crps_gaussian(zeros, zeros + 1, nothing))
    assert math.isnan(metrics.coverage(zeros, zeros, zeros, zeros))
    assert np.isnan(metrics.calibration(zeros[None], nothing)).all()


Z = np.zeros(3)


@pytest.mark.parametrize(
    ("error", "argument", "call"),
    [
        (ValueError, "y_pred", lambda: metrics.pinball(Z, Z, [0.5])),
        (TypeError, "quantiles", lambda: metrics.pinball(Z[None], Z, 0.5)),
        (TypeError, "quantiles", lambda: metrics.pinball(Z[None], Z, [])),
        (ValueError, "quantiles", lambda: metrics.pinball(Z[None], Z, [1.5])),
        (ValueError, "quantiles", lambda: metrics.crps_quantiles(np.zeros((2, 3)), Z, [0.5, 0.5])),
        (TypeError, "y_true", lambda: metrics.pinball(Z[None], ["a"] * 3, [0.5])),
        (ValueError, "mean", lambda: metrics.crps_gaussian(np.zeros(2), Z, Z)),
        (ValueError, "deviation", lambda: metrics.crps_gaussian(Z, Z, Z)),
        (ValueError, "lower", lambda: metrics.coverage(np.zeros(2), Z, Z)),
        (ValueError, "upper", lambda: metrics.interval_width(Z, np.zeros(2))),
        (ValueError, "y_pred", lambda: metrics.calibration(Z, Z)),
        (ValueError, "weights", lambda: metrics.coverage(Z, Z, Z, np.ones(2))),
    ],
)
def test_bad_input(error, argument, call):
    with refused(error, argument):
        call()

"""How good forecasts are that are distributions: quantiles, intervals, normal distributions.

All leave missing targets, NaN, out, and are NaN without targets. Weights have the targets' shape,
or broadcast to it, and are 0 or more. (...) is any shape, the same for all arguments.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array


def pinball(
    y_pred: ArrayLike, y_true: ArrayLike, quantiles: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """The mean of max(q e, (q - 1) e) of errors e = y_true - y_pred, over all quantiles q.

    R. Koenker, G. Bassett, Econometrica 46 (1978) 33-50. `losses.Quantile` is trained by it.

    Args:
        y_pred: (Q, ...), as `quantile` of a loss gives it.
        y_true: (...)
        quantiles: (Q,) numbers between 0 and 1.
    """
    q, predicted, true = _quantiles(y_pred, y_true, quantiles)
    error = true - predicted
    losses = np.maximum(q * error, (q - 1) * error).mean(axis=0)
    return _mean(losses, true, weights)


def crps_quantiles(
    y_pred: ArrayLike, y_true: ArrayLike, quantiles: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """The continuous ranked probability score of quantiles, in the units of y; 0 is perfect.

    The score is the integral over q of twice the pinball loss (T. Gneiting, R. Ranjan, J. Business
    and Economic Statistics 29 (2011) 411-422). The integral is approximated by the mean over the
    given quantiles, each standing for the levels that are nearest to it.

    Args:
        y_pred, y_true, quantiles: As in `pinball`; quantiles are increasing.
    """
    q, predicted, true = _quantiles(y_pred, y_true, quantiles)
    levels = q.ravel()
    if (np.diff(levels) <= 0).any():
        raise ValueError(f"quantiles: expected increasing numbers, got {quantiles!r}")
    borders = np.concatenate([[0], (levels[1:] + levels[:-1]) / 2, [1]])
    share = np.diff(borders).reshape(q.shape)
    error = true - predicted
    score = 2 * (share * np.maximum(q * error, (q - 1) * error)).sum(axis=0)
    return _mean(score, true, weights)


def crps_gaussian(
    mean: ArrayLike, deviation: ArrayLike, y_true: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """The continuous ranked probability score of normal distributions, in the units of y.

    With z = (t - m) / d it is d (z (2 Φ(z) - 1) + 2 φ(z) - 1 / sqrt(π)) (T. Gneiting, A. E.
    Raftery, J. American Statistical Association 102 (2007) 359-378).

    Args:
        mean: (...), m.
        deviation: (...), the standard deviation d, above 0.
        y_true: (...), t.
    """
    true = _numbers(y_true, "y_true")
    m, d = _like(mean, "mean", true), _like(deviation, "deviation", true)
    if not (d > 0).all():
        raise ValueError("deviation: expected numbers above 0, got others")
    z = (true - m) / d
    two_phi = np.vectorize(math.erf, otypes=[np.float64])(z / math.sqrt(2))  # 2 Φ(z) - 1
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return _mean(d * (z * two_phi + 2 * density - 1 / math.sqrt(math.pi)), true, weights)


def coverage(
    lower: ArrayLike, upper: ArrayLike, y_true: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """The fraction of targets within lower..upper; for calibrated intervals, their level.

    Args:
        lower, upper, y_true: (...)
    """
    true = _numbers(y_true, "y_true")
    low, high = _like(lower, "lower", true), _like(upper, "upper", true)
    return _mean((true >= low) & (true <= high), true, weights)


def interval_width(lower: ArrayLike, upper: ArrayLike, weights: ArrayLike | None = None) -> float:
    """The mean of upper - lower, in the units of y; calibrated intervals should be narrow.

    Args:
        lower, upper: (...)
    """
    low = _numbers(lower, "lower")
    high = _like(upper, "upper", low)
    return _mean(high - low, high - low, weights)


def calibration(
    y_pred: ArrayLike, y_true: ArrayLike, weights: ArrayLike | None = None
) -> NDArray[np.float64]:
    """(Q,): the fraction of targets that are at most each quantile, which should be its level.

    Args:
        y_pred: (Q, ...), as `quantile` of a loss gives it.
        y_true: (...)
    """
    true = _numbers(y_true, "y_true")
    predicted = _numbers(y_pred, "y_pred")
    if predicted.shape[1:] != true.shape or not predicted.ndim:
        raise ValueError(f"y_pred: expected (quantiles, *{true.shape}), got {predicted.shape}")
    return np.array([_mean(true <= quantile, true, weights) for quantile in predicted])


def _quantiles(
    y_pred: ArrayLike, y_true: ArrayLike, quantiles: ArrayLike
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The levels (Q, 1, ...), the predictions (Q, ...), the targets (...)."""
    true = _numbers(y_true, "y_true")
    levels = array(quantiles, "quantiles")
    if levels.dtype.kind != "f" or levels.ndim != 1 or not levels.size:
        raise TypeError(f"quantiles: expected (Q,) numbers between 0 and 1, got {quantiles!r}")
    if not ((levels > 0) & (levels < 1)).all():
        raise ValueError(f"quantiles: expected numbers between 0 and 1, got {quantiles!r}")
    predicted = _numbers(y_pred, "y_pred")
    if predicted.shape != (len(levels), *true.shape):
        raise ValueError(
            f"y_pred: expected {(len(levels), *true.shape)} for these quantiles and y_true, "
            f"got {predicted.shape}"
        )
    return levels.astype(np.float64).reshape(-1, *[1] * true.ndim), predicted, true


def _numbers(values: ArrayLike, name: str) -> NDArray[np.float64]:
    read = array(values, name)
    if read.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected numbers, got {read.dtype}")
    return read.astype(np.float64)


def _like(values: ArrayLike, name: str, others: NDArray[Any]) -> NDArray[np.float64]:
    """Numbers of the shape of others."""
    read = _numbers(values, name)
    if read.shape != others.shape:
        raise ValueError(f"{name}: expected {others.shape}, got {read.shape}")
    return read


def _mean(values: NDArray[Any], true: NDArray[Any], weights: ArrayLike | None) -> float:
    """The mean of values where there is a target, by weight."""
    w = ~np.isnan(true) * 1.0
    if weights is not None:
        given = _numbers(weights, "weights")
        try:
            w = w * np.broadcast_to(given, true.shape)
        except ValueError:
            raise ValueError(f"weights: expected {true.shape}, got {given.shape}") from None
    total = float(w.sum())
    if total == 0:
        return math.nan
    return float(np.multiply(values, w, out=np.zeros(w.shape), where=w != 0).sum()) / total

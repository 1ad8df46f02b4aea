"""Metrics of point forecasts and class labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from peephole._checks import array

# Of predictions and targets; `label_error_rate` takes lists of label sequences.
Metric: TypeAlias = Callable[[Any, Any], float]


def accuracy(
    y_pred: NDArray[Any], y_true: NDArray[Any], weights: NDArray[Any] | None = None
) -> float:
    """The fraction of labels that the largest of the O outputs predicts.

    For values (N, O), as with a sigmoid head: the fraction on the same side of 1/2.
    """
    y_pred, y_true = _read(y_pred, y_true, labels=True)
    if y_true.ndim < y_pred.ndim:
        return _mean(y_pred.argmax(axis=1) == y_true, _counted(y_true, weights))
    return _mean((y_pred > 0.5) == (y_true > 0.5), _counted(y_true, weights))


def mse(y_pred: NDArray[Any], y_true: NDArray[Any], weights: NDArray[Any] | None = None) -> float:
    """The mean squared error."""
    y_pred, y_true = _read(y_pred, y_true)
    return _mean(np.square(y_pred - y_true), _counted(y_true, weights))


def rmse(y_pred: NDArray[Any], y_true: NDArray[Any], weights: NDArray[Any] | None = None) -> float:
    """The root of the mean squared error."""
    return math.sqrt(mse(y_pred, y_true, weights))


def mae(y_pred: NDArray[Any], y_true: NDArray[Any], weights: NDArray[Any] | None = None) -> float:
    """The mean absolute error."""
    y_pred, y_true = _read(y_pred, y_true)
    return _mean(np.abs(y_pred - y_true), _counted(y_true, weights))


def r2(y_pred: NDArray[Any], y_true: NDArray[Any], weights: NDArray[Any] | None = None) -> float:
    """R², the explained fraction of the targets' variance, averaged over the O outputs.

    For an output whose targets are all equal: 1 if all predictions are exact, 0 otherwise. Outputs
    without targets are left out of the average.
    """
    y_pred, y_true = _read(y_pred, y_true)
    if y_pred.ndim == 1:
        y_pred, y_true = y_pred[:, None], y_true[:, None]
    w = _counted(y_true, weights)
    sums = w.sum(axis=0)
    there = sums > 0
    if not there.any():
        return math.nan
    y_pred, y_true, w = (a.astype(np.float64)[:, there] for a in (y_pred, y_true, w))
    counted = w > 0
    y_true = np.where(counted, y_true, 0)
    error = np.where(counted, y_true - y_pred, 0)
    centred = np.where(counted, y_true - (w * y_true).sum(axis=0) / sums[there], 0)
    residual, total = (w * np.square(error)).sum(axis=0), (w * np.square(centred)).sum(axis=0)
    smallest = np.where(counted, y_true, np.inf).min(axis=0)
    constant = smallest == np.where(counted, y_true, -np.inf).max(axis=0)
    explained = 1 - residual / np.where(constant, 1, total)
    return float(np.where(constant, residual == 0, explained).mean())


def _read(y_pred: Any, y_true: Any, labels: bool = False) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both as arrays of numbers of fitting shapes, since NumPy would broadcast (N, 1) and (N,)."""
    y_pred, y_true = array(y_pred, "y_pred"), array(y_true, "y_true")
    for name, values in (("y_pred", y_pred), ("y_true", y_true)):
        if values.dtype.kind not in "fiub":
            raise TypeError(f"{name}: expected numbers, got {values.dtype}")
    if y_pred.ndim not in (1, 2):
        raise ValueError(f"y_pred: expected (N, O) or (N,), got {y_pred.shape}")
    expected = [y_pred.shape]
    if labels and y_pred.ndim == 2:
        expected.append(y_pred.shape[:1])
    if y_true.shape not in expected:
        shapes = " or ".join(map(str, expected))
        raise ValueError(f"y_true: expected {shapes} for these y_pred, got {y_true.shape}")
    return y_pred, y_true


def _counted(y_true: NDArray[Any], weights: NDArray[Any] | None) -> NDArray[np.float64]:
    """The weight of each target, with its shape: 0 for missing ones."""
    there = np.ones(y_true.shape) if y_true.dtype.kind in "iub" else 1.0 - np.isnan(y_true)
    if weights is None:
        return there
    weighted: NDArray[np.float64] = there * (weights if there.ndim == 1 else weights[:, None])
    return weighted


def _mean(values: NDArray[Any], w: NDArray[np.float64]) -> float:
    """Σ w v / Σ w; values of weight 0 may be NaN."""
    total = w.sum()
    if total == 0:
        return math.nan
    return float(np.multiply(values, w, out=np.zeros(w.shape), where=w != 0).sum() / total)


def call(name: str, metric: Metric, y_pred: Any, y_true: Any) -> float:
    """The value of a metric, which may be a user's function."""
    value = np.asarray(metric(y_pred, y_true))
    if value.shape or value.dtype.kind not in "fiub":
        raise TypeError(
            f"metrics[{name!r}]: expected the function to return a number, "
            f"got {value.dtype} of shape {value.shape}"
        )
    return float(value)

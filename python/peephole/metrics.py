"""Metrics of predictions.

Each is a function (y_pred, y_true) -> float of all predictions (N, O) and their targets: labels
(N,), or values (N, O).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["accuracy", "mae", "mse", "r2", "rmse"]

Metric: TypeAlias = Callable[[NDArray[Any], NDArray[Any]], float]
Metrics: TypeAlias = str | Sequence[str] | Mapping[str, Metric]


def accuracy(y_pred: NDArray[Any], y_true: NDArray[Any]) -> float:
    """The fraction of labels that the largest of the O outputs predicts.

    For values (N, O), as with a sigmoid head: the fraction on the same side of 1/2.
    """
    if y_true.ndim == 1:
        return float(np.mean(y_pred.argmax(axis=1) == y_true))
    return float(np.mean((y_pred > 0.5) == (y_true > 0.5)))


def mse(y_pred: NDArray[Any], y_true: NDArray[Any]) -> float:
    """The mean squared error."""
    return float(np.square(y_pred - y_true).mean(dtype=np.float64))


def rmse(y_pred: NDArray[Any], y_true: NDArray[Any]) -> float:
    """The root of the mean squared error."""
    return float(np.sqrt(mse(y_pred, y_true)))


def mae(y_pred: NDArray[Any], y_true: NDArray[Any]) -> float:
    """The mean absolute error."""
    return float(np.abs(y_pred - y_true).mean(dtype=np.float64))


def r2(y_pred: NDArray[Any], y_true: NDArray[Any]) -> float:
    """R², the explained fraction of the targets' variance, averaged over the O outputs.

    For an output whose targets are all equal: 1 if all predictions are exact, 0 otherwise.
    """
    y_pred, y_true = y_pred.astype(np.float64), y_true.astype(np.float64)
    residual = np.square(y_true - y_pred).sum(axis=0)
    total = np.square(y_true - y_true.mean(axis=0)).sum(axis=0)
    constant = total == 0
    explained = 1 - residual / np.where(constant, 1, total)
    return float(np.where(constant, residual == 0, explained).mean())


BY_NAME: dict[str, Metric] = {f.__name__: f for f in (accuracy, mse, rmse, mae, r2)}
GREATER_IS_BETTER = frozenset({"accuracy", "r2"})


def metrics_of(metrics: Metrics, labels: bool) -> dict[str, Metric]:
    """{name: function}, checked against the kind of targets: labels or values."""
    if isinstance(metrics, str):
        metrics = [metrics]
    if isinstance(metrics, Mapping):
        for name, metric in metrics.items():
            if not isinstance(name, str) or name == "loss" or not callable(metric):
                raise TypeError(
                    f"metrics: expected names (not loss) to functions, got {name!r}: {metric!r}"
                )
        return dict(metrics)
    known = [name for name in BY_NAME if not labels or name == "accuracy"]
    for name in metrics:
        if name not in known:
            raise ValueError(f"metrics: expected some of {', '.join(known)}, got {name!r}")
    return {name: BY_NAME[name] for name in metrics}

"""How good predictions are, beside the loss.

Each is a function (y_pred, y_true) -> float of all predictions (N, O) and their targets: labels
(N,), or values (N, O).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Metric: TypeAlias = Callable[[NDArray[Any], NDArray[Any]], float]
Metrics: TypeAlias = str | Sequence[str] | Mapping[str, Metric]


def accuracy(y_pred: NDArray[Any], y_true: NDArray[Any]) -> float:
    """The share of labels that the largest of the O outputs names.

    Of values (N, O), as of a sigmoid head: the share on the same side of 1/2.
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
    """R², the share of the targets' variance that is explained, as a mean over the O outputs.

    Of an output whose targets are all equal, 1 if all are met and 0 otherwise.
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
    """{name: function}, checked to suit targets that are labels, or values."""
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

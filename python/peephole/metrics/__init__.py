"""Metrics of predictions.

Those that `Network.fit` takes by name are functions (y_pred, y_true, weights=None) -> float of all
predictions (N, O) and their targets: labels (N,), or values (N, O); weights are (N,) and 0 or more.
Values that are NaN are missing: they do not count, while the other values of the same row do. A
metric without values is NaN. For label sequences, `label_error_rate` takes lists of them.

The others are of forecasts that are distributions; `quantile` of a `peephole.losses.Distribution`
gives what they take, and its `cdf` the probability integral transform.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from peephole.metrics.distributions import (
    calibration,
    coverage,
    crps_gaussian,
    crps_quantiles,
    interval_width,
    pinball,
)
from peephole.metrics.label_sequences import label_error_rate
from peephole.metrics.points import Metric, accuracy, mae, mse, r2, rmse

__all__ = [
    "accuracy",
    "calibration",
    "coverage",
    "crps_gaussian",
    "crps_quantiles",
    "interval_width",
    "label_error_rate",
    "mae",
    "mse",
    "pinball",
    "r2",
    "rmse",
]

Metrics: TypeAlias = str | Sequence[str] | Mapping[str, Metric]
Targets: TypeAlias = Literal["values", "labels", "label sequences"]

_OF: dict[Targets, tuple[Metric, ...]] = {
    "values": (accuracy, mse, rmse, mae, r2),
    "labels": (accuracy,),
    "label sequences": (label_error_rate,),
}
BY_NAME: dict[str, Metric] = {f.__name__: f for metrics in _OF.values() for f in metrics}
GREATER_IS_BETTER = frozenset({"accuracy", "r2"})


def metrics_of(metrics: Metrics, targets: Targets) -> dict[str, Metric]:
    """{name: function}, checked against the kind of targets."""
    if isinstance(metrics, str):
        metrics = [metrics]
    if isinstance(metrics, Mapping):
        for name, metric in metrics.items():
            if not isinstance(name, str) or name == "loss" or not callable(metric):
                raise TypeError(
                    f"metrics: expected names (not loss) to functions, got {name!r}: {metric!r}"
                )
        return dict(metrics)
    if isinstance(metrics, bytes) or not isinstance(metrics, Sequence):
        raise TypeError(f"metrics: expected names, or names to functions, got {metrics!r}")
    known = [metric.__name__ for metric in _OF[targets]]
    for name in metrics:
        if name not in known:
            raise ValueError(f"metrics: expected some of {', '.join(known)}, got {name!r}")
    return {name: BY_NAME[name] for name in metrics}


# Messages use the public place of these names, not the module that defines them.
for _public in map(globals().__getitem__, __all__):
    _public.__module__ = __name__

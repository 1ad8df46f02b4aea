"""Early stopping: the best epoch so far, and when to stop."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._checks import at_least_one, flag, not_negative, text
from peephole.metrics import GREATER_IS_BETTER
from peephole.parameters import Parameters


@dataclass(frozen=True)
class EarlyStopping:
    """Stops a training when validation no longer improves.

    An epoch whose value is NaN, such as a metric without values, or infinite is not counted,
    neither as an improvement nor for the patience. It gives a RuntimeWarning.

    Args:
        patience: The number of epochs in a row without improvement after which to stop.
        monitor: "loss", or the name of a metric.
        maximise: Whether larger values are better; None: only for accuracy and r2.
        min_delta: The smallest change that counts as an improvement.
        restore: Whether to restore the weights of the best epoch at the end.
    """

    patience: int = 10
    monitor: str = "loss"
    maximise: bool | None = None
    min_delta: float = 0.0
    restore: bool = True

    def __post_init__(self) -> None:
        at_least_one(self.patience, "patience")
        text(self.monitor, "monitor")
        if self.maximise is not None:
            flag(self.maximise, "maximise")
        not_negative(self.min_delta, "min_delta")
        flag(self.restore, "restore")

    def better(self, value: float, best: float) -> bool:
        """Whether a value is better than the best so far (NaN: none); only finite ones can be."""
        if not math.isfinite(value):
            return False
        maximise = self.monitor in GREATER_IS_BETTER if self.maximise is None else self.maximise
        gain = value - best if maximise else best - value
        return gain > self.min_delta or math.isnan(best)


class Best:
    """The best epoch so far, by the rule of an EarlyStopping; without one, by the loss.

    Its weights are kept if the rule restores them, or if `keep`.
    """

    def __init__(self, rule: EarlyStopping | None, keep: bool) -> None:
        self.rule = EarlyStopping(restore=False) if rule is None else rule
        self._stops, self._keep = rule is not None, keep or self.rule.restore
        self.value = math.nan
        self.epoch: int | None = None
        self.waited = 0
        self.weights: dict[str, NDArray[Any]] = {}

    def observe(self, epoch: int, scores: Mapping[str, float], parameters: Parameters) -> bool:
        """Observes an epoch, counted from 1; returns whether to stop."""
        value = scores[self.rule.monitor]
        if not math.isfinite(value):
            if self._stops:
                found = "NaN" if math.isnan(value) else value
                warnings.warn(
                    f"early_stopping: validation {self.rule.monitor} is {found}; such epochs do "
                    "not count",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return self.exhausted
        if self.rule.better(value, self.value):
            self.value, self.epoch, self.waited = value, epoch, 0
            if self._keep:
                self.weights = {name: np.array(parameters[name]) for name in parameters}
            return False
        self.waited += 1
        return self.exhausted

    @property
    def exhausted(self) -> bool:
        """Whether the training must stop."""
        return self._stops and self.waited >= self.rule.patience

    def restore(self, parameters: Parameters) -> None:
        """Restores the parameters of the best epoch, if the rule says so."""
        if not self.rule.restore:
            return
        for name, value in self.weights.items():
            parameters[name] = value

    def state(self) -> dict[str, Any]:
        """The state without the weights, for JSON."""
        return {"value": self.value, "epoch": self.epoch, "waited": self.waited}

    def set_state(self, state: Mapping[str, Any], weights: dict[str, NDArray[Any]]) -> None:
        """Continues from what `state` returned, and the weights."""
        self.value, self.epoch, self.waited = state["value"], state["epoch"], state["waited"]
        self.weights = weights

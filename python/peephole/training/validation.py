"""Validation: scores on data that is held out of the training."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole import _core as core
from peephole.losses import CTC, Loss
from peephole.metrics import BY_NAME
from peephole.metrics.points import Metric, call
from peephole.parameters import Parameters
from peephole.training.data.batches import Batch
from peephole.training.data.sources import Source, batch_text
from peephole.training.faults import cause
from peephole.training.loss import Custom
from peephole.training.pieces import without_gradient


@dataclass(frozen=True)
class Validation:
    """Held-out data, and how to score a network on it."""

    source: Source
    loss: Loss | Custom
    metrics: Mapping[str, Metric]
    tbptt: int | None = None
    stateful: bool = False

    def scores(self, model: core.Network) -> dict[str, float]:
        """The loss and the metrics, by name: NaN if there is no target that counts.

        Raises FloatingPointError, which names the batch, if the loss is not finite for another
        reason.
        """
        total, weight = 0.0, 0.0
        predicted: list[Any] = []
        wanted: list[Any] = []
        pieces = without_gradient(model, self.source, self.tbptt, self.stateful)
        for number, part, y, logits in pieces:
            place = batch_text(self.source, number)
            with np.errstate(over="ignore", invalid="ignore"):
                try:
                    value = part.evaluate(self.loss, y, logits)
                except FloatingPointError as error:
                    raise FloatingPointError(f"{error} in validation ({place})") from None
            if not math.isfinite(value.mean):
                why = cause(Parameters(model.parameters), part, {})
                raise FloatingPointError(f"the validation loss is {value.mean} ({place}): {why}")
            total, weight = total + value.mean * value.weight, weight + value.weight
            if self.metrics:
                outputs, targets = self._of_targets(part, y)
                predicted += outputs
                wanted += targets
        scores = {"loss": total / weight if weight else math.nan}
        if self.metrics:
            y_pred: Any = predicted
            y_true: Any = wanted
            if not isinstance(self.loss, CTC):
                y_pred, y_true = np.concatenate(predicted), np.concatenate(wanted)
            scores |= {k: self._measure(k, f, y_pred, y_true) for k, f in self.metrics.items()}
        return scores

    def _of_targets(
        self, part: Batch, y: NDArray[Any]
    ) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """The rows with a target, or all sequences; missing values of a target are NaN."""
        if isinstance(self.loss, CTC):
            return part.label_sequences(y)
        y, targets = part.terms(y)
        if isinstance(self.loss, Custom):
            return [y], [targets]
        present = self.loss.present(targets)
        rows = present if self.loss.labels else present.any(axis=-1)
        return [y[rows]], [targets[rows]]

    def _measure(self, name: str, metric: Metric, y_pred: Any, y_true: Any) -> float:
        """One metric: those by name of the point forecasts, a user's of all outputs."""
        if len(y_pred) == 0:
            return math.nan
        if metric in BY_NAME.values() and isinstance(self.loss, CTC):
            return metric(self.loss.decode(y_pred), y_true)
        if metric in BY_NAME.values() and isinstance(self.loss, Loss):
            with np.errstate(over="ignore", invalid="ignore"):
                return metric(self.loss.points(y_pred), y_true)
        return call(name, metric, y_pred, y_true)

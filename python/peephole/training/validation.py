"""Validation: data that is held out of the training, and scores on it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from peephole import _core as core
from peephole.losses import Loss
from peephole.metrics import Metric, call
from peephole.training.data.batches import Batch, Data, in_batches
from peephole.training.loss import Custom
from peephole.training.pieces import without_gradient

Part: TypeAlias = tuple[Data, NDArray[np.intp]]  # data, and the rows of it to use


@dataclass(frozen=True)
class Validation:
    """Held-out data, and how to score a network on it."""

    data: Data
    rows: NDArray[np.intp]
    batch_size: int
    loss: Loss | Custom
    metrics: Mapping[str, Metric]
    tbptt: int | None = None
    stateful: bool = False

    def scores(self, model: core.Network) -> dict[str, float]:
        """The loss and the metrics, by name."""
        total, weight = 0.0, 0.0
        predicted, wanted = [], []
        for part, y, logits in without_gradient(model, self._batches(), self.tbptt, self.stateful):
            with np.errstate(over="ignore", invalid="ignore"):
                value = part.evaluate(self.loss, y, logits)
            total, weight = total + value.mean * value.weight, weight + value.weight
            if self.metrics:
                outputs, targets = part.terms(y)
                if isinstance(self.loss, Loss):
                    present = self.loss.present(targets)
                    outputs, targets = outputs[present], targets[present]
                predicted.append(outputs)
                wanted.append(targets)
        scores = {"loss": total / weight if weight else math.nan}
        if self.metrics:
            y_pred, y_true = np.concatenate(predicted), np.concatenate(wanted)
            scores |= {name: call(name, f, y_pred, y_true) for name, f in self.metrics.items()}
        return scores

    def _batches(self) -> Iterator[Batch]:
        return in_batches(self.data, self.rows, self.batch_size)


def hold_out(
    data: Data, fraction: float, shuffle: bool, random: np.random.Generator
) -> tuple[Part, Part]:
    """(part to train on, part to validate with).

    Without `shuffle` the last sequences are held out; of a single sequence with a target per step,
    its last steps.
    """
    n, rows = len(data), np.arange(len(data))
    if n == 1 and data.targets.per_step:
        time = int(data.lengths[0])
        cut = time - _held_out(time, fraction, "steps")
        return (data.steps(0, cut), rows), (data.steps(cut, time), rows)
    if shuffle:
        rows = random.permutation(n)
    cut = n - _held_out(n, fraction, "sequences")
    return (data, np.sort(rows[:cut])), (data, np.sort(rows[cut:]))


def _held_out(n: int, fraction: float, what: str) -> int:
    count = max(1, round(n * fraction))
    if count >= n:
        raise ValueError(
            f"validation_share: expected to leave some of {n} {what} to train on, got {fraction}"
        )
    return count

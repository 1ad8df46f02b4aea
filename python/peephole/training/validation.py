"""What is held out of a training, how good the network is on it, and when that is enough."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from peephole import _core as core
from peephole.losses import Loss
from peephole.metrics import GREATER_IS_BETTER, Metric
from peephole.options import at_least_one, not_negative
from peephole.training.data import Batch, Data, in_batches
from peephole.training.loss import Custom
from peephole.training.passes import without_gradient

if TYPE_CHECKING:
    from peephole.parameters import Parameters

Part: TypeAlias = tuple[Data, NDArray[np.intp]]  # some rows of data


@dataclass(frozen=True)
class Validation:
    """Data that is held out, and what is measured on it."""

    data: Data
    rows: NDArray[np.intp]
    batch_size: int
    loss: Loss | Custom
    metrics: Mapping[str, Metric]
    tbptt: int | None = None
    stateful: bool = False

    def scores(self, model: core.Network) -> dict[str, float]:
        """The loss, and each metric, by its name."""
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
            scores |= {name: float(f(y_pred, y_true)) for name, f in self.metrics.items()}
        return scores

    def _batches(self) -> Iterator[Batch]:
        return in_batches(self.data, self.rows, self.batch_size)


def hold_out(
    data: Data, share: float, shuffle: bool, random: np.random.Generator
) -> tuple[Part, Part]:
    """What to train on, and what to validate with.

    Without `shuffle` the last of the sequences; of a single sequence with a target a step, its last
    steps.
    """
    n, rows = len(data), np.arange(len(data))
    if n == 1 and data.targets.per_step:
        time = int(data.lengths[0])
        cut = time - _held_out(time, share, "steps")
        return (data.steps(0, cut), rows), (data.steps(cut, time), rows)
    if shuffle:
        rows = random.permutation(n)
    cut = n - _held_out(n, share, "sequences")
    return (data, np.sort(rows[:cut])), (data, np.sort(rows[cut:]))


def _held_out(n: int, share: float, what: str) -> int:
    count = max(1, round(n * share))
    if count >= n:
        raise ValueError(
            f"validation_share: expected to leave some of {n} {what} to train on, got {share}"
        )
    return count


@dataclass(frozen=True)
class EarlyStopping:
    """Ends a training that has stopped getting better in validation.

    Args:
        patience: How many epochs in a row may be no better than the best.
        monitor: "loss", or the name of a metric.
        maximise: Whether more of it is better; None: of accuracy and r2.
        min_delta: By how much a better one is better.
        restore: Whether the network ends with the weights of the best epoch.
    """

    patience: int = 10
    monitor: str = "loss"
    maximise: bool | None = None
    min_delta: float = 0.0
    restore: bool = True

    def __post_init__(self) -> None:
        at_least_one(self.patience, "patience")
        not_negative(self.min_delta, "min_delta")

    def better(self, value: float, best: float) -> bool:
        """Whether a value is better than the best so far; NaN is not."""
        maximise = self.monitor in GREATER_IS_BETTER if self.maximise is None else self.maximise
        gain = value - best if maximise else best - value
        return gain > self.min_delta or (math.isnan(best) and not math.isnan(value))


class Best:
    """The best epoch so far, by an EarlyStopping."""

    def __init__(self, rule: EarlyStopping) -> None:
        self.rule = rule
        self.value = math.nan
        self.epoch: int | None = None
        self.waited = 0
        self.weights: dict[str, NDArray[Any]] = {}

    def observe(self, epoch: int, scores: Mapping[str, float], parameters: Parameters) -> bool:
        """Takes note of an epoch, from 1; returns whether it is time to stop."""
        value = scores[self.rule.monitor]
        if self.rule.better(value, self.value):
            self.value, self.epoch, self.waited = value, epoch, 0
            if self.rule.restore:
                self.weights = {name: np.array(parameters[name]) for name in parameters}
            return False
        self.waited += 1
        return self.waited >= self.rule.patience

    def restore(self, parameters: Parameters) -> None:
        """Gives the parameters their values of the best epoch."""
        for name, value in self.weights.items():
            parameters[name] = value

    def state(self) -> dict[str, Any]:
        """All but the weights, ready for JSON."""
        return {"value": self.value, "epoch": self.epoch, "waited": self.waited}

    def set_state(self, state: Mapping[str, Any], weights: dict[str, NDArray[Any]]) -> None:
        """Goes on from what `state` returned, and those weights."""
        self.value, self.epoch, self.waited = state["value"], state["epoch"], state["waited"]
        self.weights = weights

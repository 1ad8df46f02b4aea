"""Losses with a term for each of the O values of a prediction."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array, positive
from peephole.losses.base import Loss, Value, mean, require_one_each, without_missing


class ByElement(Loss):
    """A loss with one term for each of the O values of a prediction."""

    def __call__(
        self,
        y: NDArray[Any],
        logits: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None = None,
    ) -> Value:
        """See Loss."""
        targets, weights = without_missing(targets, weights)
        return mean(*self.terms(y, logits, targets), weights)

    @abstractmethod
    def terms(
        self, y: NDArray[Any], logits: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """The terms (N, O), and the gradient of each, in a new array."""


class BinaryCrossEntropy(ByElement):
    """-p t log σ(z) - (1 - t) log(1 - σ(z)), for targets t in 0..1 and a sigmoid head.

    With w = 1 + (p - 1) t it is computed as (1 - t) z + w (max(-z, 0) + log(1 + exp(-|z|))), which
    cannot overflow, nor take the logarithm of 0. The gradient of the logits z is
    w σ(z) - p t, which is σ(z) - t for p = 1.

    Args:
        pos_weight: p, the weight of the positive part: a number or (O,) numbers above 0. Above 1 it
            favours recall, for example (number of negative) / (number of positive) targets; None
            stands for 1.
    """

    name = "binary_cross_entropy"
    heads = ("sigmoid",)
    of_logits = True

    def __init__(self, pos_weight: ArrayLike | None = None) -> None:
        self.pos_weight = None if pos_weight is None else _pos_weight(pos_weight)

    def terms(
        self, y: NDArray[Any], logits: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """See ByElement."""
        log_part = np.log1p(np.exp(-np.abs(logits)))
        if self.pos_weight is None:
            return np.maximum(logits, 0) - logits * targets + log_part, y - targets
        p = self.pos_weight.astype(y.dtype)
        w = 1 + (p - 1) * targets
        return (1 - targets) * logits + w * (np.maximum(-logits, 0) + log_part), w * y - p * targets

    def check(self, outputs: int) -> None:
        """See Loss."""
        if self.pos_weight is not None and self.pos_weight.ndim:
            require_one_each(self.pos_weight, outputs, "pos_weight", "output")

    def wrong(self, targets: NDArray[Any], outputs: int) -> NDArray[np.bool_]:
        """See Loss."""
        return (targets < 0) | (targets > 1)

    def wanted(self, outputs: int) -> str:
        """See Loss."""
        return "targets in 0..1"


class MeanSquaredError(ByElement):
    """(y - t)²."""

    name = "mse"

    def terms(
        self, y: NDArray[Any], logits: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """See ByElement."""
        error = y - targets
        return error * error, 2 * error


class MeanAbsoluteError(ByElement):
    """|y - t|; its gradient at 0 is 0."""

    name = "mae"

    def terms(
        self, y: NDArray[Any], logits: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """See ByElement."""
        error = y - targets
        return np.abs(error), np.sign(error)


class Huber(ByElement):
    """e²/2 for errors e = y - t up to delta, delta (|e| - delta/2) for larger ones (Huber 1964).

    Args:
        delta: Above 0.
    """

    name = "huber"

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = positive(delta, "delta")

    def terms(
        self, y: NDArray[Any], logits: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """See ByElement."""
        error = y - targets
        slope = error.clip(-self.delta, self.delta)
        return slope * (error - slope / 2), slope


def _pos_weight(values: ArrayLike) -> NDArray[np.float64]:
    """A number () or (O,) numbers, above 0."""
    read = array(values, "pos_weight")
    if read.ndim == 1 and not read.size:
        raise ValueError("pos_weight: expected a number or one for each output, got none")
    if read.dtype.kind not in "fiu" or read.ndim > 1:
        raise TypeError(f"pos_weight: expected a number or (O,) numbers, got {values!r}")
    read = read.astype(np.float64)
    if not (np.isfinite(read) & (read > 0)).all():
        raise ValueError(f"pos_weight: expected finite numbers above 0, got {values!r}")
    return read

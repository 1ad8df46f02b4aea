"""Losses of class labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import integer
from peephole.losses.base import Loss, Value, mean, numbers, require_one_each


class CrossEntropy(Loss):
    """-log softmax(z)[label], for class labels and a softmax head.

    log softmax(z) = z - max z - log Σ exp(z - max z) cannot overflow, nor take the logarithm of a
    probability that has underflowed to 0. The gradient of the logits z is softmax(z) - onehot.

    Args:
        class_weight: (O,) weight of each class, 0 or more.
        ignore_label: Targets with this label (any integer) are ignored.
    """

    name = "cross_entropy"
    heads = ("softmax",)
    labels = True
    of_logits = True

    def __init__(
        self, class_weight: ArrayLike | None = None, ignore_label: int | None = None
    ) -> None:
        self.class_weight = None if class_weight is None else numbers(class_weight, "class_weight")
        self.ignore_label = None if ignore_label is None else integer(ignore_label, "ignore_label")

    def __call__(
        self,
        y: NDArray[Any],
        logits: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None = None,
    ) -> Value:
        """See Loss; y is softmax(logits)."""
        if self.ignore_label is not None:
            kept = targets != self.ignore_label
            weights = kept * (1.0 if weights is None else weights)
            targets = np.where(kept, targets, 0)
        if self.class_weight is not None:
            weights = self.class_weight[targets] * (1.0 if weights is None else weights)
        rows = np.arange(len(targets))
        shifted = logits - logits.max(axis=1, keepdims=True)
        terms = np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, targets]
        gradient = y.copy()
        gradient[rows, targets] -= 1
        return mean(terms, gradient, weights)

    def present(self, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """See Loss."""
        if self.ignore_label is None:
            return np.ones(targets.shape, np.bool_)
        kept: NDArray[np.bool_] = targets != self.ignore_label
        return kept

    def counts(self, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """See Loss."""
        kept = self.present(targets)
        if self.class_weight is not None:
            kept &= self.class_weight[np.where(kept, targets, 0)] > 0
        return kept

    def wrong(self, targets: NDArray[Any], outputs: int) -> NDArray[np.bool_]:
        """See Loss."""
        return ((targets < 0) | (targets >= outputs)) & self.present(targets)

    def wanted(self, outputs: int) -> str:
        """See Loss."""
        ignored = "" if self.ignore_label is None else f" or {self.ignore_label}"
        return f"class labels in 0..{outputs - 1}{ignored}"

    def check(self, outputs: int) -> None:
        """See Loss."""
        require_one_each(self.class_weight, outputs, "class_weight", "class")

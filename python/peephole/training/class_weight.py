"""The argument `class_weight` of `Network.fit`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import integer
from peephole._sequences import Sequences, real_steps
from peephole.losses import CrossEntropy, Loss
from peephole.training.data.batches import Data
from peephole.training.data.checks import parts
from peephole.training.hold_out import Part
from peephole.training.loss import Custom

ClassWeight: TypeAlias = Literal["balanced"] | Mapping[int, float] | ArrayLike | None


def with_class_weight(
    loss: Loss | Custom, class_weight: Any, outputs: int, part: Part | None
) -> Loss | Custom:
    """The loss with the weights of the argument; `part` is what is trained on, if in memory."""
    if class_weight is None:
        return loss
    if not isinstance(loss, CrossEntropy) or loss.class_weight is not None:
        raise ValueError(
            "class_weight: allowed only with the loss cross_entropy, without weights of its own"
        )
    if isinstance(class_weight, Mapping):
        class_weight = _of_labels(class_weight, outputs)
    elif isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(
                'class_weight: expected "balanced", {label: weight} or (O,) numbers, '
                f"got {class_weight!r}"
            )
        if part is None:
            raise ValueError(
                "class_weight: expected a weight for each label with batches as x, whose labels "
                'are not known before, got "balanced"'
            )
        class_weight = _balanced(_count(*part, loss, outputs))
    weighted = CrossEntropy(class_weight, loss.ignore_label)
    weighted.check(outputs)
    return weighted


def _of_labels(class_weight: Mapping[Any, Any], outputs: int) -> NDArray[np.float64]:
    weights = np.ones(outputs)
    for label, weight in class_weight.items():
        if not 0 <= integer(label, "class_weight") < outputs:
            raise ValueError(f"class_weight: expected labels in 0..{outputs - 1}, got {label}")
        try:
            weights[label] = weight
        except (TypeError, ValueError):
            raise TypeError(
                f"class_weight: expected numbers, got {weight!r} for label {label}"
            ) from None
    return weights


def _balanced(counts: NDArray[np.intp]) -> NDArray[np.float64]:
    """N / (K n_k) for n_k of n labels, of the K classes that occur; 1 for others."""
    there = counts > 0
    weights = counts.sum() / (max(int(there.sum()), 1) * np.maximum(counts, 1))
    return np.where(there, weights, 1.0)


def _count(data: Data, rows: NDArray[np.intp], loss: Loss, outputs: int) -> NDArray[np.intp]:
    """(O,): how often each label occurs in some sequences."""
    counts = np.zeros(outputs, np.intp)
    for chosen in parts(rows):
        labels = data.targets.take(chosen)
        counted = loss.present(labels)
        if isinstance(data.targets.values, Sequences):
            counted = counted & real_steps(data.lengths[chosen], labels.shape[1])
        counts += np.bincount(labels[counted], minlength=outputs)
    return counts

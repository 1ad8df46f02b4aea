"""Losses for `Network.fit`.

Each loss is a mean over its terms, weighted if there are weights: Σ w l / Σ w. There is a term for
each valid step of each sequence, or for readout "last" for each sequence. `Network.fit` takes a
loss by name, an object of these classes, or a custom function.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import integer

__all__ = [
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
]


class Value(NamedTuple):
    """A loss of some predictions, and its gradient."""

    mean: float
    weight: float  # Σ w of its terms; without weights, their number
    gradient: NDArray[Any]  # of the predictions, or of the logits if the loss is `of_logits`


class Loss(ABC):
    """Base class of the losses."""

    name: ClassVar[str]
    heads: ClassVar[tuple[str, ...]] = ("identity", "sigmoid", "tanh", "softmax")
    labels: ClassVar[bool] = False  # whether targets are class labels (N,) rather than (N, O)
    of_logits: ClassVar[bool] = False  # whether the gradient is of the logits V h + v, not of y

    @abstractmethod
    def __call__(
        self,
        y: NDArray[Any],
        logits: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None = None,
    ) -> Value:
        """The loss of predictions y (N, O), with their logits (N, O), targets, and weights (N,).

        Missing targets (NaN, or the ignored label) have no term.
        """

    def present(self, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """True for each target, label (...) or values (..., O), that is not missing."""
        there: NDArray[np.bool_] = ~np.isnan(targets).any(axis=-1)
        return there

    def wrong(self, targets: NDArray[Any], outputs: int) -> NDArray[np.bool_]:
        """True for each value that is no valid target; missing ones are valid."""
        infinite: NDArray[np.bool_] = np.isinf(targets)
        return infinite

    def wanted(self, outputs: int) -> str:
        """A description of valid targets, for error messages."""
        return "finite targets"

    def check(self, outputs: int) -> None:
        """Raises ValueError unless the loss suits a head of O = `outputs` values."""


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
        self.class_weight = None if class_weight is None else _weights(class_weight, "class_weight")
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
        return _mean(terms, gradient, weights)

    def present(self, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """See Loss."""
        if self.ignore_label is None:
            return np.ones(targets.shape, np.bool_)
        kept: NDArray[np.bool_] = targets != self.ignore_label
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
        if self.class_weight is not None and len(self.class_weight) != outputs:
            raise ValueError(
                f"class_weight: expected ({outputs},), one for each class, "
                f"got {self.class_weight.shape}"
            )


class _ByElement(Loss):
    """A loss with one term for each of the O values of a prediction."""

    def __call__(
        self,
        y: NDArray[Any],
        logits: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None = None,
    ) -> Value:
        """See Loss."""
        if weights is not None:
            weights = np.broadcast_to(weights[:, None], y.shape)
        value = _mean(*self.terms(y, logits, targets), weights)
        if np.isnan(value.mean) and (missing := np.isnan(targets)).any():
            weights = ~missing * (1.0 if weights is None else weights)
            value = _mean(*self.terms(y, logits, np.where(missing, y, targets)), weights)
        return value

    @abstractmethod
    def terms(
        self, y: NDArray[Any], logits: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """The terms (N, O), and the gradient of each, in a new array."""


class BinaryCrossEntropy(_ByElement):
    """-t log σ(z) - (1 - t) log(1 - σ(z)), for targets t in 0..1 and a sigmoid head.

    Computed as max(z, 0) - z t + log(1 + exp(-|z|)), which cannot overflow, nor take the logarithm
    of 0. The gradient of the logits z is σ(z) - t.
    """

    name = "binary_cross_entropy"
    heads = ("sigmoid",)
    of_logits = True

    def terms(
        self, y: NDArray[Any], logits: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """See _ByElement."""
        terms = np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
        return terms, y - targets

    def wrong(self, targets: NDArray[Any], outputs: int) -> NDArray[np.bool_]:
        """See Loss."""
        return (targets < 0) | (targets > 1)

    def wanted(self, outputs: int) -> str:
        """See Loss."""
        return "targets in 0..1"


class MeanSquaredError(_ByElement):
    """(y - t)²."""

    name = "mse"

    def terms(
        self, y: NDArray[Any], logits: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """See _ByElement."""
        error = y - targets
        return error * error, 2 * error


class MeanAbsoluteError(_ByElement):
    """|y - t|; its gradient at 0 is 0."""

    name = "mae"

    def terms(
        self, y: NDArray[Any], logits: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """See _ByElement."""
        error = y - targets
        return np.abs(error), np.sign(error)


class Huber(_ByElement):
    """e²/2 for errors e = y - t up to delta, delta (|e| - delta/2) for larger ones (Huber 1964).

    Args:
        delta: Above 0.
    """

    name = "huber"

    def __init__(self, delta: float = 1.0) -> None:
        if isinstance(delta, bool) or not isinstance(delta, (int, float, np.number)):
            raise TypeError(f"delta: expected a number, got {delta!r}")
        if not 0 < delta < np.inf:
            raise ValueError(f"delta: expected a finite number above 0, got {delta}")
        self.delta = float(delta)

    def terms(
        self, y: NDArray[Any], logits: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """See _ByElement."""
        error = y - targets
        slope = error.clip(-self.delta, self.delta)
        return slope * (error - slope / 2), slope


def _mean(terms: NDArray[Any], gradients: NDArray[Any], weights: NDArray[Any] | None) -> Value:
    """The mean of terms (N,) or (N, O) with weights of their shape; scales `gradients` in place.

    Sums are in float64, since a batch may have a million terms.
    """
    if weights is None:
        if terms.size == 0:
            return Value(0.0, 0.0, gradients)
        gradients *= 1 / terms.size
        mean = float(terms.sum(dtype=np.float64)) / terms.size
        return Value(mean, float(terms.size), gradients)
    total = float(weights.sum(dtype=np.float64))
    if total == 0:
        return Value(0.0, 0.0, np.zeros_like(gradients))
    # A term of weight 0 counts as 0, even if it is not finite.
    loss = float(np.where(weights == 0, 0, terms * weights).sum(dtype=np.float64)) / total
    scale = (weights / total).astype(gradients.dtype)
    gradients *= scale if scale.ndim == gradients.ndim else scale[:, None]
    return Value(loss, total, gradients)


def _weights(values: ArrayLike, name: str) -> NDArray[np.float64]:
    array = np.asarray(values)
    if array.dtype.kind not in "fiu" or array.ndim != 1:
        raise TypeError(f"{name}: expected (O,) numbers, got {array.dtype} {array.shape}")
    array = array.astype(np.float64)
    if not (np.isfinite(array) & (array >= 0)).all() or not array.any():
        raise ValueError(f"{name}: expected finite numbers of 0 or more, not all 0, got {values!r}")
    return array

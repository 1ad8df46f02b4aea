"""What all losses have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array
from peephole._keywords import call_text


class Value(NamedTuple):
    """A loss of some predictions, and its gradient."""

    mean: float
    weight: float  # Σ w of its terms; without weights, their number
    gradient: NDArray[Any]  # of the predictions, or of the logits if the loss is `of_logits`


class Loss(ABC):
    """Base class of the losses."""

    name: ClassVar[str]
    heads: ClassVar[tuple[str, ...]] = ("identity", "sigmoid", "tanh", "softmax")
    labels: ClassVar[bool] = False  # whether targets are class labels (N,) rather than (N, D)
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

    def __repr__(self) -> str:
        return call_text(self)

    def width(self, outputs: int) -> int:
        """D, the values of a target for a head of O = `outputs` values."""
        return outputs

    def points(self, y: NDArray[Any]) -> NDArray[Any]:
        """(N, D): the predictions of the targets in y (N, O), for the metrics by name."""
        return y

    def present(self, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """True for each target, label (...) or value (..., D), that is not missing."""
        there: NDArray[np.bool_] = ~np.isnan(targets)
        return there

    def counts(self, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """(...): True for each target that has a term, before the weights of the samples."""
        there: NDArray[np.bool_] = np.any(self.present(targets), axis=-1)
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


def mean(terms: NDArray[Any], gradients: NDArray[Any], weights: NDArray[Any] | None) -> Value:
    """The mean of terms (N,) or (N, D) with weights of their shape; scales `gradients` in place.

    `gradients` has the shape of the terms, or another axis after the first. Sums are in float64,
    since a batch may have a million terms.
    """
    if weights is None:
        if terms.size == 0:
            return Value(0.0, 0.0, gradients)
        gradients *= 1 / terms.size
        return Value(float(terms.sum(dtype=np.float64)) / terms.size, float(terms.size), gradients)
    total = float(weights.sum(dtype=np.float64))
    if total == 0:
        return Value(0.0, 0.0, np.zeros_like(gradients))
    # A term of weight 0 and its gradient count as 0, even if they are not finite.
    counted: NDArray[np.bool_] = np.asarray(weights != 0)
    weighted = np.multiply(terms, weights, out=np.zeros(terms.shape), where=counted)
    scale = (weights / total).astype(gradients.dtype)
    if scale.ndim != gradients.ndim:
        counted, scale = counted[:, None], scale[:, None]
    np.copyto(gradients, 0, where=~counted)
    gradients *= scale
    return Value(float(weighted.sum()) / total, total, gradients)


def without_missing(
    targets: NDArray[Any], weights: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Targets (N, D) with 0 in place of NaN, and weights (N, D), 0 for them, of weights (N,).

    The weights are None if all are 1.
    """
    if weights is not None:
        weights = np.broadcast_to(weights[:, None], targets.shape)
    missing = np.isnan(targets)
    if missing.any():
        weights = ~missing * (1.0 if weights is None else weights)
        targets = np.where(missing, 0, targets)  # any value will do
    return targets, weights


def numbers(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """(O,) finite numbers of 0 or more; raises ValueError or TypeError."""
    read = array(values, name)
    if read.dtype.kind not in "fiu" or read.ndim != 1:
        raise TypeError(f"{name}: expected (O,) numbers, got {read.dtype} {read.shape}")
    read = read.astype(np.float64)
    if not (np.isfinite(read) & (read >= 0)).all() or not read.any():
        raise ValueError(f"{name}: expected finite numbers of 0 or more, not all 0, got {values!r}")
    return read


def require_one_each(values: NDArray[Any] | None, outputs: int, name: str, what: str) -> None:
    """Raises ValueError unless there is one value for each of the O outputs."""
    if values is not None and len(values) != outputs:
        raise ValueError(f"{name}: expected ({outputs},), one for each {what}, got {values.shape}")

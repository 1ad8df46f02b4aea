"""The argument `loss` of `Network.fit`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from peephole._checks import array
from peephole.losses import (
    CTC,
    BinaryCrossEntropy,
    CrossEntropy,
    GaussianNLL,
    Huber,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
    StudentTNLL,
)
from peephole.losses.base import Value
from peephole.metrics import Targets

Function: TypeAlias = Callable[
    [NDArray[Any], NDArray[Any], NDArray[np.intp]], tuple[float, NDArray[Any]]
]


class Custom:
    """A loss by a user's function (y_pred, y_true, lengths) -> (loss, dy) of a batch.

    `peephole.losses` describes the function.
    """

    name = "custom"
    labels = False
    of_logits = False

    def __init__(self, function: Function) -> None:
        self.function = function

    def __call__(self, y: NDArray[Any], targets: NDArray[Any], lengths: NDArray[np.intp]) -> Value:
        """The result of the function, checked; 0 for a batch without steps."""
        if not lengths.any():
            return Value(0.0, 0.0, np.zeros_like(y))
        result = self.function(y, targets, lengths)
        if not isinstance(result, Sequence) or len(result) != 2:
            got = type(result).__name__
            if isinstance(result, Sequence):
                got += f" of {len(result)}"
            raise TypeError(f"loss: expected the function to return (loss, dy), got {got}")
        loss, gradient = array(result[0], "loss"), array(result[1], "loss: dy")
        if loss.dtype.kind not in "fiu":
            raise TypeError(f"loss: expected the function to return a number, got {result[0]!r}")
        if loss.shape:
            raise ValueError(
                "loss: expected the function to return one number, the mean over the batch, "
                f"got an array of {loss.shape}"
            )
        if gradient.dtype.kind not in "fiu":
            raise TypeError(f"loss: expected dy of numbers, got {gradient.dtype}")
        if gradient.shape != y.shape:
            raise ValueError(
                f"loss: expected dy of {y.shape}, the shape of y_pred, got {gradient.shape}"
            )
        self._require_finite(y, targets, float(loss), gradient)
        return Value(float(loss), float(np.count_nonzero(lengths)), gradient)

    @staticmethod
    def _require_finite(
        y: NDArray[Any], targets: NDArray[Any], loss: float, gradient: NDArray[Any]
    ) -> None:
        """Raises FloatingPointError if the function, not the network, is the cause."""
        if not np.isfinite(y).all():
            return
        wrong = "" if math.isfinite(loss) else f"the loss {loss}"
        if not wrong and not (finite := np.isfinite(gradient)).all():
            place = tuple(map(int, np.argwhere(~finite)[0]))
            wrong = f"dy with {gradient[place]} at {place}"
        if not wrong:
            return
        missing = targets.dtype.kind == "f" and np.isnan(targets).any()
        raise FloatingPointError(
            f"loss: expected finite values for finite y_pred, but the function returned {wrong}"
            + ("; y_true has missing values, NaN, which it must leave out" if missing else "")
        )


BY_NAME: dict[str, type[Loss]] = {
    cls.name: cls
    for cls in (
        CrossEntropy,
        BinaryCrossEntropy,
        MeanSquaredError,
        MeanAbsoluteError,
        Huber,
        GaussianNLL,
        StudentTNLL,
        CTC,
    )
}


def kind_of_targets(loss: Loss | Custom) -> Targets:
    """What the loss takes as targets, for the metrics by name."""
    if isinstance(loss, CTC):
        return "label sequences"
    return "labels" if loss.labels else "values"


def loss_of(loss: str | Loss | Function | None, head: str, outputs: int) -> Loss | Custom:
    """The loss for the argument `loss` of `Network.fit`, checked against the head.

    None: cross-entropy for a softmax head, otherwise the mean squared error.
    """
    if loss is None:
        loss = "cross_entropy" if head == "softmax" else "mse"
    if isinstance(loss, str):
        if loss not in BY_NAME:
            raise ValueError(f"loss: expected one of {', '.join(BY_NAME)}, got {loss!r}")
        loss = BY_NAME[loss]()
    if isinstance(loss, Loss):
        if head not in loss.heads:
            raise ValueError(
                f"loss: expected one for a {head} head, "
                f"got {loss.name}, which is for {' or '.join(loss.heads)}"
            )
        loss.check(outputs)
        return loss
    if isinstance(loss, type) or not callable(loss):
        raise TypeError(f"loss: expected a name, a Loss or a function, got {loss!r}")
    return Custom(loss)

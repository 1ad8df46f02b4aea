"""The argument `loss` of `Network.fit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from peephole.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    GaussianNLL,
    Huber,
    Loss,
    MeanAbsoluteError,
    MeanSquaredError,
)
from peephole.losses.base import Value

Function: TypeAlias = Callable[
    [NDArray[Any], NDArray[Any], NDArray[np.intp]], tuple[float, NDArray[Any]]
]


class Custom:
    """A loss by a user's function (y_pred, y_true, lengths) -> (loss, dy) of a batch.

    y_pred and dy are (B, T, O), for readout "last" (B, O); y_true is the targets of the batch,
    padded with zeros to T; lengths is (B,).
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
            raise TypeError(f"loss: expected to return (loss, dy), got {type(result).__name__}")
        gradient = np.asarray(result[1])
        if gradient.shape != y.shape:
            raise ValueError(f"loss: expected dy of {y.shape}, got {gradient.shape}")
        return Value(float(result[0]), float(np.count_nonzero(lengths)), gradient)


BY_NAME: dict[str, type[Loss]] = {
    cls.name: cls
    for cls in (
        CrossEntropy,
        BinaryCrossEntropy,
        MeanSquaredError,
        MeanAbsoluteError,
        Huber,
        GaussianNLL,
    )
}


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

"""What a network is trained to: its loss, and the targets that this takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole.batches import Sequences, is_ragged, real_steps


class Loss(NamedTuple):
    """A mean over N predictions of O outputs each, with its gradient.

    function(y (N, O), logits (N, O), targets (N,) or (N, O)) -> (loss, gradient (N, O)); the
    gradient is that of the logits where `of_logits`, else that of y.
    """

    function: Callable[[NDArray[Any], NDArray[Any], NDArray[Any]], tuple[float, NDArray[Any]]]
    of_logits: bool


def loss_of(head: str) -> Loss:
    """Cross-entropy for a softmax head, else the mean squared error."""
    if head == "softmax":
        return Loss(cross_entropy, of_logits=True)
    return Loss(mean_squared_error, of_logits=False)


def cross_entropy(
    y: NDArray[Any], logits: NDArray[Any], labels: NDArray[Any]
) -> tuple[float, NDArray[Any]]:
    """The mean of -log softmax(z)[label], and its gradient to the logits z.

    log softmax(z) = z - max z - log Σ exp(z - max z) neither overflows nor takes the logarithm of a
    probability that has underflowed to 0. The gradient is softmax(z) - onehot(label), over N.
    """
    rows = np.arange(len(labels))
    shifted = logits - logits.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, labels]
    gradient = y.copy()
    gradient[rows, labels] -= 1
    gradient /= len(labels)
    return float(losses.mean(dtype=np.float64)), gradient


def mean_squared_error(
    y: NDArray[Any], logits: NDArray[Any], targets: NDArray[Any]
) -> tuple[float, NDArray[Any]]:
    """The mean of (y - target)² over predictions and outputs, and its gradient to y."""
    error = y - targets
    loss = float(np.mean(error * error, dtype=np.float64))
    error *= 2 / error.size
    return loss, error


class Targets(NamedTuple):
    """What y is compared with: one target a sequence, or for readout "all" one a step."""

    values: NDArray[Any] | Sequences
    lengths: NDArray[np.intp]  # (n,), those of the inputs

    def total(self) -> int:
        """N, the number of targets."""
        return int(self.lengths.sum()) if self.per_step else len(self.lengths)

    @property
    def per_step(self) -> bool:
        """Whether there is a target for each step."""
        return isinstance(self.values, Sequences)

    def take(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.bool_], NDArray[Any]]:
        """Which of a batch's y count, (B,) or (B, T), and their targets, (N,) or (N, O)."""
        if not isinstance(self.values, Sequences):
            return np.ones(len(rows), np.bool_), self.values[rows]
        padded = self.values.take(rows)
        real = real_steps(self.lengths[rows], padded.shape[1])
        return real, padded[real]


def read_targets(y: Any, inputs: Sequences, options: dict[str, Any], dtype: Any) -> Targets:
    """`y` checked against the inputs and the network's options.

    Labels for a softmax head, otherwise targets of O values each (for O = 1 also without an axis).
    """
    outputs = int(options["output_size"])
    labels = options["head"] == "softmax"
    per_step = options["readout"] == "all"
    if not per_step and not inputs.lengths.all():
        raise ValueError(
            f'x: sequence {int(np.argmin(inputs.lengths))} has no step, which readout "last" needs'
        )
    values: NDArray[Any] | Sequences
    if per_step and is_ragged(y):
        values = _ragged(y, inputs, outputs, labels, dtype)
    else:
        shape = (len(inputs.lengths), *([_time(inputs)] if per_step else []))
        array = _read_array(y, shape, outputs, labels, dtype, "y")
        values = Sequences(array, inputs.lengths, array.dtype) if per_step else array
    targets = Targets(values, inputs.lengths)
    _check_values(targets, outputs, labels)
    return targets


def _time(inputs: Sequences) -> int:
    if isinstance(inputs.values, list):
        return int(inputs.lengths.max(initial=0))
    return int(inputs.values.shape[1])


def _ragged(
    y: Sequence[ArrayLike], inputs: Sequences, outputs: int, labels: bool, dtype: Any
) -> Sequences:
    if len(y) != len(inputs.lengths):
        raise ValueError(f"y: expected {len(inputs.lengths)} sequences as in x, got {len(y)}")
    items = [
        _read_array(item, (int(length),), outputs, labels, dtype, f"y[{k}]")
        for k, (item, length) in enumerate(zip(y, inputs.lengths, strict=True))
    ]
    return Sequences(items, inputs.lengths, np.dtype(np.intp) if labels else dtype)


def _read_array(
    y: ArrayLike, shape: tuple[int, ...], outputs: int, labels: bool, dtype: Any, name: str
) -> NDArray[Any]:
    array = np.asarray(y)
    if labels:
        if array.size and array.dtype.kind not in "iu":
            raise TypeError(f"{name}: expected class labels, integers, got {array.dtype}")
        if array.shape != shape:
            raise ValueError(f"{name}: expected class labels {shape}, got {array.shape}")
        return array.astype(np.intp)
    if not np.can_cast(array.dtype, dtype, "same_kind"):
        raise TypeError(f"{name}: expected values castable to {dtype}, got {array.dtype}")
    if outputs == 1 and array.shape == shape:
        array = array[..., None]
    if array.shape != (*shape, outputs):
        raise ValueError(f"{name}: expected {(*shape, outputs)}, got {array.shape}")
    with np.errstate(over="ignore"):  # infinities are reported with what is not finite
        return array.astype(dtype, copy=False)


def _check_values(targets: Targets, outputs: int, labels: bool) -> None:
    """Labels are in 0..O-1, targets are finite; what padding holds does not count."""
    n = len(targets.lengths)
    for rows in np.array_split(np.arange(n), -(-n // 1024) or 1):
        real, values = targets.take(rows)
        wrong = (values < 0) | (values >= outputs) if labels else ~np.isfinite(values)
        if wrong.any():
            first = np.argwhere(wrong)[0]
            wanted = f"class labels in 0..{outputs - 1}" if labels else "finite targets"
            sequence = rows[np.argwhere(real)[first[0]][0]]
            raise ValueError(
                f"y: expected {wanted}, got {values[tuple(first)]} in sequence {sequence}"
            )

"""Targets: one for each sequence, or one for each of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._sequences import Sequences, as_slice, is_ragged, real_steps
from peephole.losses import Loss
from peephole.training.loss import Custom

# Targets are checked this many sequences at a time, since targets of windows may be larger in
# memory than the series that they are views of.
_AT_A_TIME = 1024


class Targets(NamedTuple):
    """One target per sequence, or for readout "all" one per step."""

    values: NDArray[Any] | Sequences
    dtype: np.dtype[Any] | None  # of batches; None: unchanged

    @property
    def per_step(self) -> bool:
        """Whether there is a target for each step."""
        return isinstance(self.values, Sequences)

    def take(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """The targets of some sequences: (B,), (B, O), or per step (B, T) or (B, T, O), padded."""
        values = self.values
        batch = values.take(rows) if isinstance(values, Sequences) else values[as_slice(rows)]
        if self.dtype is None:
            return batch
        with np.errstate(over="ignore"):  # infinite values are reported later
            return batch.astype(self.dtype, copy=False)


def read_targets(
    y: Any,
    inputs: Sequences,
    options: dict[str, Any],
    dtype: np.dtype[Any],
    loss: Loss | Custom,
    missing: str = "error",
) -> Targets:
    """`y` checked against the inputs, the network's options and the loss.

    Labels, or targets of O values each (for O = 1 the axis is optional). A custom loss takes any
    targets with an item for each sequence, and for readout "all" for each step.
    """
    per_step = options["readout"] == "all"
    if not per_step and not inputs.lengths.all():
        raise ValueError(
            f"x: sequence {int(np.argmin(inputs.lengths))} has no step, which readout "
            f'"{options["readout"]}" needs'
        )
    outputs = int(options["output_size"])
    width = loss.width(outputs) if isinstance(loss, Loss) else outputs
    reader = _Reader(width, dtype, loss)
    if per_step and is_ragged(y):
        targets = Targets(_ragged(y, inputs, reader), reader.dtype)
    else:
        shape = (len(inputs.lengths), *([_time(inputs)] if per_step else []))
        array = reader.read(y, shape, "y")
        values = Sequences(array, inputs.lengths, array.dtype) if per_step else array
        targets = Targets(values, reader.dtype)
    if isinstance(loss, Loss):
        _check_values(targets, inputs, outputs, loss, missing)
    return targets


class _Reader(NamedTuple):
    """Checks the shape and dtype of targets."""

    width: int  # D, the values of a target
    of_values: np.dtype[Any]
    loss: Loss | Custom

    @property
    def dtype(self) -> np.dtype[Any] | None:
        if isinstance(self.loss, Custom):
            return None
        return np.dtype(np.intp) if self.loss.labels else self.of_values

    def read(self, y: ArrayLike, shape: tuple[int, ...], name: str) -> NDArray[Any]:
        """`y` as an array, without copying."""
        array = np.asarray(y)
        if isinstance(self.loss, Custom):
            if array.shape[: len(shape)] != shape:
                raise ValueError(f"{name}: expected {_text(shape)}, got {array.shape}")
            return array
        if self.loss.labels:
            if array.size and array.dtype.kind not in "iu":
                raise TypeError(f"{name}: expected class labels, integers, got {array.dtype}")
            if array.shape != shape:
                raise ValueError(f"{name}: expected class labels {shape}, got {array.shape}")
            return array
        if not np.can_cast(array.dtype, self.of_values, "same_kind"):
            raise TypeError(
                f"{name}: expected values castable to {self.of_values}, got {array.dtype}"
            )
        if self.width == 1 and array.shape == shape:
            array = array[..., None]
        if array.shape != (*shape, self.width):
            raise ValueError(f"{name}: expected {(*shape, self.width)}, got {array.shape}")
        return array


def _text(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, shape))}, ...)"


def _time(inputs: Sequences) -> int:
    if isinstance(inputs.values, list):
        return int(inputs.lengths.max(initial=0))
    return int(inputs.values.shape[1])


def _ragged(y: Sequence[ArrayLike], inputs: Sequences, reader: _Reader) -> Sequences:
    if len(y) != len(inputs.lengths):
        raise ValueError(f"y: expected {len(inputs.lengths)} sequences as in x, got {len(y)}")
    items = [
        reader.read(item, (int(length),), f"y[{k}]")
        for k, (item, length) in enumerate(zip(y, inputs.lengths, strict=True))
    ]
    kinds = {item.dtype for item in items} or {np.dtype(np.float64)}
    return Sequences(items, inputs.lengths, reader.dtype or np.result_type(*kinds))


def _check_values(
    targets: Targets, inputs: Sequences, outputs: int, loss: Loss, missing: str
) -> None:
    """Checks that the loss accepts each target, except in padding."""
    n = len(inputs.lengths)
    for rows in np.array_split(np.arange(n), -(-n // _AT_A_TIME) or 1):
        values = targets.take(rows)
        wrong = loss.wrong(values, outputs)
        if missing == "error" and not loss.labels:
            wrong |= np.isnan(values)
        if wrong.any() and targets.per_step:
            real = real_steps(inputs.lengths[rows], values.shape[1])
            wrong &= real if wrong.ndim == 2 else real[..., None]
        if wrong.any():
            first = tuple(np.argwhere(wrong)[0])
            place = f"sequence {rows[first[0]]}" + (
                f", step {first[1]}" if targets.per_step else ""
            )
            hint = '; missing="skip" ignores it' if np.isnan(values[first]) else ""
            raise ValueError(
                f"y: expected {loss.wanted(outputs)}, got {values[first]} in {place}{hint}"
            )

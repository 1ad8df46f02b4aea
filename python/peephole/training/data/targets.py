"""Targets: one for each sequence, or one for each of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array
from peephole._sequences import Sequences, as_slice, is_ragged, real_steps
from peephole.losses import CTC, Loss
from peephole.training.data.checks import parts
from peephole.training.data.label_sequences import read_label_sequences
from peephole.training.loss import Custom

_INSTEAD_OF_MASKS = 'use y.filled(numpy.nan) and missing="skip" to leave them out'
_INSTEAD_OF_MASKS_OF_LABELS = "use y.filled(-1) and ignore_label=-1 to leave them out"


def read_as_array(y: Any, name: str, loss: Loss | Custom) -> NDArray[Any]:
    """`array` of targets."""
    return array(y, name, _INSTEAD_OF_MASKS_OF_LABELS if loss.labels else _INSTEAD_OF_MASKS)


class Targets(NamedTuple):
    """One target per sequence, or for readout "all" one per step.

    Label sequences, of the loss CTC, are one target per sequence: (n, S), with -1 after them.
    """

    values: NDArray[Any] | Sequences
    dtype: np.dtype[Any] | None  # of batches; None: unchanged
    are_labels: bool = False

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
    if isinstance(loss, CTC):
        sequences = read_label_sequences(y, inputs, options, loss)
        return Targets(sequences, np.dtype(np.intp), are_labels=True)
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
        targets = Targets(_ragged(y, inputs, reader), reader.dtype, loss.labels)
    else:
        shape = (len(inputs.lengths), *([_time(inputs)] if per_step else []))
        read = reader.read(y, shape, "y")
        values = Sequences(read, inputs.lengths, read.dtype) if per_step else read
        targets = Targets(values, reader.dtype, loss.labels)
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
        values = read_as_array(y, name, self.loss)
        if isinstance(self.loss, Custom):
            if values.shape[: len(shape)] != shape:
                raise ValueError(f"{name}: expected {_text(shape)}, got {values.shape}")
            return values
        if self.loss.labels:
            if values.size and values.dtype.kind not in "iu":
                raise TypeError(f"{name}: expected class labels, integers, got {values.dtype}")
            if values.shape != shape:
                raise ValueError(f"{name}: expected class labels {shape}, got {values.shape}")
            return values
        if not np.can_cast(values.dtype, self.of_values, "same_kind"):
            raise TypeError(
                f"{name}: expected values castable to {self.of_values}, got {values.dtype}"
            )
        if self.width == 1 and values.shape == shape:
            values = values[..., None]
        if values.shape != (*shape, self.width):
            raise ValueError(f"{name}: expected {(*shape, self.width)}, got {values.shape}")
        return values


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
    targets: Targets, inputs: Sequences, outputs: int, loss: Loss | Custom, missing: str
) -> None:
    """Checks that the loss accepts each target, except in padding.

    A custom loss gets any targets; missing="error" keeps NaN from it, too.
    """
    wanted = loss.wanted(outputs) if isinstance(loss, Loss) else "targets that are not missing"
    for rows in parts(np.arange(len(inputs.lengths))):
        values = targets.take(rows)
        wrong = loss.wrong(values, outputs) if isinstance(loss, Loss) else None
        if missing == "error" and values.dtype.kind in "fc":
            gaps = np.isnan(values)
            wrong = gaps if wrong is None else wrong | gaps
        if wrong is None:
            continue
        if wrong.any() and targets.per_step:
            real = real_steps(inputs.lengths[rows], values.shape[1])
            wrong &= real.reshape(real.shape + (1,) * (wrong.ndim - 2))
        if wrong.any():
            first = tuple(np.argwhere(wrong)[0])
            place = f"sequence {rows[first[0]]}" + (
                f", step {first[1]}" if targets.per_step else ""
            )
            hint = ""
            if np.isnan(values[first]):
                skips = "ignores it" if isinstance(loss, Loss) else "passes it to the loss"
                hint = f'; missing="skip" {skips}'
            raise ValueError(f"y: expected {wanted}, got {values[first]} in {place}{hint}")

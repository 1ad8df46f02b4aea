"""What predictions are compared with: a target for each sequence, or for each of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole.batches import Sequences, as_slice, is_ragged, real_steps
from peephole.losses import Loss
from peephole.training.loss import Custom

# Sequences whose targets are looked at at a time: a batch of windows is as large as their array.
_AT_A_TIME = 1024


class Targets(NamedTuple):
    """One target a sequence, or for readout "all" one a step."""

    values: NDArray[Any] | Sequences
    dtype: np.dtype[Any] | None  # to convert a batch to; None: as they come

    @property
    def per_step(self) -> bool:
        """Whether there is a target for each step."""
        return isinstance(self.values, Sequences)

    def take(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """(B,), (B, O), or per step (B, T) or (B, T, O), padded: those of some sequences."""
        values = self.values
        batch = values.take(rows) if isinstance(values, Sequences) else values[as_slice(rows)]
        if self.dtype is None:
            return batch
        with np.errstate(over="ignore"):  # infinities are reported with what is not finite
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

    Labels, or targets of O values each (for O = 1 also without an axis). A loss of one's own takes
    anything with an item for each sequence, for readout "all" also for each step.
    """
    per_step = options["readout"] == "all"
    if not per_step and not inputs.lengths.all():
        raise ValueError(
            f"x: sequence {int(np.argmin(inputs.lengths))} has no step, which readout "
            f'"{options["readout"]}" needs'
        )
    reader = _Reader(int(options["output_size"]), dtype, loss)
    if per_step and is_ragged(y):
        targets = Targets(_ragged(y, inputs, reader), reader.dtype)
    else:
        shape = (len(inputs.lengths), *([_time(inputs)] if per_step else []))
        array = reader.read(y, shape, "y")
        values = Sequences(array, inputs.lengths, array.dtype) if per_step else array
        targets = Targets(values, reader.dtype)
    if isinstance(loss, Loss):
        _check_values(targets, inputs, reader.outputs, loss, missing)
    return targets


class _Reader(NamedTuple):
    """Checks the shape and the kind of targets."""

    outputs: int
    of_values: np.dtype[Any]
    loss: Loss | Custom

    @property
    def dtype(self) -> np.dtype[Any] | None:
        if isinstance(self.loss, Custom):
            return None
        return np.dtype(np.intp) if self.loss.labels else self.of_values

    def read(self, y: ArrayLike, shape: tuple[int, ...], name: str) -> NDArray[Any]:
        """`y` as an array, not copied."""
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
        if self.outputs == 1 and array.shape == shape:
            array = array[..., None]
        if array.shape != (*shape, self.outputs):
            raise ValueError(f"{name}: expected {(*shape, self.outputs)}, got {array.shape}")
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
    """Each target is one that the loss takes; what padding holds does not count."""
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
            hint = '; missing="skip" leaves it out' if np.isnan(values[first]) else ""
            raise ValueError(
                f"y: expected {loss.wanted(outputs)}, got {values[first]} in {place}{hint}"
            )

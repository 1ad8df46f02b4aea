"""Many sequences of different lengths, in batches that compute as little padding as they can."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Sequences(NamedTuple):
    """Some sequences (T_i, ...): an array (n, T, ...) that may be padded, or a list of arrays."""

    values: NDArray[Any] | list[NDArray[Any]]
    lengths: NDArray[np.intp]  # (n,), T_i
    dtype: np.dtype[Any]  # of a batch from a list

    def take(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """(len(rows), T, ...): some of the sequences, in an array as long as their longest.

        Consecutive ones of an array are not copied: a single one may be a long one.
        """
        longest = int(self.lengths[rows].max(initial=0))
        if not isinstance(self.values, list):
            return self.values[as_slice(rows), :longest]
        chosen = [self.values[row] for row in rows]
        batch = np.zeros((len(chosen), longest, *chosen[0].shape[1:]), self.dtype)
        for sequence, place in zip(chosen, batch, strict=True):
            place[: len(sequence)] = sequence
        return batch


def as_slice(rows: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """The rows, or if they are consecutive the slice that they are."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def is_ragged(x: Any) -> bool:
    """Whether `x` stands for sequences of their own lengths rather than for one array."""
    return isinstance(x, (list, tuple))


def read_sequences(
    x: Any, lengths: ArrayLike | None, features: int, dtype: np.dtype[Any]
) -> Sequences:
    """The input of a model: x (n, T, I) with lengths (n,) or None, or a list of (T_i, I).

    Checks shapes, dtypes and lengths, so that an error comes before the work has begun; copies
    nothing.
    """
    if not is_ragged(x):
        values = np.asarray(x)
        _check_dtype(values, dtype, "x")
        if values.ndim != 3 or values.shape[2] != features:
            raise ValueError(
                f"x: expected (n, time, {features}) or a list of (time, {features}), "
                f"got {values.shape}"
            )
        return Sequences(values, _read_lengths(lengths, *values.shape[:2]), dtype)
    if lengths is not None:
        raise ValueError("lengths: goes only with an array x, a list's sequences have their own")
    items = [np.asarray(item) for item in x]
    for k, item in enumerate(items):
        _check_dtype(item, dtype, f"x[{k}]")
        if item.ndim != 2 or item.shape[1] != features:
            raise ValueError(f"x[{k}]: expected (time, {features}), got {item.shape}")
    return Sequences(items, np.array([len(item) for item in items], np.intp), dtype)


def real_steps(lengths: NDArray[np.intp], time: int) -> NDArray[np.bool_]:
    """(B, T): whether a step belongs to its sequence, or is padding."""
    return np.arange(time) < lengths[:, None]


def inference_batches(
    model: Any, inputs: Sequences, batch_size: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[Any]]]:
    """Runs a core network over all inputs; yields (rows, y of these rows) for each batch.

    Sequences of like lengths go together. Only one batch is in memory at a time.
    """
    order = np.argsort(inputs.lengths, kind="stable")
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        yield rows, model(inputs.take(rows), None, inputs.lengths[rows])[0]


def predict_list(model: Any, inputs: Sequences, batch_size: int) -> list[NDArray[Any]]:
    """Arrays (T_i, O), one a sequence: what a network that reads every step says."""
    result: dict[int, NDArray[Any]] = {}
    for rows, y in inference_batches(model, inputs, batch_size):
        for row, outputs in zip(rows.tolist(), y, strict=True):
            result[row] = outputs[: inputs.lengths[row]].copy()
    return [result[row] for row in range(len(result))]


def predict_into(result: NDArray[Any], model: Any, inputs: Sequences, batch_size: int) -> None:
    """The same into `result`, (n, T, O) or for readout "last" (n, O), which is 0."""
    for rows, y in inference_batches(model, inputs, batch_size):
        if result.ndim == 3:
            result[rows, : y.shape[1]] = y
        else:
            result[rows] = y


def _check_dtype(values: NDArray[Any], dtype: np.dtype[Any], name: str) -> None:
    if not np.can_cast(values.dtype, dtype, "same_kind"):
        raise TypeError(f"{name}: expected values castable to {dtype}, got {values.dtype}")


def _read_lengths(lengths: ArrayLike | None, n: int, time: int) -> NDArray[np.intp]:
    if lengths is None:
        return np.full(n, time, np.intp)
    values = np.asarray(lengths)
    if values.dtype.kind not in "iu":
        raise TypeError(f"lengths: expected integers, got {values.dtype}")
    if values.shape != (n,):
        raise ValueError(f"lengths: expected ({n},), got {values.shape}")
    outside = np.flatnonzero((values < 0) | (values > time))
    if outside.size:
        raise ValueError(
            f"lengths: expected 0..{time}, got lengths[{outside[0]}] = {values[outside[0]]}"
        )
    return values.astype(np.intp)

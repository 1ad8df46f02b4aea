"""Many sequences of different lengths, and batches of them with little padding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array, input_array, transposed_hint


class Sequences(NamedTuple):
    """Sequences (T_i, ...): an array (n, T, ...) that may be padded, or a list of arrays."""

    values: NDArray[Any] | list[NDArray[Any]]
    lengths: NDArray[np.intp]  # (n,), T_i
    dtype: np.dtype[Any]  # of a batch, if values are a list

    def take(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """(len(rows), T, ...): some of the sequences, padded to the longest of them.

        Consecutive rows of an array are not copied, since a single sequence may be very long.
        """
        longest = int(self.lengths[rows].max(initial=0))
        if not isinstance(self.values, list):
            return self.values[as_slice(rows), :longest]
        chosen = [self.values[row] for row in rows.tolist()]
        shape = (len(chosen), longest, *chosen[0].shape[1:])
        if (self.lengths[rows] == longest).all():  # one call of NumPy rather than one per sequence
            batch = np.empty(shape, self.dtype)
            np.concatenate(chosen, out=batch.reshape(-1, *shape[2:]), casting="unsafe")
            return batch
        batch = np.zeros(shape, self.dtype)
        for sequence, place in zip(chosen, batch, strict=True):
            place[: len(sequence)] = sequence
        return batch


def as_slice(rows: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """`rows`, or a slice if they are consecutive."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def is_ragged(x: Any) -> bool:
    """Whether `x` is a list of sequences rather than one array."""
    return isinstance(x, (list, tuple))


def gives_batches(x: Any) -> bool:
    """Whether x is a source of batches rather than the data itself."""
    if isinstance(x, (list, tuple, str, bytes, Mapping)) or hasattr(x, "__array__"):
        return False
    if hasattr(x, "toarray"):  # a sparse matrix
        return False
    return callable(x) or isinstance(x, Iterable)


def batches_of(source: Any, name: str) -> Iterator[Any]:
    """The batches of a source, which may be a function that returns them."""
    batches = source() if callable(source) else source
    if not isinstance(batches, Iterable) or isinstance(batches, (str, bytes, Mapping)):
        kind = type(batches).__name__
        raise TypeError(f"{name}: expected a function that returns an iterable, got one of {kind}")
    return iter(batches)


def read_sequences(
    x: Any, lengths: ArrayLike | None, features: int, dtype: np.dtype[Any]
) -> Sequences:
    """The input of a model: x (n, T, I) with lengths (n,) or None, or a list of (T_i, I).

    Checks shapes, dtypes and lengths before any computation; copies nothing.
    """
    if not is_ragged(x):
        values = input_array(x)
        _check_dtype(values, dtype, "x")
        if values.ndim != 3 or values.shape[2] != features:
            raise ValueError(
                f"x: expected (n, time, {features}), a list of (time, {features}), or "
                f"(time, {features}) for a single sequence, got {values.shape}"
                + transposed_hint(values.shape, features)
            )
        return Sequences(values, _read_lengths(lengths, *values.shape[:2]), dtype)
    if lengths is not None:
        raise ValueError(
            "lengths: allowed only with an array x; the sequences of a list have their own lengths"
        )
    items = [
        item if type(item) is np.ndarray else input_array(item, f"x[{k}]")
        for k, item in enumerate(x)
    ]
    # What holds for the first holds for all that are like it.
    for k, item in enumerate(items[:1] if alike(items) else items):
        _check_dtype(item, dtype, f"x[{k}]")
        if item.ndim != 2 or item.shape[1] != features:
            raise ValueError(f"x[{k}]: expected (time, {features}), got {item.shape}")
    return Sequences(items, np.array(list(map(len, items)), np.intp), dtype)


def alike(items: Sequence[NDArray[Any]]) -> bool:
    """Whether all have the same dtype object and, except for the first axis, the same shape."""
    if not items:
        return True
    dtype, shape = items[0].dtype, items[0].shape[1:]
    return all(item.dtype is dtype and item.shape[1:] == shape for item in items)


def real_steps(lengths: NDArray[np.intp], time: int) -> NDArray[np.bool_]:
    """(B, T): True for the steps of each sequence, False for padding."""
    return np.arange(time) < lengths[:, None]


def inference_batches(
    model: Any, inputs: Sequences, batch_size: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[Any]]]:
    """Runs a core network over all inputs; yields (rows, y of these rows) for each batch.

    Batches have sequences of similar lengths. Only one batch is in memory at a time.
    """
    order = np.argsort(inputs.lengths, kind="stable")
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        yield rows, model(inputs.take(rows), None, inputs.lengths[rows])[0]


def _check_dtype(values: NDArray[Any], dtype: np.dtype[Any], name: str) -> None:
    if not np.can_cast(values.dtype, dtype, "same_kind"):
        raise TypeError(f"{name}: expected values castable to {dtype}, got {values.dtype}")


def _read_lengths(lengths: ArrayLike | None, n: int, time: int) -> NDArray[np.intp]:
    if lengths is None:
        return np.full(n, time, np.intp)
    values = array(lengths, "lengths")
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

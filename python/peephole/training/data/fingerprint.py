"""Digests of data, which tell whether a training is resumed with the same data."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._sequences import real_steps
from peephole.training.data.batches import Data

# Larger data is sampled: this many values of x take less than 0.1 s.
_MOST_VALUES = 2**22
_AT_A_TIME = 2**20


def fingerprint(data: Data, rows: NDArray[np.intp]) -> dict[str, str | None]:
    """{"x", "y", "sample_weight": description with a digest} of some sequences of the data.

    Padding does not count. Of data with more than 2**22 values in x, only some sequences, evenly
    spaced, and if those are too long, only some steps of them.
    """
    lengths = data.lengths[rows]
    step_size = int(np.prod(data.inputs.take(rows[:1]).shape[2:]))
    values = int(lengths.sum()) * step_size
    sampled = rows
    if values > _MOST_VALUES:
        count = max(1, len(rows) * _MOST_VALUES // values)
        sampled = rows[np.linspace(0, len(rows) - 1, count).astype(np.intp)]
    longest = max(1, int(data.lengths[sampled].max(initial=0)) * step_size)
    every = max(1, longest // _MOST_VALUES)
    digests = {name: hashlib.blake2b(digest_size=8) for name in ("x", "y", "sample_weight")}
    _add(digests["x"], lengths.astype(np.int64))
    chunk = max(1, _AT_A_TIME // longest)
    for start in range(0, len(sampled), chunk):
        batch = data.take(sampled[start : start + chunk])
        real = real_steps(batch.lengths, batch.x.shape[1])
        _add(digests["x"], _as(_steps(batch.x, real, every), data.inputs.dtype))
        for name, array in (("y", batch.y), ("sample_weight", batch.weights)):
            if array is not None:
                per_step = batch.per_step and array.ndim >= 2
                _add(digests[name], _steps(array, real, every) if per_step else array)
    size = f"{len(rows)} sequences, {int(lengths.sum())} steps"
    found: dict[str, str | None] = {
        name: f"{size}, digest {digest.hexdigest()}" for name, digest in digests.items()
    }
    return found if data.weights is not None else found | {"sample_weight": None}


def _steps(values: NDArray[Any], real: NDArray[np.bool_], every: int) -> NDArray[Any]:
    """Each `every`-th step, without padding; `real` (B, T) is False in padding."""
    some = values[:, ::every]
    return some if real.all() else some[real[:, ::every]]


def _as(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore"):  # infinite values are reported elsewhere
        return values.astype(dtype, copy=False)


def _add(digest: Any, values: NDArray[Any]) -> None:
    if values.dtype.hasobject:  # targets of a user's loss
        digest.update(repr(values.tolist()).encode())
    else:
        digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)

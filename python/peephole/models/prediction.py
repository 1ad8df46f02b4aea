"""Inference calls of a core model: whole, in parts, or for many sequences in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._checks import array, transposed_hint
from peephole._sequences import Sequences, inference_batches
from peephole._types import StateArrays

# The core converts an x of another dtype or layout whole. Above this many bytes of the converted x
# it is passed in parts instead, of at least _ROWS sequences, so that the threads are still used.
_PART = 1 << 25
_ROWS = 64


def call(
    model: Any, x: Any, state: Any = None, lengths: Any = None, out: Any = None
) -> tuple[NDArray[Any], StateArrays]:
    """(y, final state) of a core model. A large x is never copied whole; the bits are the same."""
    options = model.options
    features = int(options["input_size"])
    values = array(x, "x")
    if out is None and _is_large_copy(values, features, model.dtype):
        parts = _parts(values, state, lengths, options)
        if parts is not None:
            return _call_parts(model, values, *parts)
    try:
        result: tuple[NDArray[Any], StateArrays] = model(values, state, lengths, out)
    except ValueError as error:
        hint = transposed_hint(values.shape, features)
        if hint and str(error).startswith("x:"):
            raise ValueError(f"{error}{hint}") from None
        raise
    return result


def _is_large_copy(x: NDArray[Any], features: int, dtype: np.dtype[Any]) -> bool:
    """Whether the core would copy x (n, T, I), more than _PART bytes, to convert it."""
    if x.ndim != 3 or x.shape[2] != features or x.size * dtype.itemsize <= _PART:
        return False
    if len(x) <= _ROWS or not np.can_cast(x.dtype, dtype, "same_kind"):
        return False
    as_it_is = x.dtype == dtype and x.flags.aligned
    return not (as_it_is and (features == 1 or x.strides[2] == dtype.itemsize))


def _parts(
    x: NDArray[Any], state: Any, lengths: Any, options: dict[str, Any]
) -> tuple[list[tuple[NDArray[Any], NDArray[Any]]] | None, NDArray[Any] | None] | None:
    """State and lengths as arrays to cut in parts; None if they are wrong, which the core says."""
    n, time = x.shape[:2]
    if lengths is not None:
        lengths = np.asarray(lengths)
        if lengths.shape != (n,) or lengths.dtype.kind not in "iu":
            return None
        if ((lengths < 0) | (lengths > time)).any():
            return None
    if state is not None:
        if not isinstance(state, (list, tuple)):
            return None
        directions = 2 if options["bidirectional"] else 1
        shapes = [(n, size) for size in options["hidden_sizes"] for _ in range(directions)]
        if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in state):
            return None
        state = [(np.asarray(h), np.asarray(c)) for h, c in state]
        if [h.shape for h, _ in state] != shapes or [c.shape for _, c in state] != shapes:
            return None
        if any(values.dtype.kind not in "fiub" for pair in state for values in pair):
            return None
    return state, lengths


def _call_parts(
    model: Any,
    x: NDArray[Any],
    state: Sequence[tuple[NDArray[Any], NDArray[Any]]] | None,
    lengths: NDArray[Any] | None,
) -> tuple[NDArray[Any], StateArrays]:
    n = len(x)
    rows = max(_ROWS, _PART // (x[0].size * model.dtype.itemsize))
    y: NDArray[Any] | None = None
    final: list[tuple[NDArray[Any], NDArray[Any]]] = []
    for start in range(0, n, rows):
        part = slice(start, start + rows)
        y_part, final_part = model(
            x[part],
            None if state is None else [(h[part], c[part]) for h, c in state],
            None if lengths is None else lengths[part],
        )
        if y is None:
            y = np.empty((n, *y_part.shape[1:]), y_part.dtype)
            final = [
                (np.empty((n, *h.shape[1:]), h.dtype), np.empty((n, *c.shape[1:]), c.dtype))
                for h, c in final_part
            ]
        y[part] = y_part
        for (h, c), (h_part, c_part) in zip(final, final_part, strict=True):
            h[part], c[part] = h_part, c_part
    assert y is not None
    return y, tuple(final)


def predict_list(model: Any, inputs: Sequences, batch_size: int) -> list[NDArray[Any]]:
    """Arrays y (T_i, O), one for each sequence, for readout "all"."""
    result: dict[int, NDArray[Any]] = {}
    for rows, y in inference_batches(model, inputs, batch_size):
        for row, outputs in zip(rows.tolist(), y, strict=True):
            result[row] = outputs[: inputs.lengths[row]].copy()
    return [result[row] for row in range(len(result))]


def predict_into(result: NDArray[Any], model: Any, inputs: Sequences, batch_size: int) -> None:
    """Writes y to `result`, (n, T, O) or for readout "last" (n, O), which must be 0 before."""
    for rows, y in inference_batches(model, inputs, batch_size):
        if result.ndim == 3:
            result[rows, : y.shape[1]] = y
        else:
            result[rows] = y

"""Inference calls of a core model: whole, in parts, or for many sequences in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from peephole._checks import array, call_arrays, transposed_hint
from peephole._sequences import Sequences
from peephole._types import StateArrays

# The core converts an x of another dtype or layout whole. Above this many bytes of the converted x
# it is passed in parts instead, of at least _ROWS sequences, so that the threads are still used.
_PART = 1 << 25
_LARGEST_ITEM = 8  # bytes of a float64
_ROWS = 64

_StateShape: TypeAlias = tuple[tuple[int, int], tuple[int, int]]  # of h and of c


def call(
    model: Any, x: Any, state: Any = None, lengths: Any = None, out: Any = None
) -> tuple[NDArray[Any], StateArrays]:
    """(y, final state) of a core model. A large x is never copied whole; the bits are the same."""
    values, lengths = call_arrays(x, state, lengths)
    if out is None and values.size > _PART // _LARGEST_ITEM:  # options take microseconds
        options = model.options
        if _is_large_copy(values, int(options["input_size"]), model.dtype):
            parts = _parts(values, state, lengths, options)
            if parts is not None:
                return _call_parts(model, values, *parts)
    try:
        result: tuple[NDArray[Any], StateArrays] = model(values, state, lengths, out)
    except ValueError as error:
        hint = transposed_hint(values.shape, int(model.options["input_size"]))
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
    """State and lengths as arrays to cut in parts; None if they are wrong."""
    n, time = x.shape[:2]
    if lengths is not None:
        if lengths.shape != (n,) or lengths.dtype.kind not in "iu":
            return None
        if ((lengths < 0) | (lengths > time)).any():
            return None
    if state is not None:
        try:
            state = _read_state(state, _state_shapes(options, n))
        except (TypeError, ValueError):
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


def predict(
    model: Any, inputs: Sequences, batch_size: int, state: Any
) -> tuple[NDArray[Any] | list[NDArray[Any]], StateArrays]:
    """(y, final state) of any number of sequences; y is a list for readout "all" if they are."""
    options, n = model.options, len(inputs.lengths)
    shapes = _state_shapes(options, n)
    initial = None if state is None else _read_state(state, shapes)
    final = [(np.zeros(h, model.dtype), np.zeros(c, model.dtype)) for h, c in shapes]
    y: NDArray[Any] | list[Any]
    if options["readout"] != "all":
        y = np.zeros((n, options["output_size"]), model.dtype)
    elif isinstance(inputs.values, list):
        y = [None] * n
    else:
        y = np.zeros((*inputs.values.shape[:2], options["output_size"]), model.dtype)
    # Batches have sequences of similar lengths. Only one batch is in memory at a time.
    order = np.argsort(inputs.lengths, kind="stable")
    for start in range(0, n, batch_size):
        rows = order[start : start + batch_size]
        lengths = inputs.lengths[rows]
        carried = None if initial is None else [(h[rows], c[rows]) for h, c in initial]
        outputs, last = model(inputs.take(rows), carried, lengths)
        for (h, c), (h_last, c_last) in zip(final, last, strict=True):
            h[rows], c[rows] = h_last, c_last
        if isinstance(y, list):
            for row, length, values in zip(rows.tolist(), lengths, outputs, strict=True):
                y[row] = values[:length].copy()
        elif y.ndim == 3:
            y[rows, : outputs.shape[1]] = outputs
        else:
            y[rows] = outputs
    return y, tuple(final)


def _state_shapes(options: dict[str, Any], n: int) -> list[_StateShape]:
    """The shapes of h and c, for each layer and direction."""
    directions = 2 if options["bidirectional"] else 1
    sizes = [(options["projection_size"] or size, size) for size in options["hidden_sizes"]]
    return [((n, of_h), (n, of_c)) for of_h, of_c in sizes for _ in range(directions)]


def _read_state(state: Any, shapes: list[_StateShape]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """The pairs (h, c) of a state as arrays of these shapes."""
    expected = f"{len(shapes)} pairs (h, c), one per layer and direction"
    if not isinstance(state, (list, tuple)):
        raise TypeError(f"state: expected a tuple of {expected}, got {type(state).__name__}")
    if len(state) != len(shapes):
        raise ValueError(f"state: expected {expected}, got {len(state)}")
    pairs = []
    for k, (pair, of_pair) in enumerate(zip(state, shapes, strict=True)):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise TypeError(f"state[{k}]: expected a pair (h, c), got {type(pair).__name__}")
        arrays = [array(v, f"state[{k}].{name}") for v, name in zip(pair, "hc", strict=True)]
        for values, name, shape in zip(arrays, "hc", of_pair, strict=True):
            if values.dtype.kind not in "fiub":
                raise TypeError(f"state[{k}].{name}: expected numbers, got {values.dtype}")
            if values.shape != shape:
                raise ValueError(f"state[{k}].{name}: expected {shape}, got {values.shape}")
        pairs.append((arrays[0], arrays[1]))
    return pairs

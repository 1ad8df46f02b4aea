"""Nodes that take parts of values, or put them together: Gather, Slice, Split, Concat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from peephole.interop.onnx.sizes import MOST_ENTRIES, sizes_of
from peephole.interop.onnx.values import (
    Anything,
    Atom,
    Given,
    Node,
    NotUnderstood,
    Outputs,
    Repeated,
    Run,
    Sizes,
    Value,
    Zeros,
    as_value,
    axis_index,
    plain,
)

_END = 2**31 - 1  # slices that end here or later end with the axis


def gather(node: Node) -> list[Anything]:
    """Gather: of constants and sizes, or one entry of a value."""
    value, index = node.given(0), node.constant(1, "index")
    if isinstance(value, Zeros):
        return [value]
    if isinstance(value, np.ndarray):
        return [np.take(value, index, int(node.attributes.get("axis", 0)))]
    if isinstance(value, Sizes):
        if index.ndim > 1 or index.size > MOST_ENTRIES:
            raise NotUnderstood(f"sizes by indices of shape {index.shape}")
        entries = tuple(value.entries[int(k)] for k in index.reshape(-1))
        return [Sizes(entries, scalar=index.ndim == 0)]
    if index.size != 1 or index.ndim > 1:
        raise NotUnderstood("several indices")
    k = int(index.reshape(-1)[0])
    value = as_value(value)
    axis = axis_index(node.attributes.get("axis", 0), len(value.axes))
    part = select(value, axis, k, k + 1 or _END)
    kept = () if index.ndim == 0 else ((),)
    return [replace(part, axes=(*part.axes[:axis], *kept, *part.axes[axis + 1 :]))]


def slice_(node: Node) -> list[Anything]:
    """Slice with step 1."""
    value = node.given(0)
    if isinstance(value, Zeros):
        return [value]
    starts, ends = node.integers(1, "starts"), node.integers(2, "ends")
    axes, steps = node.integers(3, "axes"), node.integers(4, "steps")
    if starts is None or ends is None:
        raise NotUnderstood("no starts or ends")
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    if isinstance(value, (np.ndarray, Repeated)):
        array = value.array if isinstance(value, Repeated) else value
        slices = [slice(None)] * array.ndim
        for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
            slices[axis_index(axis, array.ndim)] = slice(start, end, step)
        part = array[tuple(slices)]
        if not isinstance(value, Repeated):
            return [part]
        if any(slices[k] != slice(None) for k in value.axes):
            raise NotUnderstood("a part of an axis along which a constant is repeated")
        return [Repeated(part, value.axes)]
    if any(step != 1 for step in steps):
        raise NotUnderstood("steps other than 1")
    if isinstance(value, Sizes):
        if len(starts) != 1:
            raise NotUnderstood("several axes of sizes")
        return [Sizes(value.entries[starts[0] : ends[0]])]
    value = as_value(value)
    for axis, start, end in zip(axes, starts, ends, strict=True):
        value = select(value, axis_index(axis, len(value.axes)), start, end)
    return [value]


def split(node: Node) -> list[Anything]:
    """Split: of constants and sizes, or of the directions of LSTM nodes."""
    value, sizes = node.given(0), node.integers(1, "split")
    rank = value.ndim if isinstance(value, np.ndarray) else 1
    rank = len(value.axes) if isinstance(value, Value) else rank
    axis = axis_index(node.attributes.get("axis", 0), rank)
    if isinstance(value, Zeros):
        return [value] * node.outputs
    if isinstance(value, np.ndarray):
        size = value.shape[axis]
    elif isinstance(value, Sizes):
        size = len(value.entries)
    else:
        of_axis = as_value(value).axes[axis]
        if len(of_axis) != 1 or of_axis[0].size is None:
            raise NotUnderstood("an axis whose size is known at run time, or that was merged")
        size = of_axis[0].size
    if sizes is None:
        sizes = [-(-size // node.outputs)] * node.outputs
    ends = np.cumsum(sizes).tolist()
    pairs = list(zip([0, *ends[:-1]], ends, strict=True))
    if isinstance(value, np.ndarray):
        return [value[(slice(None),) * axis + (slice(*pair),)] for pair in pairs]
    if isinstance(value, Sizes):
        return [Sizes(value.entries[start:end]) for start, end in pairs]
    return [select(as_value(value), axis, start, end) for start, end in pairs]


def concat(node: Node) -> list[Anything]:
    """Concat: of constants, of sizes, or of outputs of LSTM nodes."""
    values, axis = node.inputs, node.attributes.get("axis", 1)
    if all(isinstance(value, np.ndarray) for value in values):
        return [np.concatenate(values, int(axis))]  # type: ignore[arg-type]
    if all(isinstance(value, Zeros) for value in values):
        return [Zeros()]
    if all(isinstance(value, (np.ndarray, Sizes)) for value in values):
        entries = tuple(entry for value in values for entry in sizes_of(value).entries)
        if len(entries) > MOST_ENTRIES:
            raise NotUnderstood(f"{len(entries)} sizes")
        return [Sizes(entries)]
    return [_joined([as_value(value) for value in values], axis)]


def _joined(values: list[Value], axis: Any) -> Value:
    """Outputs of several directions in one value."""
    contents = [v.content for v in values]
    first = contents[0]
    if not isinstance(first, Outputs):
        raise NotUnderstood("values that are not all outputs of LSTM nodes")
    runs: list[Run] = []
    at = axis_index(axis, len(values[0].axes))
    merged = values[0].axes[at] == first.features
    for value, content in zip(values, contents, strict=True):
        if not isinstance(content, Outputs) or content.kind != first.kind:
            raise NotUnderstood("values that are not all outputs of LSTM nodes of one kind")
        if content.units.size != first.units.size:
            raise NotUnderstood("outputs of LSTM nodes of different sizes")
        own = content.features if merged else content.of_runs
        others = [a for k, a in enumerate(value.axes) if k != at and a != (content.units,)]
        same = [a for k, a in enumerate(values[0].axes) if k != at and a != (first.units,)]
        if len(value.axes) != len(values[0].axes) or value.axes[at] != own or others != same:
            raise NotUnderstood("outputs of LSTM nodes that are arranged in other ways")
        runs += content.runs
        if len(set(runs)) < len(runs):
            raise NotUnderstood("an output of an LSTM node more than once")
    joined = Outputs(first.kind, tuple(runs), plain(len(runs)), Atom(first.units.size))
    axes = [(joined.units,) if a == (first.units,) else a for a in values[0].axes]
    axes[at] = joined.features if merged else joined.of_runs
    return Value(tuple(axes), joined)


def select(value: Value, axis: int, start: int, end: int) -> Value:
    """The entries start..end of one axis, indexed as in Python."""
    atoms, content = value.axes[axis], value.content
    if start == 0 and end >= _END:
        return value
    if atoms == () and (start, end) in ((0, 1), (-1, _END)):
        return value
    if isinstance(content, Given):
        return _with_axis(replace(value, content=Given(content.name, True)), axis, (Atom(None),))
    if isinstance(content, Outputs) and atoms and atoms == content.of_runs:
        runs = content.runs[start : end if end < _END else None]
        part = replace(content, runs=runs, of_runs=plain(len(runs)))
        if runs:
            return _with_axis(replace(value, content=part), axis, part.of_runs)
    if isinstance(content, Outputs) and content.kind == "y" and atoms == content.runs[0].time:
        return _with_axis(replace(value, content=_step(content, start, end)), axis, ())
    raise NotUnderstood("a part of an axis")


def _step(content: Outputs, start: int, end: int) -> Outputs:
    """The step of y that is the final h: the last one forward, the first one in reverse."""
    reverse = {run.reverse for run in content.runs}
    if start == -1 and end >= _END:
        if True in reverse:
            raise NotUnderstood(
                "the last step of the reverse direction's y, which has read one step only; "
                "a model reads its final h"
            )
    elif (start, end) != (0, 1) or reverse != {True}:
        raise NotUnderstood("steps of y other than all or the final one")
    if any(run.lengths for run in content.runs):
        raise NotUnderstood("the last step of sequences whose lengths vary, which is padding")
    return replace(content, kind="h")


def _with_axis(value: Value, axis: int, atoms: tuple[Atom, ...]) -> Value:
    return replace(value, axes=(*value.axes[:axis], atoms, *value.axes[axis + 1 :]))

"""Nodes that rearrange values without changing them: Transpose, Squeeze, Reshape, ..."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from peephole.interop.onnx import parts, sizes
from peephole.interop.onnx.regroup import regroup
from peephole.interop.onnx.values import (
    Anything,
    Atom,
    Given,
    Node,
    NotUnderstood,
    Sizes,
    Value,
    Zeros,
    as_value,
    axis_index,
)


def identity(node: Node) -> list[Anything]:
    """Identity, Dropout in inference."""
    value = node.given(0)
    if value is None:
        raise NotUnderstood("no input")
    return [value]


def dropout(node: Node) -> list[Anything]:
    """Dropout, which does nothing in inference."""
    if node.given(2) is not None and np.any(node.constant(2, "training_mode")):
        raise NotUnderstood("dropout in training mode")
    return identity(node)


def cast(node: Node) -> list[Anything]:
    """Cast: of constants, and of values that keep their type."""
    value = node.given(0)
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, (Sizes, Zeros)) or _is_lengths(value):
        return identity(node)
    raise NotUnderstood("a change of the type of values")


def _is_lengths(value: Any) -> bool:
    return isinstance(value, Value) and isinstance(value.content, Given) and len(value.axes) == 1


def transpose(node: Node) -> list[Anything]:
    """Transpose."""
    value = node.given(0)
    if isinstance(value, Zeros):
        return [value]
    rank = value.ndim if isinstance(value, np.ndarray) else len(as_value(value).axes)
    perm = [int(k) for k in node.attributes.get("perm", range(rank)[::-1])]
    if sorted(perm) != list(range(rank)):
        raise NotUnderstood(f"perm={perm} for {rank} axes")
    if isinstance(value, np.ndarray):
        return [value.transpose(perm)]
    value = as_value(value)
    return [replace(value, axes=tuple(value.axes[k] for k in perm))]


def squeeze(node: Node) -> list[Anything]:
    """Squeeze."""
    value, given = node.given(0), node.integers(1, "axes")
    if isinstance(value, Zeros):
        return [value]
    if isinstance(value, Sizes):
        return [replace(value, scalar=value.single)]
    if isinstance(value, np.ndarray):
        return [np.squeeze(value, None if given is None else tuple(given))]
    value = as_value(value)
    sizes = [_is_one(axis) for axis in value.axes]
    axes = [k for k, one in enumerate(sizes) if one] if given is None else given
    dropped = {axis_index(k, len(sizes)) for k in axes}
    if not all(sizes[k] for k in dropped):
        raise NotUnderstood("an axis whose size is not 1")
    kept = tuple(axis for k, axis in enumerate(value.axes) if k not in dropped)
    return [replace(value, axes=kept)]


def unsqueeze(node: Node) -> list[Anything]:
    """Unsqueeze."""
    value, axes = node.given(0), node.integers(1, "axes")
    if isinstance(value, Zeros):
        return [value]
    if isinstance(value, Sizes):
        if not value.scalar:
            raise NotUnderstood("sizes with more than one axis")
        return [replace(value, scalar=False)]
    if axes is None:
        raise NotUnderstood("no axes")
    rank = len(axes) + (value.ndim if isinstance(value, np.ndarray) else len(as_value(value).axes))
    places = sorted(axis_index(k, rank) for k in axes)
    if isinstance(value, np.ndarray):
        return [np.expand_dims(value, tuple(places))]
    value = as_value(value)
    result = list(value.axes)
    for k in places:
        result.insert(k, ())
    return [replace(value, axes=tuple(result))]


def reshape(node: Node) -> list[Anything]:
    """Reshape."""
    value, shape = node.given(0), node.given(1)
    if isinstance(value, Zeros):
        return [value]
    if isinstance(value, Sizes):
        target = node.constant(1, "shape").reshape(-1).tolist()
        if target not in ([-1], [len(value.entries)]):
            raise NotUnderstood("sizes in another shape")
        return [replace(value, scalar=False)]
    entries: Sequence[Any]
    if "shape" in node.attributes:
        entries = [int(n) for n in node.attributes["shape"]]
    elif isinstance(shape, Sizes):
        entries = shape.entries
    else:
        entries = [int(n) for n in node.constant(1, "shape").reshape(-1)]
    allow_zero = bool(node.attributes.get("allowzero", 0))
    if isinstance(value, np.ndarray):
        sizes = [n if n or allow_zero else value.shape[k] for k, n in enumerate(entries)]
        return [value.reshape(sizes)]
    value = as_value(value)
    return [replace(value, axes=regroup(value.axes, entries, allow_zero))]


def flatten(node: Node) -> list[Anything]:
    """Flatten, into two axes."""
    value = as_value(node.given(0))
    rank = len(value.axes)
    at = int(node.attributes.get("axis", 1))
    at = rank if at == rank else axis_index(at, rank)
    halves = value.axes[:at], value.axes[at:]
    merged = tuple(tuple(atom for axis in half for atom in axis) for half in halves)
    return [replace(value, axes=merged)]


def _is_one(axis: tuple[Atom, ...]) -> bool:
    return all(atom.size == 1 for atom in axis)


HANDLERS: dict[str, Callable[[Node], list[Anything]]] = {
    "Identity": identity,
    "Dropout": dropout,
    "Cast": cast,
    "Transpose": transpose,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Reshape": reshape,
    "Flatten": flatten,
    "Gather": parts.gather,
    "Slice": parts.slice_,
    "Split": parts.split,
    "Concat": parts.concat,
    "Shape": sizes.shape,
    "Mul": sizes.multiply,
    "ReduceProd": sizes.product,
    "ConstantOfShape": sizes.zeros,
    "Expand": sizes.expand,
    "Tile": sizes.zeros,
}

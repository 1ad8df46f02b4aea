"""Nodes that compute sizes of axes, from which Reshape and Expand take their targets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from peephole.interop.onnx.values import (
    Anything,
    Atom,
    Node,
    NotUnderstood,
    Repeated,
    Sizes,
    Zeros,
    as_value,
)

MOST_ENTRIES = 64  # of a shape
_LARGEST = 2**63 - 1  # size, or products of products would grow without end


def shape(node: Node) -> list[Anything]:
    """Shape."""
    value = node.given(0)
    if isinstance(value, np.ndarray):
        entries: tuple[Any, ...] = value.shape
    else:
        entries = tuple(size_of(axis) for axis in as_value(value).axes)
    start, end = node.attributes.get("start", 0), node.attributes.get("end", len(entries))
    return [Sizes(entries[start:end])]


def size_of(axis: tuple[Atom, ...]) -> int | tuple[Atom, ...]:
    """The size of an axis: atoms, so that a Reshape can tell axes of equal sizes apart."""
    return axis or 1


def sizes_of(value: Any) -> Sizes:
    """Sizes, also from constants."""
    if isinstance(value, Sizes):
        return value
    if isinstance(value, np.ndarray) and value.ndim <= 1 and value.dtype.kind == "i":
        return Sizes(tuple(int(n) for n in value.reshape(-1)), scalar=value.ndim == 0)
    raise NotUnderstood("a value that holds no sizes")


def multiply(node: Node) -> list[Anything]:
    """Mul of sizes: the size of axes that are merged."""
    a, b = (sizes_of(value) for value in node.inputs)
    if len(a.entries) != 1 or len(b.entries) != 1:
        raise NotUnderstood("products of several sizes")
    return [Sizes((_product(a.entries + b.entries),), a.scalar and b.scalar)]


def product(node: Node) -> list[Anything]:
    """ReduceProd of sizes: the size of axes that are merged."""
    value, axes = sizes_of(node.given(0)), node.integers(1, "axes")
    if value.scalar or axes not in (None, [0], [-1]):
        raise NotUnderstood("a product along another axis than that of the sizes")
    return [Sizes((_product(value.entries),), scalar=not node.attributes.get("keepdims", 1))]


def _product(entries: tuple[int | tuple[Atom, ...], ...]) -> int | tuple[Atom, ...]:
    known = math.prod(entry for entry in entries if isinstance(entry, int))
    atoms = tuple(atom for entry in entries if isinstance(entry, tuple) for atom in entry)
    if abs(known) > _LARGEST:
        raise NotUnderstood("a size of more than 64 bits")
    if not atoms:
        return known
    if known != 1:
        raise NotUnderstood("multiples of a size that is known only at run time")
    if len(atoms) > MOST_ENTRIES:
        raise NotUnderstood("products of many sizes")
    return atoms


def expand(node: Node) -> list[Anything]:
    """Expand: of zeros, of sizes, or of a constant such as an initial state."""
    value, target = node.given(0), node.given(1)
    if not isinstance(value, np.ndarray) or not np.any(value):
        return zeros(node)
    entries = sizes_of(target).entries
    if len(entries) != value.ndim:
        raise NotUnderstood(f"{value.ndim} axes expanded to {len(entries)}")
    # An axis of another size than 1 stays as it is, whatever its target.
    repeated = [k for k, n in enumerate(entries) if value.shape[k] == 1 and n != 1]
    return [Repeated(value, frozenset(repeated))]


def zeros(node: Node) -> list[Anything]:
    """ConstantOfShape, Expand and Tile, of zeros or of sizes."""
    value = node.attributes.get("value") if node.kind == "ConstantOfShape" else node.given(0)
    if (
        value is None
        or isinstance(value, Zeros)
        or (isinstance(value, np.ndarray) and not np.any(value))
    ):
        return [Zeros()]
    if isinstance(value, Sizes) and value.single:
        return [value]  # lengths of all sequences
    raise NotUnderstood("copies of a value that is not 0")

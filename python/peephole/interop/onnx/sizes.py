"""Nodes that compute sizes of axes, from which Reshape and Expand take their targets."""

from __future__ import annotations

from typing import Any

import numpy as np

from peephole.interop.onnx.values import (
    Anything,
    Atom,
    Node,
    NotUnderstood,
    Sizes,
    Zeros,
    as_value,
)

MOST_ENTRIES = 64  # of a shape


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
    p, q = a.entries[0], b.entries[0]
    if isinstance(p, int) and isinstance(q, int):
        product: int | tuple[Atom, ...] = p * q
    elif isinstance(p, int) or isinstance(q, int):
        if 1 not in (p, q):
            raise NotUnderstood("multiples of a size that is known at run time")
        product = p if q == 1 else q
    else:
        product = p + q
        if len(product) > MOST_ENTRIES:
            raise NotUnderstood("products of many sizes")
    return [Sizes((product,), a.scalar and b.scalar)]


def zeros(node: Node) -> list[Anything]:
    """ConstantOfShape and Expand, of zeros or of sizes."""
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

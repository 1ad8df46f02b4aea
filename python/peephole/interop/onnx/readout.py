"""The head of a network: what it reads of the last layer's outputs, and y = head(V r + v)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from peephole.interop.onnx.layers import Sequences
from peephole.interop.onnx.nodes import Nodes


def write_head(
    nodes: Nodes,
    options: Mapping[str, Any],
    sequences: Sequences,
    h: str,
    final_h: list[str],
) -> None:
    """Adds readout and head, with the output `y`.

    Args:
        nodes: Of the graph.
        options: Of the network.
        sequences: Values that all layers use.
        h: (T, B, D*H), the outputs of the last layer, 0 beyond a sequence's length.
        final_h: (B, H) of each direction.
    """
    steps = options["readout"] == "all"
    read = h if steps else _read(nodes, options["readout"], sequences, h, final_h)
    weight = nodes.add("Transpose", "head.weight", perm=[1, 0])
    y = nodes.add("Add", nodes.add("MatMul", read, weight), "head.bias")
    if options["head"] == "softmax":
        y = nodes.add("Softmax", y, axis=-1)
    elif options["head"] != "identity":
        y = nodes.add({"sigmoid": "Sigmoid", "tanh": "Tanh"}[options["head"]], y)
    real = sequences.steps if steps else _not_empty(nodes, sequences)
    zero = nodes.constant(0, sequences.dtype)
    if steps:
        y = nodes.add("Where", real, y, zero)
        batch_first(nodes, sequences, y)
    else:
        nodes.add("Where", real, y, zero, output="y")


def batch_first(nodes: Nodes, sequences: Sequences, y: str) -> None:
    """Adds the output `y` (B, T, ...) from y (T, B, ...), where T is at least 1."""
    y = nodes.add("Slice", y, nodes.constant([0]), sequences.time, nodes.constant([0]))
    nodes.add("Transpose", y, perm=[1, 0, 2], output="y")


def _not_empty(nodes: Nodes, sequences: Sequences) -> str:
    """(B, 1) bool: whether a sequence has a step."""
    some = nodes.add("Greater", sequences.lengths, nodes.constant(0))
    return nodes.add("Unsqueeze", some, nodes.constant([1]))


def _read(nodes: Nodes, readout: str, sequences: Sequences, h: str, final_h: list[str]) -> str:
    """(B, D*H): what the head reads, a finite value for an empty sequence."""
    if readout == "last":
        return final_h[0] if len(final_h) == 1 else nodes.add("Concat", *final_h, axis=-1)
    if readout == "mean":
        count = nodes.add("Max", sequences.lengths, nodes.constant(1))
        count = nodes.add("Unsqueeze", count, nodes.constant([1]))
        kind = 1 if sequences.dtype == np.float32 else 11  # TensorProto.FLOAT, DOUBLE
        total = nodes.add("ReduceSum", h, nodes.constant([0]), keepdims=0)
        return nodes.add("Div", total, nodes.add("Cast", count, to=kind))
    lowest = nodes.constant(-np.inf, sequences.dtype)
    masked = nodes.add("Where", sequences.steps, h, lowest)
    greatest = nodes.add("ReduceMax", masked, axes=[0], keepdims=0)
    zero = nodes.constant(0, sequences.dtype)
    return nodes.add("Where", _not_empty(nodes, sequences), greatest, zero)

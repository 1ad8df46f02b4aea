"""The dense layer before the LSTM of a network: u = f(W x + b)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from peephole.interop.onnx.nodes import Nodes
from peephole.interop.onnx.scan_step import activate


def write_dense_input(nodes: Nodes, options: Mapping[str, Any], x: str, dtype: Any) -> str:
    """Adds the layer; returns u (T, B, D).

    Args:
        nodes: Of the graph.
        options: Of the network.
        x: (T, B, I).
        dtype: Of NumPy.
    """
    weight = nodes.add("Transpose", "input.weight", perm=[1, 0])
    z = nodes.add("Add", nodes.add("MatMul", x, weight), "input.bias")
    return activate(nodes, options["input_activation"], z, dtype)

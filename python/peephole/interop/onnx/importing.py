"""Reads ONNX files."""

from __future__ import annotations

import os

from peephole._checks import text
from peephole.interop.onnx.assembling import single, whole
from peephole.interop.onnx.following import Graph
from peephole.interop.onnx.own import check_functions, is_own, read_own
from peephole.interop.onnx.tensors import read_model
from peephole.models.lstm import LSTM
from peephole.models.network import Network

_RECURRENT = ("GRU", "RNN", "DynamicQuantizeLSTM", "Scan", "Loop", "If")


def from_onnx(
    path_or_bytes: str | os.PathLike[str] | bytes, node: str | None = None
) -> LSTM | Network:
    """The model in an ONNX file. Nothing in the file is executed.

    A file of `to_onnx` gives the model that was written, with all its options, masks and scalings.
    Of any other file, the whole graph must be a model: one LSTM node, or a chain of them, with the
    nodes that PyTorch and tf2onnx write around them, such as Transpose, Squeeze, Reshape, Concat
    and Slice; with or without a head: MatMul and Add, or Gemm, then Sigmoid, Tanh or
    Softmax, on y, on its last step or the final h, or on its mean or maximum over the steps. With a
    head, x may go through such a dense layer first, with an activation that `Network` has as
    `input_activation`.
    Peepholes P, both layouts, both directions, also as two nodes, float32 and float64 are read.
    With `node`, a single LSTM node is read out of any graph.

    Models are batch-first, (B, T, I), also where the graph is not. Beyond a sequence's length y is
    0, also where the graph gives the head's bias. Initial states that are inputs of
    the graph are those of a call; constant ones, the same for all sequences, become learned ones
    (`initial_state="learned"`).

    Args:
        path_or_bytes: The file's path, or its contents. External data is only read by a path.
        node: The name of an LSTM node, or of one of its outputs.

    Returns:
        A `Network` for a graph with a head, otherwise an `LSTM`; with `node` one of one layer.

    Raises:
        ValueError: If the file is not a valid ONNX model, or has something that a model here cannot
            express, such as other operators or quantised weights; the message names it.
        OSError: If the file cannot be read.
        ImportError: If the package onnx is not installed.

    Example:
        >>> net = peephole.interop.from_onnx("classifier.onnx")
        >>> y = net.predict(x)
    """
    if node is not None:
        text(node, "node")
    proto = read_model(path_or_bytes)
    if node is None and is_own(proto):
        return read_own(proto)
    check_functions(proto)
    graph = Graph(proto)
    if not graph.nodes:
        others = sorted({n.op_type for n in proto.graph.node} & {*_RECURRENT})
        found = f"; it has {', '.join(others)}" if others else ""
        raise ValueError(
            f"the graph has no LSTM node{found}. Some exporters, such as that of Keras 3 on "
            "PyTorch, write each step of a layer as separate nodes, which are not read; for Keras "
            "models use from_keras"
        )
    if node is not None:
        return single(graph, node)
    return whole(graph, [info.name for info in proto.graph.output])

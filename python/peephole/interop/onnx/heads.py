"""Nodes of a head: MatMul or Gemm, Add, an activation, and what it reads.

The same nodes on an input of the graph are the dense layer before the LSTM.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole.interop.onnx.activations import of_operator
from peephole.interop.onnx.values import (
    Anything,
    Atom,
    DenseGiven,
    Given,
    Head,
    Node,
    NotUnderstood,
    Outputs,
    Pooled,
    Value,
    axis_index,
)


def matmul(node: Node) -> list[Anything]:
    """MatMul with constant weights."""
    return [_dense(node.given(0), node.constant(1, "weights").T)]


def gemm(node: Node) -> list[Anything]:
    """Gemm with constant weights."""
    if node.attributes.get("transA", 0):
        raise NotUnderstood("transA")
    weight = node.constant(1, "weights")
    weight = weight if node.attributes.get("transB", 0) else weight.T
    for factor in ("alpha", "beta"):
        if node.attributes.get(factor, 1.0) != 1.0:
            raise NotUnderstood(f"{factor}={node.attributes[factor]:g}")
    value = _dense(node.given(0), weight)
    return [value if node.given(2) is None else _biased(value, node.constant(2, "bias"))]


def _dense(given: Any, weight: NDArray[Any]) -> Value:
    """V r, with V (O, F), or W x."""
    content = given.content if isinstance(given, Value) else None
    if isinstance(content, (Head, DenseGiven)):
        raise NotUnderstood("a second dense layer after the first")
    if isinstance(content, Given):
        return _dense_given(given, content, weight)
    if isinstance(content, Pooled):
        of, readout = content.of, content.readout
    elif isinstance(content, Outputs) and content.kind != "c":
        of, readout = content, "all" if content.kind == "y" else "last"
    else:
        raise NotUnderstood("a product with something that is no output of an LSTM node")
    if given.axes[-1] != of.features:
        raise NotUnderstood("a product along another axis than the units of all directions")
    width = len(of.runs) * of.runs[0].units
    if weight.ndim != 2 or weight.shape[1] != width:
        shape = weight.T.shape
        raise NotUnderstood(f"weights for {width} features, expected ({width}, O), got {shape}")
    outputs = Atom(weight.shape[0])
    head = Head(readout, of, weight, None, "", outputs)
    return Value((*given.axes[:-1], (outputs,)), head)


def _dense_given(value: Value, x: Given, weight: NDArray[Any]) -> Value:
    """W x, with W (D, I)."""
    sizes = [atom.size for atom in value.axes[-1]] or [1]
    if x.part or len(sizes) > 1 or weight.ndim != 2 or sizes[0] not in (None, weight.shape[1]):
        raise NotUnderstood("a product with an input along another axis than its features")
    outputs = Atom(weight.shape[0])
    return Value((*value.axes[:-1], (outputs,)), DenseGiven(x, weight, None, "", outputs))


def add(node: Node) -> list[Anything]:
    """Add of a constant bias, from either side."""
    a, b = node.given(0), node.given(1)
    value, bias = (b, a) if isinstance(a, np.ndarray) else (a, b)
    if not isinstance(bias, np.ndarray) or not isinstance(value, Value):
        raise NotUnderstood("a sum of two values that are not constant")
    return [_biased(value, bias)]


def _biased(value: Value, bias: NDArray[Any]) -> Value:
    head = value.content
    if not isinstance(head, (Head, DenseGiven)) or head.activation or head.bias is not None:
        raise NotUnderstood("a sum with something that is no dense layer without a bias")
    outputs = head.weight.shape[0]
    if bias.size not in (1, outputs) or bias.shape[-1:] not in ((), (1,), (outputs,)):
        raise NotUnderstood(f"a bias of shape {bias.shape} for {outputs} outputs")
    if bias.ndim > len(value.axes):
        raise NotUnderstood(f"a bias with {bias.ndim} axes")
    full = np.broadcast_to(bias.reshape(-1), (outputs,))
    return replace(value, content=replace(head, bias=full))


def activation(node: Node) -> list[Anything]:
    """Sigmoid, Tanh, or Softmax over the outputs; before the LSTM also others."""
    value = node.given(0)
    if isinstance(value, Value) and isinstance(value.content, DenseGiven):
        return [_activated(node, value, value.content)]
    if node.kind not in _OF_HEADS:
        raise NotUnderstood("an operator that LSTM models do not have")
    head = value.content if isinstance(value, Value) else None
    if not isinstance(value, Value) or not isinstance(head, Head) or head.activation:
        raise NotUnderstood("an activation of something that is no dense layer on LSTM outputs")
    if node.kind == "Softmax":
        rank = len(value.axes)
        axis = axis_index(node.attributes.get("axis", -1 if node.opset >= 13 else 1), rank)
        if axis != rank - 1 or value.axes[axis] != (head.outputs,):
            raise NotUnderstood("a softmax along another axis than the outputs")
    return [replace(value, content=replace(head, activation=node.kind.lower()))]


def _activated(node: Node, value: Value, dense: DenseGiven) -> Value:
    """The dense layer with its activation."""
    if dense.activation:
        raise NotUnderstood("a second activation of the dense layer before the LSTM")
    alpha, beta = [], []
    if node.kind == "HardSigmoid":
        alpha, beta = [node.attributes.get("alpha", 0.2)], [node.attributes.get("beta", 0.5)]
    try:
        (name,) = of_operator([node.kind], alpha, beta, node.label)
    except ValueError as error:
        raise NotUnderstood(str(error)) from None
    return replace(value, content=replace(dense, activation=name))


def pool(node: Node) -> list[Anything]:
    """ReduceMean and ReduceMax over the steps."""
    value, axes = node.given(0), node.integers(1, "axes")
    content = value.content if isinstance(value, Value) else None
    if not isinstance(value, Value) or not isinstance(content, Outputs) or content.kind != "y":
        raise NotUnderstood("a reduction of something that is no y of an LSTM node")
    rank = len(value.axes)
    places = [axis_index(k, rank) for k in (range(rank) if axes is None else axes)]
    time = content.runs[0].time
    if len(places) != 1 or not time or value.axes[places[0]] != time:
        raise NotUnderstood("a reduction along another axis than the steps")
    if any(run.lengths for run in content.runs):
        raise NotUnderstood("a reduction over the padding of sequences whose lengths vary")
    readout = {"ReduceMean": "mean", "ReduceMax": "max"}[node.kind]
    kept = ((),) if node.attributes.get("keepdims", 1) else ()
    axes_after = (*value.axes[: places[0]], *kept, *value.axes[places[0] + 1 :])
    return [Value(axes_after, Pooled(readout, content))]


_OF_HEADS = ("Sigmoid", "Tanh", "Softmax")

HANDLERS: dict[str, Callable[[Node], list[Anything]]] = {
    "MatMul": matmul,
    "Gemm": gemm,
    "Add": add,
    "Sigmoid": activation,
    "Tanh": activation,
    "Softmax": activation,
    "Relu": activation,
    "Softplus": activation,
    "Softsign": activation,
    "HardSigmoid": activation,
    "ReduceMean": pool,
    "ReduceMax": pool,
}

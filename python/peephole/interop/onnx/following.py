"""Follows the nodes of a foreign graph, in their order."""

from __future__ import annotations

from typing import Any

import numpy as np

from peephole.interop.onnx import heads, layout
from peephole.interop.onnx.package import onnx_package
from peephole.interop.onnx.recurrent import lstm
from peephole.interop.onnx.tensors import array_of
from peephole.interop.onnx.values import (
    Anything,
    Atom,
    Given,
    Node,
    NotUnderstood,
    Outputs,
    Run,
    Unknown,
    Value,
)

_HANDLERS = {**layout.HANDLERS, **heads.HANDLERS}
_DOMAINS = ("", "ai.onnx")
# Limit, in bytes, of the constants that nodes compute from others; far above real exports.
_LEAST_BUDGET, _COPIES = 2**24, 4
_OLDEST_OPSET = 7  # of the LSTM operator in its present form
# Raised for wrong attributes and constants, which are not checked one by one.
_ERRORS = (ValueError, TypeError, IndexError, AttributeError, OverflowError)
_QUANTISED = ("Quantize", "QLinear", "Integer", "QAttention", "QGemm")


class Graph:
    """The meaning of each value of a graph.

    Attributes:
        values: {name: its meaning}.
        nodes: {name of an LSTM node, and of each of its outputs: its directions}.
    """

    def __init__(self, model: Any) -> None:
        self._opset = _opset(model)
        self._budget = _LEAST_BUDGET + _COPIES * model.ByteSize()
        self.values: dict[str, Anything] = {}
        self.nodes: dict[str, tuple[Run, ...]] = {}
        graph = model.graph
        refuse_quantised(graph)
        if graph.sparse_initializer:
            raise ValueError("the graph has sparse initializers, which are not supported")
        initialisers = {tensor.name for tensor in graph.initializer}
        for info in graph.input:
            if info.name not in initialisers:
                self._set(info.name, _input(info))
        wanted = {name for node in graph.node for name in node.input}
        for tensor in graph.initializer:
            if tensor.name in wanted:  # others are never read
                self._set(tensor.name, _constant(tensor, tensor.name))
        for node in graph.node:
            self._follow(node)

    @property
    def runs(self) -> list[Run]:
        """The directions of all LSTM nodes."""
        return list(dict.fromkeys(run for runs in self.nodes.values() for run in runs))

    def _set(self, name: str, value: Anything) -> None:
        if name in self.values:
            raise ValueError(f"the graph has two values named {name!r}")
        self.values[name] = value

    def _follow(self, proto: Any) -> None:
        node = self._node(proto)
        try:
            results = self._results(node, proto)
        except NotUnderstood as reason:
            results = [Unknown(f"{node.label}: {reason}")] * len(proto.output)
        except _ERRORS as error:
            if node.kind == "LSTM" and isinstance(error, ValueError):
                raise
            raise ValueError(f"{node.label} is wrong: {error}") from None
        results += [Unknown(f"an output of {node.label}")] * (len(proto.output) - len(results))
        for name, value in zip(proto.output, results, strict=False):
            if name:
                self._set(name, value)
                if node.kind == "LSTM" and isinstance(value, Value):
                    self._register(node.name, name, value)

    def _register(self, node: str, output: str, value: Value) -> None:
        if isinstance(value.content, Outputs):
            for key in (node, output):
                self.nodes.setdefault(key, value.content.runs)

    def _node(self, proto: Any) -> Node:
        name = proto.name or next(iter(proto.output), "")
        domain = "" if proto.domain in _DOMAINS else f"{proto.domain}."
        inputs: list[Anything | None] = []
        for given in proto.input:
            if given and given not in self.values:
                raise ValueError(
                    f"{proto.op_type} node {name!r} reads {given!r}, which no earlier node and no "
                    "input gives: a part is missing, or the graph has a cycle"
                )
            inputs.append(self.values[given] if given else None)
        kind = domain + proto.op_type
        attributes = {attribute.name: _attribute(attribute, name) for attribute in proto.attribute}
        return Node(kind, name, attributes, inputs, len(proto.output), self._opset)

    def _results(self, node: Node, proto: Any) -> list[Anything]:
        if node.kind == "Constant":
            return [_constant_node(node)]
        if node.kind == "LSTM":
            return lstm(node)
        for value in node.inputs:
            if isinstance(value, Unknown):
                return [value] * len(proto.output)
        self._spend(node)
        if node.kind not in _HANDLERS:
            raise NotUnderstood("an operator that LSTM models do not have")
        return _HANDLERS[node.kind](node)

    def _spend(self, node: Node) -> None:
        """Raises ValueError if constants of the graph multiply beyond what the file holds."""
        arrays = [value for value in node.inputs if isinstance(value, np.ndarray)]
        if node.kind == "Concat":
            self._budget -= sum(array.nbytes for array in arrays)
        elif node.kind == "Gather" and len(arrays) == 2:
            self._budget -= arrays[0].nbytes * arrays[1].size
        if self._budget < 0:
            raise ValueError("its constants are much larger than the file")


def refuse_quantised(graph: Any) -> None:
    """Raises ValueError for a graph with quantised values."""
    for node in graph.node:
        if any(text in node.op_type for text in _QUANTISED):
            raise ValueError(
                f"{node.op_type} node {node.name!r}: the model is quantised; "
                "expected one of float32 or float64"
            )


def _opset(model: Any) -> int:
    versions = [entry.version for entry in model.opset_import if entry.domain in _DOMAINS]
    if not versions or versions[0] < _OLDEST_OPSET:
        found = versions[0] if versions else "none"
        raise ValueError(f"expected opset {_OLDEST_OPSET} or later, got {found}")
    return int(versions[0])


def _input(info: Any) -> Anything:
    tensor = info.type.tensor_type
    if not info.type.HasField("tensor_type") or not tensor.HasField("shape"):
        return Unknown(f"the input {info.name!r}, whose number of axes is unknown")
    sizes = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
    axes = tuple((Atom(size if size and size > 0 else None),) for size in sizes)
    return Value(axes, Given(info.name))


def _constant(tensor: Any, name: str) -> Anything:
    try:
        return array_of(tensor, name)
    except ValueError as error:
        if "expected float32 or float64 values" in str(error):
            return Unknown(str(error))  # of another part of the graph, such as a text
        raise


def _attribute(attribute: Any, node: str) -> Any:
    """The value of an attribute: numbers, texts, lists of them, or a tensor as an array."""
    onnx = onnx_package()
    kinds = onnx.AttributeProto
    if attribute.type in (kinds.GRAPH, kinds.GRAPHS):
        return None  # of If, Loop or Scan, which are not followed
    if attribute.type == kinds.TENSOR:
        return _constant(attribute.t, f"{attribute.name} of node {node!r}")
    try:
        value = onnx.helper.get_attribute_value(attribute)
    except Exception as error:  # onnx raises several kinds for broken attributes
        raise ValueError(f"node {node!r}: attribute {attribute.name!r}: {error}") from None
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if attribute.type == kinds.STRINGS:
        return [text.decode(errors="replace") for text in value]
    return value


def _constant_node(node: Node) -> Anything:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        value = node.attributes.get(name)
        if name == "value" and value is not None:
            if isinstance(value, (np.ndarray, Unknown)):
                return value
            break
        if value is not None:
            return np.asarray(value, np.float32 if "float" in name else np.int64)
    raise NotUnderstood("a constant without numbers")

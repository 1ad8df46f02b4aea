"""The model that a foreign graph computes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole.interop.onnx.following import Graph
from peephole.interop.onnx.operator import PEEPHOLES, direction_parameters
from peephole.interop.onnx.values import (
    DenseGiven,
    Given,
    Head,
    Outputs,
    Pooled,
    Run,
    Unknown,
    Value,
)
from peephole.models.lstm import LSTM
from peephole.models.network import Network

_HINT = "; node= picks a single LSTM node"
Layer = tuple[Run, ...]


def single(graph: Graph, node: str) -> LSTM:
    """The LSTM node of this name, or with an output of this name, as a model of one layer."""
    if node not in graph.nodes:
        names = ", ".join(dict.fromkeys(run.node for run in graph.runs)) or "none"
        raise ValueError(f"node: no LSTM node is named {node!r}; there are {names}")
    model: LSTM = _model([_checked(graph.nodes[node])], None)
    return model


def whole(graph: Graph, outputs: list[str]) -> LSTM | Network:
    """The model of the whole graph, whose outputs have these names."""
    values = [_output(graph, name) for name in outputs]
    contents = [value.content for value in values]
    heads = list({id(c.weight): c for c in contents if isinstance(c, Head)}.values())
    if len(heads) > 1 or len({c.activation for c in contents if isinstance(c, Head)}) > 1:
        raise ValueError(f"the graph has several heads; a Network has one{_HINT}")
    head = heads[0] if heads else None
    found = [c for c in contents if isinstance(c, Outputs)]
    if head is None and not found:
        raise ValueError("none of the graph's outputs is one of an LSTM node")
    chain = _chain(graph, _top(graph, head, found))
    for content in found:
        if content.kind == "y" and not set(content.runs) <= set(chain[-1]):
            raise ValueError(
                f"LSTM node {content.runs[0].node!r}: its Y is an output of the graph, but it is "
                f"not the last layer; a model gives the y of its last layer{_HINT}"
            )
    if head is not None and head.of.runs != chain[-1]:
        raise ValueError(f"the head does not read all directions of the last layer{_HINT}")
    model: LSTM | Network = _model(chain, head)
    return model


def _output(graph: Graph, name: str) -> Value:
    if name not in graph.values:
        raise ValueError(f"no node gives the graph's output {name!r}")
    value = graph.values[name]
    if isinstance(value, Unknown):
        raise ValueError(f"the output {name!r} depends on {value.reason}{_HINT}")
    if not isinstance(value, Value) or isinstance(value.content, (Given, DenseGiven)):
        raise ValueError(f"the output {name!r} does not depend on an LSTM node")
    if isinstance(value.content, Pooled):
        raise ValueError(
            f"the output {name!r} is the {value.content.readout} over the steps without a dense "
            f"layer; expected one, as a Network has{_HINT}"
        )
    return value


def _top(graph: Graph, head: Head | None, found: list[Outputs]) -> Layer:
    """The last layer."""
    if head is not None:
        return _checked(head.of.runs)
    order = {run: k for k, run in enumerate(graph.runs)}
    last = max((run for content in found for run in content.runs), key=lambda run: order[run])
    # The other direction may be a separate node.
    partners = [run for run in graph.runs if run.x is last.x]
    return _checked(tuple(sorted(partners, key=lambda run: run.reverse)))


def _chain(graph: Graph, top: Layer) -> list[Layer]:
    """The layers from the first to the last."""
    chain = [top]
    while True:
        first = chain[0][0]
        x = first.x
        if isinstance(x, Unknown):
            raise ValueError(f"LSTM node {first.node!r}: its X depends on {x.reason}{_HINT}")
        if not isinstance(x, Value) or isinstance(x.content, (Head, Pooled)):
            raise ValueError(
                f"LSTM node {first.node!r}: its X is neither an input of the graph nor the output "
                f"of the layer below{_HINT}"
            )
        _check_features(first, x)
        if isinstance(x.content, (Given, DenseGiven)):
            break
        chain.insert(0, _checked(x.content.runs))
    used = {run for layer in chain for run in layer}
    for run in graph.runs:
        if run not in used:
            raise ValueError(
                f"LSTM node {run.node!r}: it is not in one chain of layers with the others{_HINT}"
            )
    if len({run.lengths for run in used}) > 1:
        raise ValueError("the LSTM nodes have different inputs as sequence_lens")
    return chain


def _check_features(run: Run, x: Value) -> None:
    """Raises ValueError unless X is an input or the y of a layer, with its features last."""
    content, features = x.content, x.axes[2]
    inputs = run.arrays["W"].shape[1]
    if isinstance(content, DenseGiven):
        plain = not content.of.part and all(len(axis) <= 1 for axis in x.axes)
        if plain and features == (content.outputs,) and content.outputs.size == inputs:
            return
        raise ValueError(
            f"LSTM node {run.node!r}: X is not a dense layer's output of {inputs} values{_HINT}"
        )
    if isinstance(content, Given):
        sizes = [atom.size for atom in features]
        simple = not content.part and all(len(axis) <= 1 for axis in x.axes)
        if simple and (sizes in ([], [None]) or sizes == [inputs]) and (sizes or inputs == 1):
            return
        raise ValueError(
            f"LSTM node {run.node!r}: X is not an input with {inputs} features as it is{_HINT}"
        )
    if not isinstance(content, Outputs) or content.kind != "y" or features != content.features:
        raise ValueError(
            f"LSTM node {run.node!r}: X is not the y of all directions of the layer below{_HINT}"
        )
    if inputs != len(content.runs) * content.runs[0].units or x.axes[0] != content.runs[0].time:
        raise ValueError(
            f"LSTM node {run.node!r}: X has another shape than the y of the layer below"
        )


def _checked(runs: Layer) -> Layer:
    """One forward direction, or a forward and a reverse one over the same input."""
    first = runs[0]
    directions = [run.reverse for run in runs]
    if directions == [True]:
        raise ValueError(
            f"LSTM node {first.node!r}: direction reverse alone; "
            "a model is forward or bidirectional"
        )
    if directions not in ([False], [False, True]):
        raise ValueError(
            f"LSTM node {first.node!r}: expected a forward direction, or a forward and then a "
            f"reverse one, got {', '.join('reverse' if r else 'forward' for r in directions)}"
        )
    if any(run.x is not first.x or run.lengths != first.lengths for run in runs):
        raise ValueError(f"LSTM node {first.node!r}: its two directions have different inputs")
    for what, values in (
        ("activations", {run.activations for run in runs}),
        ("input_forget", {run.coupled for run in runs}),
        ("hidden_size", {run.units for run in runs}),
    ):
        if len(values) > 1:
            raise ValueError(f"LSTM node {first.node!r}: its directions differ in {what}")
    return runs


def _model(chain: list[Layer], head: Head | None) -> Any:
    runs = [run for layer in chain for run in layer]
    for what, values in (
        ("direction", {len(layer) for layer in chain}),
        ("input_forget", {run.coupled for run in runs}),
        ("clip", {run.clip for run in runs}),
        ("type", {run.arrays["W"].dtype for run in runs}),
    ):
        if len(values) > 1:
            raise ValueError(f"the LSTM nodes differ in {what}; a model has one for all layers")
    peepholes = any("P" in run.arrays for run in runs)
    dtype = runs[0].arrays["W"].dtype
    options: dict[str, Any] = {
        "peephole": "diagonal" if peepholes else "none",
        "peephole_gates": "ifo",
        "output_peephole": "current",
        "bias": any("B" in run.arrays for run in runs),
        "activations": [
            dict(zip("ifogc", [f, f, f, g, h], strict=True))
            for f, g, h in (layer[0].activations for layer in chain)
        ],
        "coupled_input_forget": runs[0].coupled,
        "preactivation_clip": runs[0].clip,
        "bidirectional": len(chain[0]) == 2,
        "initial_state": "learned" if any(run.initial for run in runs) else "zeros",
        "dtype": dtype.name,
        "seed": 0,
    }
    inputs, parameters = runs[0].arrays["W"].shape[1], {}
    given = runs[0].x.content if isinstance(runs[0].x, Value) else None
    if isinstance(given, DenseGiven):
        if head is None:
            raise ValueError(
                "a dense layer before the LSTM nodes is read only with one after them, since an "
                f"LSTM has none{_HINT}"
            )
        inputs = given.weight.shape[1]
        options["input_dense_size"] = len(given.weight)
        options["input_activation"] = given.activation or "identity"
        parameters["input.weight"] = _checked_dtype("dense layer", given.weight, dtype)
        zeros = np.zeros(len(given.weight), dtype)
        parameters["input.bias"] = zeros if given.bias is None else given.bias
    sizes = inputs, [layer[0].units for layer in chain]
    if not peepholes:
        del options["peephole_gates"], options["output_peephole"]
    for k, layer in enumerate(chain):
        for run, suffix in zip(layer, ("", "_reverse"), strict=False):
            arrays = dict(run.arrays)
            if options["bias"]:
                arrays.setdefault("B", np.zeros(8 * run.units, dtype))
            if peepholes:
                arrays.setdefault("P", np.zeros(len(PEEPHOLES) * run.units, dtype))
            parameters.update(direction_parameters(arrays, f"_l{k}{suffix}"))
            parameters.update({f"{n}_l{k}{suffix}": value for n, value in run.initial.items()})
    if head is None:
        model: LSTM | Network = LSTM(*sizes, **options)
    else:
        outputs = _checked_dtype("head", head.weight, dtype).shape[0]
        activation: Any = head.activation or "identity"
        readout: Any = head.readout
        model = Network(*sizes, outputs, head=activation, readout=readout, **options)
        parameters["head.weight"] = head.weight
        parameters["head.bias"] = np.zeros(outputs, dtype) if head.bias is None else head.bias
    for name, value in parameters.items():
        model.parameters[name] = value
    return model


def _checked_dtype(what: str, weight: NDArray[Any], dtype: Any) -> NDArray[Any]:
    if weight.dtype != dtype:
        raise ValueError(f"the {what} has weights of {weight.dtype}, the layers of {dtype}")
    return weight

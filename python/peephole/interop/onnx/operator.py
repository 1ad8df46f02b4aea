"""Layers as the LSTM operator of ONNX.

Its gates are in the order i, o, f, g. W is (D, 4H, I), R (D, 4H, H), the bias B (D, 8H) = Wb | Rb,
and the diagonal peepholes P (D, 3H) are those of i, o, f; o reads c_t. i, f and o share one
activation (https://onnx.ai/onnx/operators/onnx__LSTM.html).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole.interop.gates import OURS, reorder
from peephole.interop.onnx.activations import OPERATOR
from peephole.interop.onnx.layers import Layer, Sequences, layers
from peephole.interop.onnx.nodes import Nodes

GATES = "iofg"
PEEPHOLES = "iof"


def why_not(options: Mapping[str, Any]) -> str:
    """What of a model the operator cannot express in ONNX Runtime; "" if there is nothing."""
    if options["dtype"] != "float32":
        return "dtype float64, which ONNX Runtime's LSTM operator does not compute"
    if options["zoneout"] > 0:
        return "zoneout"
    if options["cell_clip"] is not None:
        return "cell_clip"
    if options["projection_size"]:
        return "a projection"
    if options["layer_norm"] is not None:
        return "layer normalisation"
    if options["peephole"] == "dense":
        return "dense peepholes"
    if options["peephole"] == "diagonal":
        if "g" in options["peephole_gates"]:
            return "a peephole on the cell input g"
        if "o" in options["peephole_gates"] and options["output_peephole"] == "previous":
            return 'output_peephole="previous"'
    for layer in layers(options):
        if reason := _activations_do_not_fit(layer):
            return reason
    return ""


def _activations_do_not_fit(layer: Layer) -> str:
    names = layer.activations
    gates = "io" if layer.options["coupled_input_forget"] else "ifo"
    if len({names[gate] for gate in gates}) > 1:
        return f"layer {layer.k}: different activations of {', '.join(gates)}"
    if "softplus" in (names["i"], names["g"], names["c"]):
        # ONNX Runtime's kernel computes log(1 + exp(a)), which overflows above 88.
        return f"layer {layer.k}: the activation softplus, of which ONNX Runtime gives infinities"
    return ""


def tensors(
    options: Mapping[str, Any], parameters: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """{name: array} of the operator's inputs W, R, B and P, from the model's parameters."""
    arrays: dict[str, NDArray[Any]] = {}
    for layer in layers(options):
        for name, of_direction in _parts(options).items():
            each = [of_direction(parameters, suffix) for suffix in layer.suffixes]
            arrays[f"{name}_l{layer.k}"] = np.stack(each)
    return arrays


_Part = Callable[[Mapping[str, NDArray[Any]], str], NDArray[Any]]


def _parts(options: Mapping[str, Any]) -> dict[str, _Part]:
    """{input of the operator: its part of one direction, from the parameters and a suffix}."""

    def bias(parameters: Mapping[str, NDArray[Any]], suffix: str) -> NDArray[Any]:
        rows = reorder(parameters[f"bias{suffix}"], OURS, GATES)
        return np.concatenate([rows, np.zeros_like(rows)])

    parts: dict[str, _Part] = {
        "W": lambda parameters, suffix: reorder(parameters[f"weight_ih{suffix}"], OURS, GATES),
        "R": lambda parameters, suffix: reorder(parameters[f"weight_hh{suffix}"], OURS, GATES),
    }
    if options["bias"]:
        parts["B"] = bias
    if options["peephole"] == "diagonal":
        parts["P"] = lambda parameters, suffix: reorder(
            parameters[f"weight_ch{suffix}"], OURS, PEEPHOLES
        ).reshape(-1)
    return parts


def tensor_shapes(options: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """{name: shape} of `tensors`."""
    shapes = {}
    for layer in layers(options):
        directions, units = len(layer.suffixes), layer.units
        columns = {
            "W": (4 * units, layer.inputs),
            "R": (4 * units, units),
            "B": (8 * units,),
            "P": (3 * units,),
        }
        for name in _parts(options):
            shapes[f"{name}_l{layer.k}"] = (directions, *columns[name])
    return shapes


def parameters_of(
    options: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """The inverse of `tensors`."""
    parameters = {}
    for layer in layers(options):
        for d, suffix in enumerate(layer.suffixes):
            each = {name: arrays[f"{name}_l{layer.k}"][d] for name in _parts(options)}
            parameters.update(direction_parameters(each, suffix))
    return parameters


def direction_parameters(
    arrays: Mapping[str, NDArray[Any]], suffix: str
) -> dict[str, NDArray[Any]]:
    """Our parameters of one direction, from its W (4H, I), R (4H, H), B (8H,) and P (3H,)."""
    parameters = {
        f"weight_ih{suffix}": reorder(arrays["W"], GATES, OURS),
        f"weight_hh{suffix}": reorder(arrays["R"], GATES, OURS),
    }
    if "B" in arrays:
        of_input, recurrent = np.split(arrays["B"], 2)
        parameters[f"bias{suffix}"] = reorder(of_input + recurrent, GATES, OURS)
    if "P" in arrays:
        parameters[f"weight_ch{suffix}"] = reorder(arrays["P"].reshape(3, -1), PEEPHOLES, OURS)
    return parameters


def write_layer(
    nodes: Nodes, layer: Layer, sequences: Sequences, x: str, state: list[tuple[str, str]]
) -> tuple[str, list[tuple[str, str]]]:
    """Adds one layer; x is (T, B, I), `state` a pair (h, c) of (B, H) for each direction.

    Returns the names of y (T, B, D*H) and of the final state.
    """
    k, directions = layer.k, len(layer.suffixes)
    present = _parts(layer.options)
    lengths = nodes.add("Cast", sequences.lengths, to=6)  # TensorProto.INT32
    initial = [_stack(nodes, list(of_direction)) for of_direction in zip(*state, strict=True)]
    names = [layer.activations[gate] for gate in "igc"] * directions
    clip = layer.options["preactivation_clip"]
    alpha_beta = [OPERATOR[name][1] for name in names if OPERATOR[name][1]]
    y, *final = nodes.add_many(
        "LSTM",
        x,
        f"W_l{k}",
        f"R_l{k}",
        f"B_l{k}" if "B" in present else "",
        lengths,
        *initial,
        f"P_l{k}" if "P" in present else "",
        outputs=[f"lstm_l{k}_y", f"lstm_l{k}_h", f"lstm_l{k}_c"],
        hidden_size=layer.units,
        direction="bidirectional" if directions == 2 else "forward",
        input_forget=int(layer.options["coupled_input_forget"]),
        activations=[OPERATOR[name][0] for name in names],
        **_lists(alpha_beta),
        **({} if clip is None else {"clip": float(clip)}),
    )
    # ONNX Runtime gives 0 as the final state of a sequence of length 0, whatever its initial one.
    empty = nodes.add("Equal", sequences.lengths, nodes.constant(0))
    empty = nodes.add("Unsqueeze", empty, nodes.constant([0, 2]))  # (1, B, 1)
    final = [nodes.add("Where", empty, given, h) for given, h in zip(initial, final, strict=True)]
    pairs = zip(*(_unstack(nodes, name, directions) for name in final), strict=True)
    if directions == 1:
        y = nodes.add("Squeeze", y, nodes.constant([1]))
    else:
        y = nodes.add("Transpose", y, perm=[0, 2, 1, 3])
        y = nodes.add("Reshape", y, nodes.constant([0, 0, directions * layer.units]))
    return y, list(pairs)


def _lists(alpha_beta: list[tuple[float, ...]]) -> dict[str, list[float]]:
    """The attributes with the parameters of the activations that have some."""
    if not alpha_beta:
        return {}
    alpha, beta = zip(*alpha_beta, strict=True)
    return {"activation_alpha": list(alpha), "activation_beta": list(beta)}


def _stack(nodes: Nodes, names: list[str]) -> str:
    """(D, B, H) from one (B, H) for each direction."""
    each = [nodes.add("Unsqueeze", name, nodes.constant([0])) for name in names]
    return each[0] if len(each) == 1 else nodes.add("Concat", *each, axis=0)


def _unstack(nodes: Nodes, name: str, directions: int) -> list[str]:
    """The inverse of `_stack`."""
    each = [name] if directions == 1 else nodes.add_many("Split", name, outputs=2, axis=0)
    return [nodes.add("Squeeze", one, nodes.constant([0])) for one in each]

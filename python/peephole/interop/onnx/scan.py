"""Layers as functions of our own domain, over the operator Scan.

All options of a layer can be written this way. The function of one direction of a layer is named
after its options, so a name always means the same computation. Its inputs are

    x      (T, B, I)
    steps  (T, B, 1) bool, False beyond a sequence's length
    h, c   (B, P), (B, H), the initial state; P is H without a projection
    W      (4H, I), R (4H, P), P (4, H) or dense (4H, H), b (4H,), W_hr (P, H): our parameters, P,
           b and W_hr only where the layer has them
    G      (4H,), or X and Y (4H,), the gains of the gates, or of W x and R h; C and S (H,), gain
           and shift of the cell state; e, epsilon: where the layer has layer normalisation
    z      the probability of zoneout, where the layer has it
    clip_a, clip_c, clip_h   the bounds of the gates' sums, of the cell state and of the projected
           h, where the layer has them

and its outputs y (T, B, P), 0 beyond a sequence's length, and the final h and c.
"""

from __future__ import annotations

from typing import Any

from peephole.interop.gates import OURS
from peephole.interop.onnx.layers import Layer, Sequences, gain_names
from peephole.interop.onnx.nodes import DOMAIN, Nodes
from peephole.interop.onnx.package import onnx_package
from peephole.interop.onnx.scan_step import Step, normalised

_OPSET = 17

# Options that are numbers: by their part of a function's name, and the function's input of it.
_NUMBERS = {
    "zoneout": "zoneout",
    "clipped": "preactivation_clip",
    "cell_clipped": "cell_clip",
    "projection_clipped": "projection_clip",
}
_INPUTS = {
    "zoneout": "z",
    "clipped": "clip_a",
    "cell_clipped": "clip_c",
    "projection_clipped": "clip_h",
}


def function_name(layer: Layer, reverse: bool) -> str:
    """The name of the function of one direction of a layer."""
    options = layer.options
    parts = ["LSTM", options["peephole"]]
    if options["peephole"] != "none":
        parts += [options["peephole_gates"] or "no_gates", options["output_peephole"]]
    parts += [layer.activations[gate] for gate in "ifgoc"]
    parts += ["bias"] * options["bias"] + ["coupled"] * options["coupled_input_forget"]
    if options["layer_norm"] is not None:
        parts += ["norm", options["layer_norm"], options["layer_norm_cell"]]
    parts += ["projection"] * (options["projection_size"] is not None)
    parts += [name for name in _NUMBERS if options[_NUMBERS[name]]] + ["reverse"] * reverse
    return "_".join(parts)


def write_layer(
    nodes: Nodes, layer: Layer, sequences: Sequences, x: str, state: list[tuple[str, str]]
) -> tuple[str, list[tuple[str, str]]]:
    """Adds one layer; x is (T, B, I), `state` a pair (h, c) for each direction.

    Returns the names of y (T, B, D*P) and of the final state.
    """
    ys, final = [], []
    for d, suffix in enumerate(layer.suffixes):
        weights = [f"{name}{suffix}" for name in _weights(layer)]
        if layer.options["layer_norm"] is not None:
            weights.append(nodes.constant(layer.options["layer_norm_epsilon"], sequences.dtype))
        numbers = [layer.options[option] for option in _numbers(layer).values()]
        weights += [nodes.constant(number, sequences.dtype) for number in numbers]
        y, h, c = nodes.add_many(
            function_name(layer, bool(d)),
            x,
            sequences.steps,
            *state[d],
            *weights,
            outputs=[f"lstm{suffix}_{value}" for value in "yhc"],
            domain=DOMAIN,
        )
        ys.append(y)
        final.append((h, c))
    return (ys[0] if len(ys) == 1 else nodes.add("Concat", *ys, axis=-1)), final


def _numbers(layer: Layer) -> dict[str, str]:
    """{the function's name of a number: our option}, of the options that the layer has."""
    return {_INPUTS[k]: option for k, option in _NUMBERS.items() if layer.options[option]}


def _weights(layer: Layer) -> dict[str, str]:
    """{our parameter: the function's name of it}."""
    weights = {"weight_ih": "W", "weight_hh": "R"}
    if layer.options["peephole"] != "none":
        weights["weight_ch"] = "P"
    if layer.options["bias"]:
        weights["bias"] = "b"
    if layer.options["projection_size"]:
        weights["weight_hr"] = "W_hr"
    gains = {"gain": "G", "gain_ih": "X", "gain_hh": "Y", "gain_c": "C", "shift_c": "S"}
    return weights | {name: gains[name] for name in gain_names(layer.options)}


def functions(layer: Layer, dtype: Any) -> dict[str, Any]:
    """{name: FunctionProto} of the layer's directions."""
    reverse = [bool(d) for d in range(len(layer.suffixes))]
    return {function_name(layer, r): _function(layer, r, dtype) for r in reverse}


def _function(layer: Layer, reverse: bool, dtype: Any) -> Any:
    helper = onnx_package().helper
    form = layer.options["layer_norm"]
    inputs = ["x", "steps", "h", "c", *_weights(layer).values()]
    inputs += [*(["e"] * (form is not None)), *_numbers(layer)]
    nodes = Nodes()
    a = nodes.add("MatMul", "x", nodes.add("Transpose", "W", perm=[1, 0]))
    if form == "products":
        a = normalised(nodes, a, "X")
    if layer.options["bias"] and form != "gates":
        a = nodes.add("Add", a, "b")
    recurrent = nodes.add("Transpose", "R", perm=[1, 0])
    projection = ""
    if layer.options["projection_size"]:
        projection = nodes.add("Transpose", "W_hr", perm=[1, 0])
    per_gate = {}
    if form == "gates":
        for name in "Gb" if layer.options["bias"] else "G":
            each = nodes.add_many("Split", name, outputs=4, axis=0)
            per_gate[name] = dict(zip(OURS, each, strict=True))
    body = Step(layer, dtype, recurrent, _peepholes(nodes, layer), per_gate, projection).graph()
    nodes.add_many(
        "Scan",
        "h",
        "c",
        a,
        "steps",
        outputs=["final_h", "final_c", "y"],
        body=body,
        num_scan_inputs=2,
        scan_input_directions=[int(reverse)] * 2,
        scan_output_directions=[int(reverse)],
    )
    return helper.make_function(
        DOMAIN,
        function_name(layer, reverse),
        inputs,
        ["y", "final_h", "final_c"],
        nodes.nodes,
        [helper.make_opsetid("", _OPSET)],
    )


def _peepholes(nodes: Nodes, layer: Layer) -> dict[str, str]:
    """{gate: its P}, (1, H) diagonal or (H, H) dense and transposed, of gates with a peephole."""
    gates = layer.options["peephole_gates"]
    if layer.options["peephole"] == "none" or not gates:
        return {}
    each = dict(zip(OURS, nodes.add_many("Split", "P", outputs=4, axis=0), strict=True))
    if layer.options["peephole"] == "dense":
        return {gate: nodes.add("Transpose", each[gate], perm=[1, 0]) for gate in gates}
    return {gate: each[gate] for gate in gates}

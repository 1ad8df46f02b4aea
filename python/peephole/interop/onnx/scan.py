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

import numpy as np

from peephole.interop.gates import OURS
from peephole.interop.onnx.layers import Layer, Sequences, gain_names
from peephole.interop.onnx.nodes import DOMAIN, Nodes
from peephole.interop.onnx.package import onnx_package

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


def normalised(nodes: Nodes, z: str, gain: str, shift: str | None = None) -> str:
    """LN(z) times `gain`, plus `shift`, over the last axis, with epsilon e.

    Not by the operator LayerNormalization, whose epsilon has float32.
    """
    mean = nodes.add("ReduceMean", z, axes=[-1], keepdims=1)
    deviations = nodes.add("Sub", z, mean)
    squares = nodes.add("Mul", deviations, deviations)
    variance = nodes.add("ReduceMean", squares, axes=[-1], keepdims=1)
    scale = nodes.add("Sqrt", nodes.add("Add", variance, "e"))
    product = nodes.add("Mul", nodes.add("Div", deviations, scale), gain)
    return product if shift is None else nodes.add("Add", product, shift)


def _peepholes(nodes: Nodes, layer: Layer) -> dict[str, str]:
    """{gate: its P}, (1, H) diagonal or (H, H) dense and transposed, of gates with a peephole."""
    gates = layer.options["peephole_gates"]
    if layer.options["peephole"] == "none" or not gates:
        return {}
    each = dict(zip(OURS, nodes.add_many("Split", "P", outputs=4, axis=0), strict=True))
    if layer.options["peephole"] == "dense":
        return {gate: nodes.add("Transpose", each[gate], perm=[1, 0]) for gate in gates}
    return {gate: each[gate] for gate in gates}


class Step:
    """The body of a Scan: one step of one direction of a layer.

        a_k = W_k x_t + R_k h_{t-1} + P_k c_{t-1} + b_k          k = i, f, g, o
        i = σ_i(a_i)   f = σ_f(a_f)   g = g(a_g)   o = σ_o(a_o)
        c_t = f ⊙ c_{t-1} + g ⊙ i
        h_t = h(c_t) ⊙ o, or with a projection clip(W_hr (h(c_t) ⊙ o))

    or with layer normalisation, see `peephole.LSTM`; and with a_k and c_t clipped, where the layer
    has bounds.

    Args:
        layer: The layer.
        dtype: Of all values.
        recurrent: The name of R^T (P, 4H).
        peepholes: {gate: name of its P}.
        per_gate: {"G", "b": {gate: name of its part}}, with layer_norm="gates".
        projection: The name of W_hr^T (H, P), or "".
    """

    def __init__(
        self,
        layer: Layer,
        dtype: Any,
        recurrent: str,
        peepholes: dict[str, str],
        per_gate: dict[str, dict[str, str]],
        projection: str,
    ) -> None:
        norm = layer.options["layer_norm"]
        self._norm_cell = None if norm is None else layer.options["layer_norm_cell"]
        self._per_gate = per_gate
        self._layer = layer
        self._dtype = dtype
        self._recurrent = recurrent
        self._peepholes = peepholes
        self._projection = projection
        self._nodes = Nodes("step_")

    def graph(self) -> Any:
        """The graph.

        Its inputs are h, c, what x_t adds to the gates' sums (B, 4H) and the mask (B, 1), its
        outputs h, c and y.
        """
        helper = onnx_package().helper
        nodes = self._nodes
        h, c = self._new_state("step_h", "step_c", "step_a")
        zero = nodes.constant(0, self._dtype)
        nodes.add("Where", "step_real", h, "step_h", output="step_h_out")
        nodes.add("Where", "step_real", c, "step_c", output="step_c_out")
        nodes.add("Where", "step_real", h, zero, output="step_y")
        kind = helper.np_dtype_to_tensor_dtype(self._dtype)
        values = [helper.make_tensor_value_info(f"step_{name}", kind, [None] * 2) for name in "hca"]
        values.append(helper.make_tensor_value_info("step_real", 9, [None, 1]))  # BOOL
        names = ["step_h_out", "step_c_out", "step_y"]
        outputs = [helper.make_tensor_value_info(name, kind, [None, None]) for name in names]
        return helper.make_graph(nodes.nodes, "step", values, outputs)

    def _new_state(self, h: str, c: str, a: str) -> tuple[str, str]:
        """h_t and c_t of a sequence that has step t."""
        nodes, options = self._nodes, self._layer.options
        product = nodes.add("MatMul", h, self._recurrent)
        if options["layer_norm"] == "products":
            product = normalised(nodes, product, "Y")
        a = nodes.add("Add", a, product)
        each = dict(zip(OURS, nodes.add_many("Split", a, outputs=4, axis=1), strict=True))
        i = self._gate("i", each, c)
        if options["coupled_input_forget"]:
            f = nodes.add("Sub", nodes.constant(1, self._dtype), i)
        else:
            f = self._gate("f", each, c)
        g = self._gate("g", each, c)
        new_c = nodes.add("Add", nodes.add("Mul", f, c), nodes.add("Mul", g, i))
        if self._norm_cell == "state":
            new_c = normalised(nodes, new_c, "C", "S")
        if options["cell_clip"] is not None:
            new_c = self._clip(new_c, "clip_c")
        read = new_c if options["output_peephole"] == "current" else c
        o = self._gate("o", each, read)
        shown = normalised(nodes, new_c, "C", "S") if self._norm_cell == "output" else new_c
        new_h = self._projected(nodes.add("Mul", self._activate("c", shown), o))
        if options["zoneout"] > 0:
            return self._expected(h, new_h), self._expected(c, new_c)
        return new_h, new_c

    def _projected(self, m: str) -> str:
        nodes = self._nodes
        if not self._projection:
            return m
        h = nodes.add("MatMul", m, self._projection)
        if self._layer.options["projection_clip"] is None:
            return h
        return self._clip(h, "clip_h")

    def _gate(self, gate: str, each: dict[str, str], c: str) -> str:
        a = each[gate]
        if gate in self._peepholes:
            product = "Mul" if self._layer.options["peephole"] == "diagonal" else "MatMul"
            a = self._nodes.add("Add", a, self._nodes.add(product, c, self._peepholes[gate]))
        if self._per_gate:
            shifts = self._per_gate.get("b", {})
            a = normalised(self._nodes, a, self._per_gate["G"][gate], shifts.get(gate))
        if self._layer.options["preactivation_clip"] is not None:
            a = self._clip(a, "clip_a")
        return self._activate(gate, a)

    def _clip(self, value: str, bound: str) -> str:
        return self._nodes.add("Clip", value, self._nodes.add("Neg", bound), bound)

    def _expected(self, old: str, new: str) -> str:
        """The value z old + (1 - z) new, the expected value of zoneout."""
        nodes = self._nodes
        rest = nodes.add("Sub", nodes.constant(1, self._dtype), "z")
        return nodes.add("Add", nodes.add("Mul", "z", old), nodes.add("Mul", rest, new))

    def _activate(self, gate: str, a: str) -> str:
        return activate(self._nodes, self._layer.activations[gate], a, self._dtype)


def activate(nodes: Nodes, name: str, a: str, dtype: Any) -> str:
    """The activation called `name` of `a`, by operators that ONNX Runtime has for both dtypes."""

    def one() -> str:
        return nodes.constant(1, dtype)

    if name == "identity":
        return a
    if name == "one":
        return nodes.add("Add", nodes.add("Mul", a, nodes.constant(0, dtype)), one())
    if name == "softsign":
        return nodes.add("Div", a, nodes.add("Add", one(), nodes.add("Abs", a)))
    if name == "hard_sigmoid":
        line = nodes.add("Mul", a, nodes.constant(0.2, dtype))
        line = nodes.add("Add", line, nodes.constant(0.5, dtype))
        return nodes.add("Clip", line, nodes.constant(0, dtype), one())
    if name == "softplus" and dtype == np.float64:
        # ONNX Runtime has no Softplus for float64. max(a, 0) + log(1 + exp(-|a|)), which cannot
        # overflow, is exact to 1e-16.
        e = nodes.add("Exp", nodes.add("Neg", nodes.add("Abs", a)))
        positive = nodes.add("Max", a, nodes.constant(0, dtype))
        return nodes.add("Add", positive, nodes.add("Log", nodes.add("Add", one(), e)))
    kind = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu", "softplus": "Softplus"}[name]
    return nodes.add(kind, a)

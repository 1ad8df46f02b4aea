"""The body of a Scan over a layer: one step, with the names of `scan`."""

from __future__ import annotations

from typing import Any

import numpy as np

from peephole.interop.gates import OURS
from peephole.interop.onnx.layers import Layer
from peephole.interop.onnx.nodes import Nodes
from peephole.interop.onnx.package import onnx_package


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

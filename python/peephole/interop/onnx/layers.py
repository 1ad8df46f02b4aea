"""The layers of a model, as the writers of both forms see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# The default of the input `lengths`: all steps are valid.
ALL_STEPS = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Layer:
    """One layer of a stack, in both directions where it has them."""

    options: Mapping[str, Any]  # of the model
    k: int

    @property
    def units(self) -> int:
        """H."""
        return int(self.options["hidden_size"][self.k])

    @property
    def outputs(self) -> int:
        """P, the values of h: H without a projection."""
        return int(self.options["projection_size"] or self.units)

    @property
    def activations(self) -> Mapping[str, str]:
        """{i, f, g, o, c: name}."""
        of_layer: Mapping[str, str] = self.options["activations"][self.k]
        return of_layer

    @property
    def suffixes(self) -> list[str]:
        """The end of the names of its parameters and states, for each direction."""
        both = ["", "_reverse"] if self.options["bidirectional"] else [""]
        return [f"_l{self.k}{direction}" for direction in both]

    @property
    def inputs(self) -> int:
        """I, the features of a step of its input."""
        if self.k == 0:
            return int(self.options.get("input_dense_size") or self.options["input_size"])
        return Layer(self.options, self.k - 1).outputs * len(self.suffixes)


def layers(options: Mapping[str, Any]) -> list[Layer]:
    """The layers of a model with these options, those of `model.options`."""
    return [Layer(options, k) for k in range(len(options["hidden_size"]))]


def gain_names(options: Mapping[str, Any]) -> list[str]:
    """The parameters of layer normalisation, of one direction of a layer."""
    if options["layer_norm"] is None:
        return []
    gains = {"gates": ["gain"], "products": ["gain_ih", "gain_hh"]}[options["layer_norm"]]
    return gains + ["gain_c", "shift_c"] * (options["layer_norm_cell"] != "none")


def parameter_shapes(options: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """{name: shape} of the parameters of a model with these options."""
    shapes: dict[str, tuple[int, ...]] = {}
    width = 0
    for layer in layers(options):
        units = layer.units
        for suffix in layer.suffixes:
            shapes[f"weight_ih{suffix}"] = (4 * units, layer.inputs)
            shapes[f"weight_hh{suffix}"] = (4 * units, layer.outputs)
            if options["peephole"] != "none":
                rows = 4 if options["peephole"] == "diagonal" else 4 * units
                shapes[f"weight_ch{suffix}"] = (rows, units)
            if options["bias"]:
                shapes[f"bias{suffix}"] = (4 * units,)
            if options["initial_state"] == "learned":
                shapes[f"h0{suffix}"], shapes[f"c0{suffix}"] = (layer.outputs,), (units,)
            if options["projection_size"]:
                shapes[f"weight_hr{suffix}"] = (layer.outputs, units)
            for name in gain_names(options):
                shapes[f"{name}{suffix}"] = (units if name.endswith("_c") else 4 * units,)
        width = layer.outputs * len(layer.suffixes)
    if options.get("input_dense_size"):
        shapes["input.weight"] = (options["input_dense_size"], options["input_size"])
        shapes["input.bias"] = (options["input_dense_size"],)
    if "output_size" in options:
        shapes["head.weight"] = (options["output_size"], width)
        shapes["head.bias"] = (options["output_size"],)
    return shapes


def is_dense(name: str) -> bool:
    """Whether a parameter is one of the dense layers after or before the LSTM."""
    return name.startswith(("head.", "input."))


@dataclass(frozen=True)
class Sequences:
    """Names of values that all layers use."""

    batch: str  # (1,) B
    time: str  # (1,) T of x, which may be 0
    lengths: str  # (B,) int64, each in 0..T
    steps: str  # (T, B, 1) bool, False beyond a sequence's length; T is at least 1
    dtype: Any  # of NumPy

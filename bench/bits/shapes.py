"""The shapes of a model's parameters and state, from its options alone."""

from __future__ import annotations

from typing import Any


def layer_sizes(options: dict[str, Any]) -> list[int]:
    """(L,) units of each layer."""
    size = options["hidden_size"]
    return list(size) if isinstance(size, list) else [size] * options["num_layers"]


def recurrent_size(options: dict[str, Any], units: int) -> int:
    """P of a layer of H units: the values of its h."""
    return options.get("projection_size") or units


def state_sizes(options: dict[str, Any]) -> list[tuple[int, int]]:
    """(P, H) of h and c of each layer and direction."""
    directions = 2 if options["bidirectional"] else 1
    sizes = layer_sizes(options)
    return [(recurrent_size(options, H), H) for H in sizes for _ in range(directions)]


def parameter_shapes(options: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """{parameter name: shape} of all layers and directions, and of a network's dense layers."""
    shapes: dict[str, tuple[int, ...]] = {}
    directions = ("", "_reverse") if options["bidirectional"] else ("",)
    dense_input = options.get("input_dense_size")
    inputs = dense_input or options["input_size"]
    for layer, H in enumerate(layer_sizes(options)):
        P = recurrent_size(options, H)
        for direction in directions:
            end = f"l{layer}{direction}"
            shapes[f"weight_ih_{end}"] = (4 * H, inputs)
            shapes[f"weight_hh_{end}"] = (4 * H, P)
            if options["peephole"] != "none":
                shapes[f"weight_ch_{end}"] = (4 if options["peephole"] == "diagonal" else 4 * H, H)
            if options["bias"]:
                shapes[f"bias_{end}"] = (4 * H,)
            if P != H:
                shapes[f"weight_hr_{end}"] = (P, H)
            if options.get("initial_state") == "learned":
                shapes |= {f"h0_{end}": (P,), f"c0_{end}": (H,)}
            shapes |= {f"{name}_{end}": shape for name, shape in _of_layer_norm(options, H).items()}
        inputs = P * len(directions)
    if dense_input:
        shapes["input.weight"] = (dense_input, options["input_size"])
        shapes["input.bias"] = (dense_input,)
    if "output_size" in options:
        shapes["head.weight"] = (options["output_size"], inputs)
        shapes["head.bias"] = (options["output_size"],)
    return shapes


def _of_layer_norm(options: dict[str, Any], H: int) -> dict[str, tuple[int, ...]]:
    forms = {None: (), "gates": ("gain",), "products": ("gain_ih", "gain_hh")}
    gains = forms[options.get("layer_norm")]
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(gains, (4 * H,))
    if gains and options.get("layer_norm_cell", "state") != "none":
        shapes |= {"gain_c": (H,), "shift_c": (H,)}
    return shapes

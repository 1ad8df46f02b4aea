"""Core models from the options of `LSTM` and `Network`. The core checks what the options mean."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from peephole import _core as core
from peephole._checks import (
    at_least_one,
    dtype_name,
    integer,
    seed_number,
    text,
    without_mask,
)
from peephole._types import Activations, Seed
from peephole.masks import input_mask

# Far beyond any stack that can be trained. Without a limit, a typing error could fill the memory.
_MAX_LAYERS = 10_000


def build(
    classes: Mapping[str, Any],
    input_size: int,
    hidden_size: int | Sequence[int],
    *,
    num_layers: int = 1,
    activations: Activations | None = None,
    masks: Mapping[str, NDArray[np.bool_]] | None = None,
    gate_inputs: Mapping[str, Any] | None = None,
    dtype: Any = "float32",
    seed: Seed = None,
    recurrent_init: str = "uniform",
    quantization: str | None = None,
    **options: Any,
) -> Any:
    """An instance of `classes[dtype]`, masked and initialised; it gets `options` unchanged.

    With `quantization`, one that is then quantized.
    """
    sizes = layer_sizes(hidden_size, num_layers)
    for name, value in {**options, "recurrent_init": recurrent_init}.items():
        if isinstance(value, str):  # the core checks the others
            text(value, name)
    model = classes[dtype_name(dtype)](
        input_size, sizes, activations=layer_activations(activations, len(sizes)), **options
    )
    set_masks(model.parameters, {} if masks is None else masks)
    if gate_inputs is not None:
        set_masks(model.parameters, gate_input_masks(gate_inputs, model.parameters))
    model.initialise(seed_number(seed), recurrent_init)
    if quantization is None:
        return model
    if dtype_name(dtype) != "float32":
        raise ValueError(f"dtype: expected float32 with quantization, got {dtype_name(dtype)}")
    return model.quantize(quantization)


def keyword_defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """{name: default} of a function's arguments that have a default, in the order they stand."""
    arguments = inspect.signature(function).parameters.values()
    return {a.name: a.default for a in arguments if a.default is not a.empty}


@cache
def default_activations() -> Mapping[str, str]:
    """{i, f, g, o, c: name}, as the core has them."""
    of_layers = core.LSTMFloat32(1, [1]).options["activations"]
    return dict(of_layers[0])


def layer_sizes(hidden_size: int | Sequence[int], num_layers: int) -> list[int]:
    """(L,) units of each layer."""
    if isinstance(hidden_size, (Sequence, np.ndarray)) and not isinstance(
        hidden_size, (str, bytes, bytearray)
    ):
        if num_layers != 1:
            raise ValueError(
                "num_layers: allowed only with an int hidden_size, "
                f"got num_layers={num_layers!r} and "
                f"hidden_size={hidden_size!r}"
            )
        return [integer(size, f"hidden_size[{k}]") for k, size in enumerate(hidden_size)]
    layers = at_least_one(num_layers, "num_layers")
    if layers > _MAX_LAYERS:
        raise ValueError(f"num_layers: expected at most {_MAX_LAYERS}, got {layers}")
    return [integer(cast("int", hidden_size), "hidden_size")] * layers


def layer_activations(activations: Activations | None, layers: int) -> list[dict[str, str]]:
    """(L,) complete mappings of i, f, g, o, c to names."""
    if activations is None:
        activations = {}
    if isinstance(activations, Mapping):
        return [_complete(activations, "activations") for _ in range(layers)]
    if not isinstance(activations, Sequence) or isinstance(activations, str):
        raise TypeError(
            f"activations: expected a mapping, or a sequence of one per layer, got {activations!r}"
        )
    if len(activations) != layers:
        raise ValueError(
            f"activations: expected one mapping for each of {layers} layers, got {len(activations)}"
        )
    return [_complete(of_layer, f"activations[{k}]") for k, of_layer in enumerate(activations)]


def _complete(activations: Mapping[str, str], name: str) -> dict[str, str]:
    if not isinstance(activations, Mapping):
        raise TypeError(
            f"{name}: expected a mapping of i, f, g, o, c to names, got {activations!r}"
        )
    defaults = default_activations()
    unknown = [key for key in activations if key not in defaults]
    if unknown:
        raise ValueError(
            f"{name}: expected keys among {', '.join(defaults)}, "
            f"got {', '.join(map(repr, unknown))}"
        )
    for key, value in activations.items():
        if isinstance(value, str):
            text(value, f"{name}[{key!r}]")
    return {**defaults, **activations}


def gate_input_masks(gate_inputs: Any, parameters: core.Parameters) -> dict[str, Any]:
    """The masks of the first layer, in all directions, for the argument `gate_inputs`."""
    masks = {}
    for name in parameters.names:
        if name in ("weight_ih_l0", "weight_ih_l0_reverse"):
            rows, columns = parameters.shape(name)
            masks[name] = input_mask(gate_inputs, columns, rows // 4, "gate_inputs")
    return masks


def set_masks(parameters: core.Parameters, masks: Mapping[str, NDArray[np.bool_]]) -> None:
    """Masks the named parameters of a new core model."""
    if not isinstance(masks, Mapping):
        raise TypeError(f"masks: expected a mapping of names to bool arrays, got {masks!r}")
    for name, mask in masks.items():
        if name not in parameters.names:
            raise ValueError(
                f"masks: no parameter is named {name!r}; there are {', '.join(parameters.names)}"
            )
        without_mask(mask, f"masks: {name}")
        try:
            parameters.set_mask(name, mask)
        except (TypeError, ValueError) as error:
            raise type(error)(f"masks: {error}") from None

"""From the options of the Python classes to those of the core, which checks what they mean."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from peephole import _core

Activations: TypeAlias = Mapping[str, str] | Sequence[Mapping[str, str]]
Seed: TypeAlias = int | np.random.Generator | None

# Far beyond any stack that trains; without a limit, a slip would fill the memory with sizes.
_MOST_LAYERS = 10_000

DEFAULT_ACTIVATIONS = {"i": "sigmoid", "f": "sigmoid", "g": "tanh", "o": "sigmoid", "c": "tanh"}


class LSTMOptions(TypedDict, total=False):
    """The keyword options of `LSTM`, which `Network` takes as well."""

    num_layers: int
    peephole: Literal["diagonal", "dense", "none"]
    peephole_gates: str
    output_peephole: Literal["previous", "current"]
    bias: bool
    activations: Activations | None
    coupled_input_forget: bool
    bidirectional: bool
    dropout: float
    recurrent_dropout: float
    zoneout: float
    masks: Mapping[str, NDArray[np.bool_]] | None
    dtype: Any
    seed: Seed
    recurrent_init: Literal["uniform", "orthogonal"]


def build(
    classes: Mapping[str, Any],
    input_size: int,
    hidden_size: int | Sequence[int],
    *,
    num_layers: int = 1,
    activations: Activations | None = None,
    masks: Mapping[str, NDArray[np.bool_]] | None = None,
    dtype: Any = "float32",
    seed: Seed = None,
    recurrent_init: str = "uniform",
    **choices: Any,
) -> Any:
    """A core model of `classes[dtype]`, masked and initialised; `choices` go to it as they are."""
    sizes = layer_sizes(hidden_size, num_layers)
    core = classes[dtype_name(dtype)](
        input_size, sizes, activations=layer_activations(activations, len(sizes)), **choices
    )
    set_masks(core.parameters, {} if masks is None else masks)
    core.initialise(draw_seed(seed), recurrent_init)
    return core


def layer_sizes(hidden_size: int | Sequence[int], num_layers: int) -> list[int]:
    """(L,) units of each layer."""
    if isinstance(hidden_size, (Sequence, np.ndarray)) and not isinstance(hidden_size, str):
        if num_layers != 1:
            raise ValueError(
                f"num_layers: goes only with an int hidden_size, got num_layers={num_layers!r} and "
                f"hidden_size={hidden_size!r}"
            )
        return [integer(size, f"hidden_size[{k}]") for k, size in enumerate(hidden_size)]
    layers = at_least_one(num_layers, "num_layers")
    if layers > _MOST_LAYERS:
        raise ValueError(f"num_layers: expected at most {_MOST_LAYERS}, got {layers}")
    return [integer(hidden_size, "hidden_size")] * layers


def integer(value: SupportsIndex, name: str) -> int:
    """`value` as an int; True and False, which are ints to Python, are taken for slips."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected an int, got {value!r}")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected an int, got {value!r}") from None


def at_least_one(value: SupportsIndex, name: str) -> int:
    """`value` as an int, checked to be positive."""
    number = integer(value, name)
    if number < 1:
        raise ValueError(f"{name}: expected at least 1, got {number}")
    return number


def layer_activations(activations: Activations | None, layers: int) -> list[dict[str, str]]:
    """(L,) complete mappings of i, f, g, o, c to names."""
    if activations is None:
        return [dict(DEFAULT_ACTIVATIONS) for _ in range(layers)]
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
    unknown = [key for key in activations if key not in DEFAULT_ACTIVATIONS]
    if unknown:
        raise ValueError(
            f"{name}: expected keys among i, f, g, o, c, got {', '.join(map(repr, unknown))}"
        )
    return {**DEFAULT_ACTIVATIONS, **activations}


def dtype_name(dtype: Any) -> str:
    """Which of float32 and float64, of anything that NumPy takes for one of them."""
    try:
        # NumPy reads None as float64; here it would be a slip.
        name = "" if dtype is None else str(np.dtype(dtype).name)
    except TypeError:
        name = ""
    if name not in ("float32", "float64"):
        raise ValueError(f'dtype: expected "float32" or "float64", got {dtype!r}')
    return name


def draw_seed(seed: Seed) -> int:
    """A 64-bit seed: `seed` itself, one draw of a generator, or fresh for None."""
    if seed is None:
        seed = np.random.default_rng()
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**64 - 1, dtype=np.uint64, endpoint=True))
    try:
        value = integer(seed, "seed")
    except TypeError:
        raise TypeError(
            f"seed: expected an int, a numpy.random.Generator or None, got {seed!r}"
        ) from None
    if not 0 <= value < 2**64:
        raise ValueError(f"seed: expected an int in 0..2**64 - 1, got {value}")
    return value


def draw_seed_or_none(seed: Seed) -> int | None:
    """The same of what a call draws from; None: from nothing, as of a model that need not."""
    return None if seed is None else draw_seed(seed)


def set_masks(parameters: _core.Parameters, masks: Mapping[str, NDArray[np.bool_]]) -> None:
    """Masks the named parameters of a new core model."""
    if not isinstance(masks, Mapping):
        raise TypeError(f"masks: expected a mapping of names to bool arrays, got {masks!r}")
    for name, mask in masks.items():
        if name not in parameters.names:
            raise ValueError(
                f"masks: no parameter is named {name!r}; there are {', '.join(parameters.names)}"
            )
        try:
            parameters.set_mask(name, mask)
        except (TypeError, ValueError) as error:
            raise type(error)(f"masks: {error}") from None


def positive(value: Any, name: str) -> float:
    """`value` as a float, checked to be finite and above 0."""
    number = _real(value, name)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name}: expected a finite number above 0, got {value}")
    return number


def share(value: Any, name: str) -> float:
    """`value` as a float in 0..1."""
    number = _real(value, name)
    if not 0 <= number <= 1:
        raise ValueError(f"{name}: expected a number in 0..1, got {value}")
    return number


def not_negative(value: Any, name: str) -> float:
    """`value` as a float, checked to be finite and 0 or more."""
    number = _real(value, name)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name}: expected a finite number of 0 or more, got {value}")
    return number


def flag(value: Any, name: str) -> bool:
    """`value`, checked to be True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected True or False, got {value!r}")
    return bool(value)


def _real(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    return float(value)

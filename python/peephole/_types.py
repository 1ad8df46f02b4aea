"""Types that several modules share. This module imports nothing of peephole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

State: TypeAlias = Sequence[tuple[ArrayLike, ArrayLike]]
StateArrays: TypeAlias = tuple[tuple[NDArray[Any], NDArray[Any]], ...]
Activation: TypeAlias = Literal[
    "sigmoid", "tanh", "identity", "relu", "softsign", "softplus", "hard_sigmoid", "one"
]
Activations: TypeAlias = Mapping[str, str] | Sequence[Mapping[str, str]]
Columns: TypeAlias = slice | ArrayLike
Seed: TypeAlias = int | np.random.Generator | None


class Gradients(NamedTuple):
    """What a backward pass returns: gradients, each with the shape of its value."""

    x: Any
    """An array, or None where it was not requested."""
    state: StateArrays
    """The gradient of the initial state."""
    parameters: dict[str, NDArray[Any]]
    """Gradients by parameter name."""


class Tangents(NamedTuple):
    """A direction, for `jvp` and `backward_jvp`: how inputs and parameters move.

    What is None does not move.
    """

    x: ArrayLike | None = None
    """With the shape of x."""
    state: State | None = None
    """With the shape of the initial state."""
    parameters: Mapping[str, ArrayLike] | None = None
    """Arrays by parameter name; parameters that are not in it do not move."""


class LSTMOptions(TypedDict, total=False):
    """The keyword options of `LSTM`, which `Network` takes as well; for type checkers."""

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
    initial_state: Literal["zeros", "learned"]
    cell_clip: float | None
    preactivation_clip: float | None
    layer_norm: Literal["gates", "products"] | None
    layer_norm_cell: Literal["state", "output", "none"]
    layer_norm_epsilon: float
    projection_size: int | None
    projection_clip: float | None
    quantization: Literal["int16", "int8", "int8_fast"] | None
    masks: Mapping[str, NDArray[np.bool_]] | None
    gate_inputs: Mapping[str, Columns] | None
    dtype: Any
    seed: Seed
    recurrent_init: Literal["uniform", "orthogonal"]

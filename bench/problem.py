"""The random arrays of one shape, the same for all implementations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.shapes import Shape

Array = NDArray[Any]
Arrays = dict[str, Array]

# The models that the implementations have, by the peephole of each gate. The note's o reads
# c_{t-1}, that of ONNX c_t, and ONNX has none for g.
NOTE, DENSE, ONNX, VANILLA = "note", "dense", "onnx", "vanilla"


@dataclass(frozen=True)
class Problem:
    """x (B, T, I), dy (B, T, H), and the parameters by their names in `peephole.LSTM`, layer 0.

    `parameters` holds weight_ih (4H, I), weight_hh (4H, H), bias (4H,), and of the peepholes both
    forms: weight_ch (4, H) and weight_ch_dense (4H, H). An implementation takes what its model has.
    """

    shape: Shape
    dtype: str
    x: Array
    dy: Array
    parameters: Arrays

    def peepholes(self, model: str) -> Array:
        """(4, H) or, dense, (4H, H): P of the model; rows of gates that have none are 0."""
        if model == DENSE:
            return self.parameters["weight_ch_dense"]
        peepholes = self.parameters["weight_ch"].copy()
        if model == ONNX:
            peepholes[2] = 0
        if model == VANILLA:
            peepholes[:] = 0
        return peepholes


def draw(shape: Shape, dtype: str, seed: int = 20) -> Problem:
    """Random arrays in the range of initial parameters: uniform in ±1/sqrt(H)."""
    _, T, B, I, H, _ = shape  # noqa: E741
    random = np.random.default_rng(seed)

    def weights(*sizes: int) -> Array:
        return (random.uniform(-1, 1, sizes) / np.sqrt(H)).astype(dtype)

    def normal(*sizes: int) -> Array:
        return random.standard_normal(sizes).astype(dtype)

    parameters = {
        "weight_ih": weights(4 * H, I),
        "weight_hh": weights(4 * H, H),
        "bias": weights(4 * H),
        "weight_ch": weights(4, H),
        "weight_ch_dense": weights(4 * H, H),
    }
    return Problem(shape, dtype, normal(B, T, I), normal(B, T, H), parameters)

"""Learned initial states as default values of a graph's inputs.

`h0_l{k}` (H,) is the default (1, H) of the input `initial_h_l{k}`, and `c0_l{k}` that of
`initial_c_l{k}`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


def is_initial(parameter: str) -> bool:
    """Whether this is the name of a learned initial state."""
    return parameter.startswith(("h0_", "c0_"))


def tensor_name(parameter: str) -> str:
    """The input of the graph: initial_h_l0 for h0_l0."""
    return f"initial_{parameter[0]}{parameter[2:]}"


def tensors(parameters: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    """{input: its default (1, H)} of the learned states among the parameters."""
    return {tensor_name(k): np.array(v)[None] for k, v in parameters.items() if is_initial(k)}


def tensor_shapes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """{input: shape} of those tensors, from {parameter: shape}."""
    return {tensor_name(k): (1, *shape) for k, shape in shapes.items() if is_initial(k)}


def parameters_of(
    shapes: Mapping[str, tuple[int, ...]], arrays: Mapping[str, NDArray[np.generic]]
) -> dict[str, NDArray[np.generic]]:
    """The inverse of `tensors`; `shapes` are those of all parameters."""
    return {k: arrays[tensor_name(k)][0] for k in shapes if is_initial(k)}

"""The reason why a loss or a gradient is not finite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole.parameters import Parameters
from peephole.training.data.batches import Batch


def describe(
    loss: float,
    norm: float,
    parameters: Parameters,
    batch: Batch,
    gradients: Mapping[str, NDArray[Any]],
) -> tuple[str, str]:
    """(what is not finite, its first cause: in the network, the batch, or the gradient)."""
    symptom = f"the loss is {loss}" if not np.isfinite(loss) else f"the gradient's norm is {norm}"
    return symptom, cause(parameters, batch, gradients)


def cause(parameters: Parameters, batch: Batch, gradients: Mapping[str, NDArray[Any]]) -> str:
    """The first cause: in the network, the batch, or the gradient."""
    for name in parameters:
        if (found := _first(parameters[name])) is not None:
            held = f"held {found} before the step" if gradients else f"holds {found}"
            return f"parameter {name} {held}"
    for name, values in (("x", batch.x), ("y", batch.y)):
        for row, length in enumerate(batch.lengths):
            of_steps = name == "x" or batch.per_step
            found = _first(values[row, :length] if of_steps else values[row])
            if found is not None and not (name == "y" and np.isnan(found)):
                return f"{name} holds {found} in sequence {batch.rows[row]}"
    for name, gradient in gradients.items():
        if (found := _first(gradient)) is not None:
            return f"the gradient of {name} is the first to hold {found}"
    return "weights and data are finite, but the computation overflows"


def _first(values: NDArray[Any]) -> float | None:
    """The first value that is not finite."""
    if np.asarray(values).dtype.kind != "f":
        return None
    flat = np.asarray(values).ravel()
    wrong = np.flatnonzero(~np.isfinite(flat))
    return float(flat[wrong[0]]) if wrong.size else None

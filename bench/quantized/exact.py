"""What errors are measured against, and how."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.problem import Array


def relative_rms(actual: Array, exact: Array) -> float:
    """RMS of the error over RMS of the exact values; 0 where there is no error."""
    error = np.sqrt(np.mean((np.asarray(actual, np.float64) - exact) ** 2))
    return float(error / (np.sqrt(np.mean(np.square(exact))) or 1.0)) if error else 0.0


def in_float64(model: Any) -> Any:
    """The same model with the same weights, computed in float64."""
    exact = type(model)(**(model.options | {"dtype": "float64"}), seed=0)
    for name in model.parameters:
        exact.parameters[name] = model.parameters[name]
    return exact

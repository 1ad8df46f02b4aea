"""Checks of what a training reads, beyond shapes and dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._sequences import Sequences, real_steps

# Data are checked this many sequences at a time, since windows may be larger in memory than the
# series that they are views of.
AT_A_TIME = 1024


def parts(rows: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """The rows, AT_A_TIME of them at a time."""
    return [rows[at : at + AT_A_TIME] for at in range(0, len(rows), AT_A_TIME)]


def require_missing(missing: Any) -> None:
    """Raises ValueError unless the argument `missing` is "error" or "skip"."""
    if not isinstance(missing, str) or missing not in ("error", "skip"):
        raise ValueError(f'missing: expected "error" or "skip", got {missing!r}')


def require_finite(inputs: Sequences, rows: NDArray[np.intp], name: str) -> None:
    """Raises ValueError that names the first value in these sequences that is not finite."""
    for chosen in parts(rows):
        values = inputs.take(chosen)
        if values.dtype.kind != "f":
            continue
        with np.errstate(over="ignore"):  # float64 values may be infinite as float32
            wrong = ~np.isfinite(values.astype(inputs.dtype, copy=False))
        if not wrong.any():
            continue
        wrong &= real_steps(inputs.lengths[chosen], values.shape[1])[..., None]
        if wrong.any():
            row, step, feature = np.argwhere(wrong)[0]
            raise ValueError(
                f"{name}: expected finite values, got {values[row, step, feature]} in sequence "
                f"{chosen[row]}, step {step}"
            )


def require_weight(
    weights: NDArray[Any] | Sequences | None, rows: NDArray[np.intp], what: str
) -> None:
    """Raises ValueError if all weights of these sequences' steps are 0."""
    if weights is None or _any_weight(weights, rows):
        return
    raise ValueError(f"sample_weight: expected a weight of {what} above zero, got only zeros")


def _any_weight(weights: NDArray[Any] | Sequences, rows: NDArray[np.intp]) -> bool:
    if not isinstance(weights, Sequences):
        return bool(weights[rows].any())
    for chosen in parts(rows):
        values = weights.take(chosen)
        if (values * real_steps(weights.lengths[chosen], values.shape[1])).any():
            return True
    return False

"""Missing values of sequences: NaN filled, and columns that say where it was."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# What replaces NaN: nothing; the mean; or the last value before it, and the mean before the first.
FILLS = ("keep", "mean", "forward")


def filled(x: NDArray[Any], fill: str) -> NDArray[Any]:
    """The array x (..., T, I), scaled to mean 0, without its NaN, unless `fill` is "keep"."""
    missing = np.isnan(x)
    if fill == "keep" or not missing.any():
        return x
    if fill == "forward":
        # The step of the last value that is there, for each step; -1 where there is none.
        step = np.arange(x.shape[-2])[:, None]
        last = np.maximum.accumulate(np.where(missing, -1, step), axis=-2)
        x = np.take_along_axis(x, np.maximum(last, 0), axis=-2)
        missing = last < 0
    result: NDArray[Any] = np.where(missing, x.dtype.type(0), x)
    return result


def with_indicators(x: NDArray[Any], scaled: NDArray[Any]) -> NDArray[Any]:
    """(..., 2 I): `scaled` (..., I), then 1 where x (..., I) is NaN and 0 elsewhere."""
    return np.concatenate([scaled, np.isnan(x).astype(scaled.dtype)], axis=-1)

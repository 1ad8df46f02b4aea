"""Windows of one long series."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array, at_least_one

__all__ = ["windows"]


def windows(series: ArrayLike, length: int, *, stride: int = 1) -> NDArray[Any]:
    """All windows of `length` consecutive steps of a series, without copying it.

    `Network.fit` and `predict` copy only one batch of them at a time.

    Args:
        series: (T, F), or (T,) for one feature; also a pandas DataFrame or Series. Of its index,
            `index[length - 1 :: stride]` is the last step of each window.
        length: Steps in a window, at most T.
        stride: Steps from the start of one window to the start of the next.

    Returns:
        (n, length, F), n = (T - length) // stride + 1: a read-only view of the series' memory.

    Example: predict the next value of a series (T,) at every step of each window::

        x, y = peephole.windows(series[:-1], 100), peephole.windows(series[1:], 100)
        peephole.Network(1, 32, 1).fit(x, y)
    """
    values = array(series, "series")
    length, stride = at_least_one(length, "length"), at_least_one(stride, "stride")
    if values.ndim not in (1, 2):
        raise ValueError(f"series: expected (time, features) or (time,), got {values.shape}")
    if not len(values):
        raise ValueError(f"series: expected at least one step, got {values.shape}")
    if values.ndim == 1:
        values = values[:, None]
    if length > len(values):
        raise ValueError(f"length: expected at most the series' {len(values)} steps, got {length}")
    view: NDArray[Any] = np.lib.stride_tricks.sliding_window_view(values, length, axis=0)
    every: NDArray[Any] = view[::stride].transpose(0, 2, 1)
    return every

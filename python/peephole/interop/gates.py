"""The order of the gates in foreign arrays, and ours: i, f, g, o."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

OURS = "ifgo"


def reorder(rows: NDArray[Any], given: str, wanted: str) -> NDArray[Any]:
    """(K*H, ...) rows of the gates in the order `given`, in the order `wanted`, copied.

    Both orders are strings of the gates' letters. A gate of `wanted` that `given` lacks gets zeros.
    """
    blocks = dict(zip(given, np.split(rows, len(given)), strict=True))
    zeros = np.zeros_like(blocks[given[0]])
    return np.concatenate([blocks.get(gate, zeros) for gate in wanted])

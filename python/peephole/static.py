"""Features that do not change over a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array, input_array
from peephole._sequences import is_ragged


def with_static(x: Any, static: ArrayLike) -> Any:
    """Sequences with the features of each sequence at every step, after those of the step.

    `gate_inputs` or `masks` of a model can give them to some of the gates alone.

    Args:
        x: (n, T, I), a list of n (T_i, I) arrays, or (T, I) for a single sequence.
        static: (n, F), or (F,) for a single sequence: features of a sequence.

    Returns:
        (n, T, I + F), a list of (T_i, I + F) arrays, or (T, I + F); of x's dtype if it is a float.

    Raises:
        ValueError, TypeError: If an argument is wrong; the message names it.
    """
    features = array(static, "static")
    if features.dtype.kind not in "fiub":
        raise TypeError(f"static: expected numbers, got {features.dtype}")
    if not is_ragged(x):
        values = input_array(x)
        if values.ndim not in (2, 3):
            raise ValueError(
                f"x: expected (n, time, features) or (time, features), got {values.shape}"
            )
        _check_shape(features, values.shape[:-2])
        return _joined(values, features, "x")
    items = [input_array(item, f"x[{k}]") for k, item in enumerate(x)]
    _check_shape(features, (len(items),))
    for k, item in enumerate(items):
        if item.ndim != 2:
            raise ValueError(f"x[{k}]: expected (time, features), got {item.shape}")
    return [
        _joined(item, f, f"x[{k}]") for k, (item, f) in enumerate(zip(items, features, strict=True))
    ]


def _check_shape(static: NDArray[Any], before: tuple[int, ...]) -> None:
    if static.ndim != len(before) + 1 or static.shape[:-1] != before:
        wanted = "(features,)" if not before else f"({before[0]}, features)"
        raise ValueError(f"static: expected {wanted} for this x, got {static.shape}")


def _joined(x: NDArray[Any], static: NDArray[Any], name: str) -> NDArray[Any]:
    if x.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected numbers, got {x.dtype}")
    dtype = x.dtype if x.dtype.kind == "f" else np.result_type(x, static)
    repeated = np.broadcast_to(static[..., None, :], (*x.shape[:-1], static.shape[-1]))
    return np.concatenate([x.astype(dtype, copy=False), repeated.astype(dtype)], axis=-1)

"""Checks the answers of an implementation before it is timed."""

from __future__ import annotations

import numpy as np

from bench.problem import Arrays

# Largest error against float64, over the largest value of the array. y is tens of roundings away
# from exact (2^-24 and 2^-53 each); a gradient of the weights also sums over all T·B steps.
LARGEST_ERROR = {
    ("float32", "y"): 5e-6,
    ("float32", "gradient"): 5e-5,
    ("float64", "y"): 1e-14,
    ("float64", "gradient"): 1e-13,
}


class WrongAnswerError(Exception):
    """An implementation does not compute its model."""


def check(actual: Arrays, expected: Arrays, dtype: str, of: str) -> float:
    """The largest error found.

    Raises:
        WrongAnswerError: An array is missing, has another shape, or has a larger error than
        allowed.
    """
    if missing := expected.keys() - actual.keys():
        raise WrongAnswerError(f"{of}: no {', '.join(sorted(missing))}")
    largest = 0.0
    for name, exact in expected.items():
        array = np.asarray(actual[name], np.float64)
        what = "y" if name == "y" else f"gradient of {name}"
        if array.shape != exact.shape:
            raise WrongAnswerError(f"{of}: {what} is {array.shape}, expected {exact.shape}")
        allowed = LARGEST_ERROR[dtype, "y" if name == "y" else "gradient"]
        error = float(np.abs(array - exact).max() / max(np.abs(exact).max(), 1e-30))
        if not error <= allowed:  # NaN is wrong too
            raise WrongAnswerError(f"{of}: {what} is off by {error:.1e}, allowed {allowed:.0e}")
        largest = max(largest, error)
    return largest

"""All tolerances of the tests with their reasons, and how errors are measured."""

import numpy as np

# For exact formulas: rounding errors of a few hundred operations in sequence.
GOLDEN = {"float64": 1e-12, "float32": 1e-5}

# The note's sums and the readable reference add in another order than the library.
REFERENCE = {"float64": 1e-12, "float32": 1e-5}

# A complex step has no truncation error: both sides are exact but for rounding.
COMPLEX_STEP = 1e-11

# A fourth-order difference quotient in float64: truncation h^4, rounding 2^-52 / h.
FINITE_DIFFERENCE = 1e-6

# Other libraries' single precision, with activations that are approximations of their own.
PEERS = {"float64": 1e-12, "float32": 1e-6}

# float32 compared with float64 on the same numbers, also for unbounded activations.
SINGLE_PRECISION = 1e-4

# Equivalent computations that add in another order, for example with permuted units.
ROUNDING = {"float64": 1e-12, "float32": 1e-5}


def relative_error(actual, expected):
    """max|a - b| / max|b| over one array; 0 for equal arrays, also all-zero ones."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"shape {actual.shape}, expected {expected.shape}"
    difference = np.abs(actual.astype(np.float64) - expected.astype(np.float64)).max(initial=0.0)
    if difference == 0:
        return 0.0
    scale = np.abs(expected).max(initial=0.0)
    return float(difference / scale) if scale > 0 else np.inf


def assert_close(actual, expected, tolerance, what="array"):
    """Relative error at most `tolerance`; NaN never passes."""
    error = relative_error(actual, expected)
    assert error <= tolerance, f"{what}: relative error {error:.2e}, at most {tolerance:.0e}"


def assert_identical(actual, expected, what="array"):
    """Equal bit for bit, shape and dtype included."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.dtype == expected.dtype, f"{what}: {actual.dtype}, expected {expected.dtype}"
    assert actual.shape == expected.shape, f"{what}: {actual.shape}, expected {expected.shape}"
    assert actual.tobytes() == expected.tobytes(), f"{what}: not bit for bit equal"


def assert_identical_states(actual, expected):
    """Two states, lists of pairs (h, c), equal bit for bit."""
    for k, (pair, expected_pair) in enumerate(zip(actual, expected, strict=True)):
        for letter, values, wanted in zip("hc", pair, expected_pair, strict=True):
            assert_identical(values, wanted, f"{letter} of pair {k}")


def assert_same_to_rounding(actual, expected, what="array"):
    """Equal as the same sums in another order are."""
    assert_close(actual, expected, ROUNDING[str(np.asarray(expected).dtype)], what)

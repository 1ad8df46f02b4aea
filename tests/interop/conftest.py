"""What the tests of formats share."""

import numpy as np
import pytest
from support.onnx_files import packages

TOLERANCE = {"float32": 1e-6, "float64": 1e-13}


@pytest.fixture
def agree():
    """Compares results, to the accuracy of their dtype.

    The tolerance is absolute up to 1 and relative above: outputs after relu are not bounded.
    """

    def compare(ours, theirs):
        theirs = np.asarray(theirs)
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        errors = np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))
        assert errors.max() <= TOLERANCE[ours.dtype.name]

    return compare


@pytest.fixture
def onnx_packages():
    """Skips the test without onnx or ONNX Runtime."""
    return packages()


@pytest.fixture
def float64_of_jax():
    """Lets JAX have float64 arrays, which it does not by default."""
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)

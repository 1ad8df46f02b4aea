"""What the tests of formats share."""

import numpy as np
import pytest

TOLERANCE = {"float32": 1e-6, "float64": 1e-13}


@pytest.fixture
def agree():
    """Compares results, to the accuracy of their dtype."""

    def compare(ours, theirs):
        theirs = np.asarray(theirs)
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE[ours.dtype.name])

    return compare

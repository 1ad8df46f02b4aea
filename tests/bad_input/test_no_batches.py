"""What is neither data nor a source of batches, and arguments that are arrays by mistake."""

import numpy as np
import peephole
import pytest
from support.refusals import refused

X = np.zeros((4, 5, 3), np.float32)
Y = np.zeros((4, 5, 2), np.float32)


class Sparse:
    """As SciPy's sparse matrices: iterable, but no array."""

    def toarray(self):
        return np.eye(3)

    def __iter__(self):
        return iter(np.eye(3))


@pytest.fixture
def net():
    return peephole.Network(3, 4, 2, seed=0)


@pytest.mark.parametrize("source", [lambda: 5, lambda: None, lambda: "ab", lambda: {}])
def test_functions_that_return_no_batches(net, source):
    with refused(TypeError, "x"):
        net.fit(source, progress=False)
    with refused(TypeError, "x"):
        list(net.predict(source))


@pytest.mark.parametrize("source", [{}, {"x": X}, Sparse()], ids=["empty", "mapping", "sparse"])
def test_no_batches(net, source):
    with refused(TypeError, "x"):
        net.predict(source)
    with refused(TypeError, "x"):
        net.fit(source, Y, progress=False)
    with refused(TypeError, "validation_data"):
        net.fit(X, Y, validation_data=source, progress=False)


@pytest.mark.parametrize("missing", [np.array([1, 2]), ["skip"], None])
def test_missing(net, missing):
    for call in (net.fit, net.score):
        with refused(ValueError, "missing"):
            call(X, Y, missing=missing)

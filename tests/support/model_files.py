"""A network, its files, and comparisons of them."""

import numpy as np
import peephole
from safetensors import safe_open

X = np.random.default_rng(3).standard_normal((2, 5, 3))


def network(**options):
    options = {"head": "softmax", "peephole": "dense", "seed": 0, **options}
    return peephole.Network(3, [4, 2], 5, **options)


def assert_identical(loaded, saved):
    assert type(loaded) is type(saved)
    assert loaded.options == saved.options
    assert list(loaded.parameters) == list(saved.parameters)
    for name in saved.parameters:
        np.testing.assert_array_equal(loaded.parameters[name], saved.parameters[name])
    np.testing.assert_equal(loaded.masks, saved.masks)
    np.testing.assert_array_equal(loaded(X)[0], saved(X)[0])


def assert_same_array(got, expected):
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    assert got.tobytes() == expected.tobytes()


def contents(path):
    """(tensors, metadata) of a safetensors file."""
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name) for name in list(file.keys())}, file.metadata()

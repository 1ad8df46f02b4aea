"""The sizes and the input of small models, for tests of wrong calls."""

import numpy as np

INPUTS, SIZES, OUTPUTS = 3, (4, 2), 2
B, T = 2, 5


def x_of(shape=(B, T, INPUTS), dtype=np.float32):
    return np.full(shape, 0.5, dtype)

"""A step of a quantized layer in NumPy, from the definition."""

import numpy as np

MOST = {"int16": 8191, "int8": 127}
GATES = 4


def rounded(row, most):
    """A row as integers in -most..most and its scale, in the arithmetic of float32."""
    row = np.asarray(row, np.float32)
    if not np.isfinite(row).all():
        return np.zeros(row.shape, np.int64), np.float32(np.nan)
    largest = np.abs(row).max(initial=np.float32(0))
    if largest < np.float32(1e-30):
        return np.zeros(row.shape, np.int64), np.float32(0)
    factor = np.float32(most) / largest
    return np.rint(row * factor).astype(np.int64), largest / np.float32(most)


def product(matrix, scales, row, most):
    """matrix (R, K) of integers, with a scale for each row, times a row (K,) that is rounded."""
    integers, scale = rounded(row, most)
    block = 128 if matrix.dtype == np.int16 else 2048
    for begin in range(0, len(row), block):  # no sum of a block, in any order, exceeds 32 bits
        terms = slice(begin, begin + block)
        largest = np.abs(matrix[:, terms].astype(np.int64)) @ np.abs(integers[terms])
        assert largest.max() < 2**31
    sums = matrix.astype(np.int64) @ integers
    return sums * float(scale) * scales.astype(float)


def sigmoid(a):
    return 0.5 + 0.5 * np.tanh(a / 2)


def step(model, x, h, c, layer=0):
    """(h, c) after one step of one row, for the default activations."""
    quantization = model.options["quantization"]
    p = {name: model.parameters[name] for name in model.parameters}
    most_h = MOST["int16" if quantization == "int16" else "int8"]
    most_x = MOST["int8" if quantization == "int8_fast" else "int16"]

    def of(name, row, most):
        matrix = p[f"{name}_l{layer}"]
        if matrix.dtype == np.float32:
            return matrix.astype(float) @ row.astype(float)
        return product(matrix, p[f"{name}_l{layer}_scale"], row, most)

    a = p[f"bias_l{layer}"].astype(float)
    a = a + of("weight_ih", x, most_x) + of("weight_hh", h, most_h)
    peephole = model.options["peephole"]
    if peephole == "dense":
        a = a + of("weight_ch", c, MOST["int16"])
    elif peephole == "diagonal":
        a = a + (p[f"weight_ch_l{layer}"].astype(float) * c).ravel()
    i, f, g, o = np.split(a, GATES)
    c = sigmoid(f) * c + np.tanh(g) * sigmoid(i)
    return np.tanh(c) * sigmoid(o), c

"""Cells with layer normalisation of TensorFlow 1 and Addons, against their equations in NumPy.

Neither runs with a current NumPy; each function below follows the cell's own source.
"""

import numpy as np
import pytest
from peephole import interop

RNG = np.random.default_rng(3)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def layer_norm(z, epsilon):
    deviations = z - z.mean(axis=1, keepdims=True)
    return deviations / np.sqrt(np.mean(deviations**2, axis=1, keepdims=True) + epsilon)


def layer_norm_basic_lstm_cell(v, x, h, c, forget_bias=1.0, epsilon=1e-12):
    """tf.contrib.rnn.LayerNormBasicLSTMCell.call"""

    def norm(z, name):
        return layer_norm(z, epsilon) * v[f"{name}/gamma"] + v[f"{name}/beta"]

    i, j, f, o = np.split(np.concatenate([x, h], 1) @ v["kernel"], 4, axis=1)
    i, j = norm(i, "input"), norm(j, "transform")
    f, o = norm(f, "forget"), norm(o, "output")
    c = norm(sigmoid(f + forget_bias) * c + sigmoid(i) * np.tanh(j), "state")
    return sigmoid(o) * np.tanh(c), c


def layer_norm_lstm_cell(v, x, h, c, epsilon=1e-3):
    """tfa.rnn.LayerNormLSTMCell.call"""

    def norm(z, name):
        return layer_norm(z, epsilon) * v[f"{name}_norm/gamma"] + v[f"{name}_norm/beta"]

    z = norm(x @ v["kernel"], "kernel") + norm(h @ v["recurrent_kernel"], "recurrent")
    i, f, j, o = np.split(z + v.get("bias", 0), 4, axis=1)
    c = norm(sigmoid(f) * c + sigmoid(i) * np.tanh(j), "state")
    return sigmoid(o) * np.tanh(c), c


def run(cell, values, x, units, **options):
    h = c = np.zeros((len(x), units))
    y = np.zeros((*x.shape[:2], units))
    for t in range(x.shape[1]):
        h, c = cell(values, x[:, t], h, c, **options)
        y[:, t] = h
    return y


def random(shapes, dtype):
    return {name: (0.5 * RNG.standard_normal(s)).astype(dtype) for name, s in shapes.items()}


def norms(names, sizes):
    return {
        f"{name}/{kind}": (size,)
        for name, size in zip(names, sizes, strict=True)
        for kind in ("gamma", "beta")
    }


def tf1_normalised(features, units, dtype="float64"):
    names = ("input", "transform", "forget", "output", "state")
    shapes = {"kernel": (features + units, 4 * units), **norms(names, [units] * 5)}
    return random(shapes, dtype)


def tfa_normalised(features, units, dtype="float64", bias=True):
    names = ("kernel_norm", "recurrent_norm", "state_norm")
    shapes = {"kernel": (features, 4 * units), "recurrent_kernel": (units, 4 * units)}
    shapes |= {"bias": (4 * units,)} if bias else {}
    return random({**shapes, **norms(names, [4 * units, 4 * units, units])}, dtype)


def within(scope, values):
    return {f"{scope}/{name}": value for name, value in values.items()}


def sequences(features, dtype):
    return RNG.standard_normal((4, 9, features)).astype(dtype)


@pytest.mark.parametrize("epsilon", [None, 0.01])
def test_tensorflow_1_with_layer_normalisation(agree, dtype, epsilon):
    first, second = tf1_normalised(3, 5, dtype), tf1_normalised(5, 4, dtype)
    scope = "rnn/multi_rnn_cell/cell_{}/layer_norm_basic_lstm_cell"
    variables = within(scope.format(0), first) | within(scope.format(1), second)
    x = sequences(3, dtype)
    given = {} if epsilon is None else {"epsilon": epsilon}
    y = run(layer_norm_basic_lstm_cell, first, x, 5, **given)
    y = run(layer_norm_basic_lstm_cell, second, y, 4, **given)
    model = interop.from_tensorflow(variables, layer_norm_epsilon=epsilon)
    agree(model(x)[0], y.astype(dtype))
    assert (model.options["layer_norm"], model.options["layer_norm_cell"]) == ("gates", "state")
    assert model.options["layer_norm_epsilon"] == (epsilon or 1e-12)


@pytest.mark.parametrize("bias", [False, True])
def test_addons_with_layer_normalisation(agree, dtype, bias):
    cell, x = tfa_normalised(3, 5, dtype, bias), sequences(3, dtype)
    model = interop.from_tensorflow(within("rnn/cell", cell))
    agree(model(x)[0], run(layer_norm_lstm_cell, cell, x, 5).astype(dtype))
    assert model.options["layer_norm"] == "products"


def test_layer_normalisation_in_some_cells():
    plain = random({"kernel": (8, 20), "bias": (20,)}, "float64")
    variables = within("cell_0/lstm_cell", plain)
    variables |= within("cell_1/lstm_cell", tf1_normalised(5, 4))
    with pytest.raises(ValueError, match="layer normalisation of one kind"):
        interop.from_tensorflow(variables)
    del variables["cell_1/lstm_cell/state/beta"]
    with pytest.raises(ValueError, match="no cell_1/lstm_cell/state/beta"):
        interop.from_tensorflow(variables)

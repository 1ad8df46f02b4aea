"""Cells of TensorFlow 1, TensorFlow Addons and Chainer, against their equations in NumPy.

None of the three runs with a current NumPy; each function below follows the cell's own source.
"""

import importlib.util
import pickle
from itertools import pairwise

import numpy as np
import peephole
import pytest
from peephole import interop

RNG = np.random.default_rng(3)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def hard_sigmoid(a):
    return np.clip(0.2 * a + 0.5, 0, 1)


def lstm_cell(v, x, h, c, forget_bias=1.0, cell_clip=np.inf, proj_clip=np.inf, **_):
    """tf.compat.v1.nn.rnn_cell.LSTMCell.call"""
    i, j, f, o = np.split(np.concatenate([x, h], 1) @ v["kernel"] + v["bias"], 4, axis=1)
    w_i, w_f, w_o = (v.get(f"w_{k}_diag", 0) for k in "ifo")
    c = sigmoid(f + forget_bias + w_f * c) * c + sigmoid(i + w_i * c) * np.tanh(j)
    c = np.clip(c, -cell_clip, cell_clip)
    m = sigmoid(o + w_o * c) * np.tanh(c)
    if "projection/kernel" in v:
        m = np.clip(m @ v["projection/kernel"], -proj_clip, proj_clip)
    return m, c


def peephole_lstm_cell(v, x, h, c, gate=sigmoid):
    """tfa.rnn.PeepholeLSTMCell._compute_carry_and_output_fused"""
    z = x @ v["kernel"] + h @ v["recurrent_kernel"] + v["bias"]
    z0, z1, z2, z3 = np.split(z, 4, axis=1)
    i = gate(z0 + v["input_gate_peephole_weights"] * c)
    f = gate(z1 + v["forget_gate_peephole_weights"] * c)
    c = f * c + i * np.tanh(z2)
    return gate(z3 + v["output_gate_peephole_weights"] * c) * np.tanh(c), c


def stateful_peephole_lstm(v, x, h, c):
    """chainer.links.StatefulPeepholeLSTM"""
    both = x @ v["upward/W"].T + v["upward/b"] + h @ v["lateral/W"].T
    a, i, f, o = np.moveaxis(both.reshape(len(x), -1, 4), 2, 0)
    peep_i, peep_f, peep_o = (
        v.get(f"peep_{k}/W", np.zeros_like(v["lateral/W"][::4])) for k in "ifo"
    )
    i, f = sigmoid(i + c @ peep_i.T), sigmoid(f + c @ peep_f.T)
    c = np.tanh(a) * i + f * c
    return sigmoid(o + c @ peep_o.T) * np.tanh(c), c


def run(cell, values, x, units, reverse=False, projection=None, **options):
    h, c = np.zeros((len(x), projection or units)), np.zeros((len(x), units))
    y = np.zeros((*x.shape[:2], projection or units))
    for t in range(x.shape[1])[:: -1 if reverse else 1]:
        h, c = cell(values, x[:, t], h, c, **options)
        y[:, t] = h
    return y


def random(shapes, dtype):
    return {name: (0.5 * RNG.standard_normal(s)).astype(dtype) for name, s in shapes.items()}


def tf1(features, units, dtype="float64", peepholes=True, projection=None):
    shapes = {"kernel": (features + (projection or units), 4 * units), "bias": (4 * units,)}
    if projection:
        shapes["projection/kernel"] = (units, projection)
    if peepholes:
        shapes |= {f"w_{k}_diag": (units,) for k in "ifo"}
    return random(shapes, dtype)


def tfa(features, units, dtype="float64"):
    shapes = {"kernel": (features, 4 * units), "recurrent_kernel": (units, 4 * units)}
    shapes |= {"bias": (4 * units,)}
    shapes |= {f"{gate}_gate_peephole_weights": (units,) for gate in ("input", "forget", "output")}
    return random(shapes, dtype)


def chainer(features, units, dtype="float64", peepholes=True):
    shapes = {"upward/W": (4 * units, features), "upward/b": (4 * units,)}
    shapes["lateral/W"] = (4 * units, units)
    if peepholes:
        shapes |= {f"peep_{k}/W": (units, units) for k in "ifo"}
    return random(shapes, dtype)


def within(scope, values):
    return {f"{scope}/{name}": value for name, value in values.items()}


def sequences(features, dtype="float64"):
    return RNG.standard_normal((4, 9, features)).astype(dtype)


@pytest.mark.parametrize("peepholes", [False, True])
def test_tensorflow_1_with_cell_clip(agree, dtype, peepholes):
    cell, x = tf1(3, 5, dtype, peepholes), sequences(3, dtype)
    model = interop.from_tensorflow(within("rnn/lstm_cell", cell), cell_clip=0.2)
    assert model.options["cell_clip"] == 0.2
    agree(model(x)[0], run(lstm_cell, cell, x, 5, cell_clip=0.2).astype(dtype))
    with pytest.raises(ValueError, match="cell_clip: expected"):
        interop.from_tensorflow(within("rnn/lstm_cell", cell), cell_clip=0)


@pytest.mark.parametrize("peepholes", [False, True])
@pytest.mark.parametrize("forget_bias", [0.0, 1.0])
def test_tensorflow_1(agree, dtype, peepholes, forget_bias):
    """Eleven layers, because cell_10 comes after cell_9."""
    sizes = [3, 4, 2, 5, 4, 3, 2, 4, 5, 2, 3, 6]
    variables, x = {"global_step": np.array(7), "beta1_power": np.array(0.9)}, sequences(3, dtype)
    y = x
    for k, (features, units) in enumerate(pairwise(sizes)):
        cell = tf1(features, units, dtype, peepholes)
        variables |= within(f"rnn/multi_rnn_cell/cell_{k}/lstm_cell", cell)
        variables[f"rnn/multi_rnn_cell/cell_{k}/lstm_cell/kernel/Adam"] = np.zeros(3)
        y = run(lstm_cell, cell, y, units, forget_bias=forget_bias)
    model = interop.from_tensorflow(variables, forget_bias=forget_bias)
    agree(model(x)[0], y.astype(dtype))
    expected = ("diagonal", "ifo", "current") if peepholes else ("none", "ifgo", "previous")
    names = ("peephole", "peephole_gates", "output_peephole")
    assert tuple(model.options[name] for name in names) == expected


@pytest.mark.parametrize("proj_clip", [None, 0.1])
def test_tensorflow_1_with_num_proj(agree, dtype, proj_clip):
    variables, x = {}, sequences(3, dtype)
    y = x
    for k, (features, units) in enumerate([(3, 5), (2, 6)]):
        cell = tf1(features, units, dtype, projection=2)
        variables |= within(f"rnn/multi_rnn_cell/cell_{k}/lstm_cell", cell)
        y = run(lstm_cell, cell, y, units, projection=2, proj_clip=proj_clip or np.inf)
    model = interop.from_tensorflow(variables, proj_clip=proj_clip)
    assert (model.projection_size, model.options["projection_clip"]) == (2, proj_clip)
    agree(model(x)[0], y.astype(dtype))


def test_tensorflow_1_in_both_directions_with_a_head(agree, tmp_path):
    variables, x = {}, sequences(3)
    y = x
    for k, features in enumerate([3, 8]):
        fw, bw = tf1(features, 4), tf1(features, 4)
        for name, cell in (("bw", bw), ("fw", fw)):
            scope = f"stack_bidirectional_rnn/cell_{k}/bidirectional_rnn/{name}/lstm_cell"
            variables |= within(scope, cell)
        y = np.concatenate(
            [run(lstm_cell, fw, y, 4), run(lstm_cell, bw, y, 4, reverse=True)], axis=2
        )
    dense = random({"kernel": (8, 2), "bias": (2,)}, "float64")
    np.savez(tmp_path / "model.npz", **variables, **within("dense", dense))
    net = interop.from_tensorflow(tmp_path / "model.npz", head="dense", activation="tanh")
    agree(net.predict(x), np.tanh(y @ dense["kernel"] + dense["bias"]))


@pytest.mark.parametrize("gate", [sigmoid, hard_sigmoid])
def test_addons(agree, dtype, gate):
    first, second = tfa(3, 5, dtype), tfa(5, 4, dtype)
    suffix = "/.ATTRIBUTES/VARIABLE_VALUE"
    cells = within("rnn/cell/0", first) | within("rnn/cell/1", second)
    variables = {name + suffix: value for name, value in cells.items()}
    x = sequences(3, dtype)
    model = interop.from_tensorflow(variables, recurrent_activation=gate.__name__)
    y = run(peephole_lstm_cell, first, x, 5, gate=gate)
    agree(model(x)[0], run(peephole_lstm_cell, second, y, 4, gate=gate).astype(dtype))


@pytest.mark.parametrize("peepholes", [False, True])
def test_chainer(agree, dtype, peepholes):
    first, second = chainer(3, 5, dtype, peepholes), chainer(5, 4, dtype, peepholes)
    x = sequences(3, dtype)
    y = run(stateful_peephole_lstm, first, x, 5)
    agree(interop.from_chainer(first)(x)[0], y.astype(dtype))
    model = interop.from_chainer(within("l1", first) | within("/l2", second), ["l1", "l2"])
    agree(model(x)[0], run(stateful_peephole_lstm, second, y, 4).astype(dtype))
    assert model.options["peephole"] == ("dense" if peepholes else "none")


CELL = within("lstm_cell", tf1(3, 4))


def without(values, name):
    return {n: v for n, v in values.items() if n != name}


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ({}, {}, "variables of an LSTM cell, got none"),
        ({"dense/kernel": np.zeros((3, 4))}, {}, "got none"),
        (CELL | {"lstm_cell/projection/kernel": np.zeros(3)}, {}, r"expected shape \(4, any\)"),
        (CELL | {"lstm_cell/projection/kernel": np.ones((4, 7))}, {}, r"\(I \+ 7, 4H\)"),
        (CELL | {"lstm_cell/projection/kernel": np.ones((4, 4))}, {}, "projection_size"),
        (CELL, {"proj_clip": 0.5}, "projection_clip: expected none"),
        (CELL, {"proj_clip": 0}, "proj_clip: expected a finite number above 0"),
        (CELL | {"lstm_cell/input/gamma": np.zeros(3)}, {}, "input/gamma: expected shape"),
        (CELL | {"lstm_cell/bias": np.zeros(15)}, {}, r"bias: expected shape \(16\)"),
        (CELL | {"lstm_cell/bias": np.full(16, np.inf)}, {}, "bias: expected finite"),
        (CELL | {"lstm_cell/bias": np.zeros(16, "f")}, {}, "bias: expected float64"),
        (CELL | {"lstm_cell/kernel": np.zeros((4, 16))}, {}, r"\(I \+ H, 4H\)"),
        (CELL | {"lstm_cell/kernel": np.zeros((7, 15))}, {}, r"\(I \+ H, 4H\)"),
        (CELL | {"lstm_cell/kernel": np.zeros(16)}, {}, "any, any"),
        (CELL | {"lstm_cell/w_f_diag": np.zeros(3)}, {}, "w_f_diag: expected shape"),
        (without(CELL, "lstm_cell/w_f_diag"), {}, "peepholes of i, o but none of f"),
        (without(CELL, "lstm_cell/bias"), {}, "no lstm_cell/bias"),
        (CELL | within("lstm_1", tf1(4, 4, peepholes=False)), {}, "in all cells or in none"),
        (CELL | within("z_lstm", tf1(5, 4)), {}, "input weights for 4 features"),
        (CELL | within("bw/lstm", tf1(3, 4)), {}, "a forward and a backward cell"),
        (CELL, {"layers": ["nothing"]}, "no nothing/kernel"),
        (CELL, {"layers": []}, "got none"),
        (CELL, {"head": "dense"}, "scope of a dense layer"),
        (CELL | {"dense/kernel": np.zeros((5, 2))}, {"head": "dense"}, "for 4 units"),
        (within("c", without(tfa(3, 4), "bias")) | {"c/kernel": np.zeros((3, 15))}, {}, "c/kernel"),
        (
            within("c", tfa(3, 4)) | {"c/recurrent_kernel": np.zeros((4, 12))},
            {},
            "recurrent_kernel",
        ),
    ],
)
def test_refuses_other_variables(source, options, said):
    with pytest.raises(ValueError, match=said):
        interop.from_tensorflow(source, **options)


LINK = chainer(3, 4)


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ({}, {}, "no lateral/W"),
        (without(LINK, "peep_f/W"), {}, "no peep_f/W"),
        (LINK | {"peep_f/W": np.zeros((4, 3))}, {}, "peep_f/W: expected shape"),
        (LINK | {"lateral/W": np.zeros((12, 4))}, {}, "lateral/W: expected shape"),
        (LINK | {"upward/b": np.zeros(16, int)}, {}, "upward/b: expected float"),
        (LINK, {"layers": ["l1"]}, "no l1/lateral/W"),
        (LINK, {"layers": []}, "at least one"),
    ],
)
def test_refuses_other_links(source, options, said):
    with pytest.raises(ValueError, match=said):
        interop.from_chainer(source, **options)


def test_wrong_kinds():
    for read in (interop.from_tensorflow, interop.from_chainer):
        with pytest.raises(TypeError, match="source"):
            read(3)
    with pytest.raises(TypeError, match="names"):
        interop.from_tensorflow({3: np.zeros(3)})
    with pytest.raises(TypeError, match="array of floats"):
        interop.from_tensorflow(CELL | {"lstm_cell/bias": np.full(16, "a")})


class Touches:
    """Its pickle makes a file when it is read."""

    def __reduce__(self):
        return open, ("touched", "w")


@pytest.mark.parametrize("kind", ["text", "truncated", "pickle", "pickled array"])
def test_refuses_broken_npz(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "broken.npz"
    np.savez(path, **CELL)
    if kind == "pickled array":
        np.savez(path, **CELL | {"lstm_cell/bias": np.array([Touches()], object)})
    elif kind != "truncated":
        path.write_bytes(b"no" if kind == "text" else pickle.dumps(Touches()))
    else:
        path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"expected an \.npz file"):
        interop.from_tensorflow(path)
    assert [p.name for p in tmp_path.iterdir()] == ["broken.npz"]


def test_says_how_to_get_tensorflow(tmp_path):
    if importlib.util.find_spec("tensorflow"):
        pytest.skip("tensorflow is installed")
    with pytest.raises(ImportError, match="pip install tensorflow"):
        interop.from_tensorflow(tmp_path / "model.ckpt")
    assert isinstance(interop.from_tensorflow(CELL), peephole.LSTM)

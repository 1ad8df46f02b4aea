"""What `to_onnx` writes: its forms, inputs and outputs, and the file."""

import subprocess
import sys

import numpy as np
import peephole
import pytest
from peephole.interop import from_onnx, to_onnx
from support.onnx_files import assert_same_call, assert_same_model, packages, run, session
from support.tolerances import PEERS

X = np.random.default_rng(0).standard_normal((3, 5, 2)).astype(np.float32)
CLASSIC = {"peephole_gates": "ifo", "output_peephole": "current"}


@pytest.fixture(autouse=True)
def _packages():
    packages()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "model.onnx")


def operators(path):
    onnx, _ = packages()
    return [node.op_type for node in onnx.load(path).graph.node]


def test_three_lines(path):
    """A network without peepholes as the LSTM operator, run, and read back."""
    net = peephole.Network(2, 4, 3, peephole="none", head="softmax", seed=0)
    to_onnx(net, path)
    y = session(path).run(["y"], {"x": X})[0]
    assert np.abs(y - net.predict(X)).max() <= PEERS["float32"]
    assert operators(path).count("LSTM") == 1
    assert_same_model(from_onnx(path), net)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"dtype": "float64", "peephole": "none"}, "float64"),
        ({"zoneout": 0.1, "peephole": "none"}, "zoneout"),
        ({"peephole": "dense"}, "dense"),
        ({"layer_norm": "gates", "peephole": "none"}, "layer normalisation"),
        ({"peephole": "none", "projection_size": 2}, "a projection"),
        ({}, "cell input g"),
        ({"peephole_gates": "ifo"}, "output_peephole"),
        ({"activations": {"i": "tanh"}, **CLASSIC}, "different activations of i, f, o"),
        ({"activations": {"g": "softplus"}, **CLASSIC}, "softplus"),
        ({"cell_clip": 1.0, **CLASSIC}, "cell_clip"),
    ],
)
def test_the_operator_does_not_fit(options, reason, path):
    model = peephole.LSTM(2, 3, **options)
    with pytest.raises(ValueError, match=reason):
        to_onnx(model, path, "lstm")
    to_onnx(model, path)
    assert "LSTM" not in operators(path)


@pytest.mark.parametrize(
    "options",
    [
        CLASSIC,
        {"peephole_gates": "if"},
        {"peephole": "none", "output_peephole": "previous"},
        {"coupled_input_forget": True, "activations": {"f": "relu"}, **CLASSIC},
        {"peephole": "none", "bidirectional": True, "num_layers": 2},
        {"preactivation_clip": 0.3, **CLASSIC},
        {"initial_state": "learned", **CLASSIC},
    ],
)
def test_the_operator_fits(options, path):
    model = peephole.LSTM(2, 3, **options)
    to_onnx(model, path)
    assert operators(path).count("LSTM") == model.num_layers
    assert_same_call(run(path, model, X), model(X), PEERS["float32"])


@pytest.mark.parametrize("norm", ["gates", "products"])
@pytest.mark.parametrize("cell", ["state", "output", "none"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("output_peephole", ["previous", "current"])
def test_layer_normalisation(norm, cell, dtype, output_peephole, path):
    model = peephole.LSTM(
        2,
        [3, 5],
        layer_norm=norm,
        layer_norm_cell=cell,
        layer_norm_epsilon=0.01,
        output_peephole=output_peephole,
        bidirectional=norm == "gates",
        bias=cell != "output",
        dtype=dtype,
        seed=0,
    )
    rng = np.random.default_rng(2)
    for name in model.parameters:
        values = model.parameters[name]
        model.parameters[name] = values + rng.uniform(-0.2, 0.2, values.shape)
    to_onnx(model, path)
    x = X.astype(dtype)
    lengths = np.array([5, 2, 0])
    tolerance = 10 * PEERS[dtype]  # to normalise small deviations makes rounding errors large
    assert_same_call(run(path, model, x, None, lengths), model(x, None, lengths), tolerance)
    assert_same_model(from_onnx(path), model)


@pytest.mark.parametrize("form", ["lstm", "scan"])
@pytest.mark.parametrize("readout", ["all", "last", "mean", "max"])
@pytest.mark.parametrize("bidirectional", [False, True])
class TestRagged:
    @pytest.fixture
    def net(self, readout, bidirectional):
        return peephole.Network(
            2, [3, 4], 2, readout=readout, bidirectional=bidirectional, seed=0, **CLASSIC
        )

    def test_padding_of_nan_is_not_read(self, net, form, path):
        to_onnx(net, path, form)
        x, lengths = X.copy(), np.array([5, 2, 0])
        for b, n in enumerate(lengths):
            x[b, n:] = np.nan
        expected = net(x, None, lengths)
        assert np.isfinite(expected[0]).all()
        assert_same_call(run(path, net, x, None, lengths), expected, PEERS["float32"])

    def test_without_steps(self, net, form, path):
        to_onnx(net, path, form)
        state = [(np.ones((3, n), np.float32),) * 2 for n in (3, 4) for _ in range(2)]
        state = state if net.bidirectional else state[::2]
        empty = X[:, :0]
        assert_same_call(run(path, net, empty, state), net(empty, state), PEERS["float32"])

    def test_a_long_sequence(self, net, form, path):
        to_onnx(net, path, form)
        x = np.random.default_rng(1).standard_normal((2, 700, 2)).astype(np.float32)
        assert_same_call(run(path, net, x), net(x), PEERS["float32"])


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "softplus", "softsign", "hard_sigmoid"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_arguments_of_activations(activation, dtype, path):
    names = dict.fromkeys("ifo", activation) | {"c": "identity", "g": activation}
    model = peephole.LSTM(2, 3, activations=names, dtype=dtype, seed=0)
    to_onnx(model, path)
    x = (X * 300).astype(dtype)[:, :2]
    expected = model(x)
    assert np.isfinite(expected[0]).all()
    assert_same_call(run(path, model, x), expected, PEERS[dtype])


def test_the_reference_evaluator_agrees(path):
    onnx, _ = packages()
    from onnx.reference import ReferenceEvaluator

    model = peephole.LSTM(2, 3, peephole="dense", seed=0)
    to_onnx(model, path)
    names = ["y", "final_h_l0", "final_c_l0"]
    found = ReferenceEvaluator(onnx.load(path)).run(names, {"x": X})
    y, state = model(X)
    for actual, expected in zip(found, (y, *state[0]), strict=True):
        assert np.abs(actual - expected).max() <= PEERS["float32"]


def test_names_and_shapes(path):
    net = peephole.Network(2, [3, 4], 5, bidirectional=True, readout="last")
    to_onnx(net, path)
    runtime = session(path)
    assert [(i.name, i.shape) for i in runtime.get_inputs()] == [("x", ["batch", "time", 2])]
    optional = [i.name for i in runtime.get_overridable_initializers()]
    states = [f"_l{k}{d}" for k in range(2) for d in ("", "_reverse")]
    assert optional == ["lengths", *(f"initial_{v}{s}" for s in states for v in "hc")]
    outputs = {o.name: o.shape for o in runtime.get_outputs()}
    assert list(outputs) == ["y", *(f"final_{v}{s}" for s in states for v in "hc")]
    assert outputs["y"] == ["batch", 5]
    assert outputs["final_c_l1_reverse"] == ["batch", 4]


@pytest.mark.parametrize("form", ["lstm", "scan"])
def test_without_optional_inputs(form, path):
    """ONNX Runtime writes nothing when it loads the file, at its own level of messages."""
    net = peephole.Network(2, [3, 4], 5, bidirectional=True, readout="mean", seed=0, **CLASSIC)
    to_onnx(net, path, form, optional_inputs=False)
    assert_same_model(from_onnx(path), net)
    code = (
        "import sys, numpy, onnxruntime\n"
        "session = onnxruntime.InferenceSession(sys.argv[1])\n"
        "assert [i.name for i in session.get_inputs()] == ['x']\n"
        "assert not session.get_overridable_initializers()\n"
        "session.run(None, {'x': numpy.zeros((2, 3, 2), 'f')})\n"
    )
    command = [sys.executable, "-c", code, path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""
    assert_same_call(run(path, net, X), net(X), PEERS["float32"])


def test_one_length_and_one_state_for_all(path):
    model = peephole.LSTM(2, 3, seed=0)
    to_onnx(model, path)
    h, c = np.full((2, 1, 3), 0.5, np.float32)
    expected = model(X, [(np.repeat(h, 3, 0), np.repeat(c, 3, 0))], [2, 2, 2])
    assert_same_call(run(path, model, X, [(h, c)], [2]), expected, PEERS["float32"])


def test_lengths_beyond_the_steps_mean_all(path):
    model = peephole.LSTM(2, 3, seed=0, **CLASSIC)
    for form in ("lstm", "scan"):
        to_onnx(model, path, form)
        expected = model(X, None, [5, 5, 0])
        assert_same_call(run(path, model, X, None, [9, 5, -1]), expected, PEERS["float32"])


def test_scalings_are_kept(path):
    net = peephole.Network(2, 3, 1)
    net.input_scaling = peephole.Standardiser().fit(X)
    to_onnx(net, path)
    back = from_onnx(path)
    np.testing.assert_array_equal(back.input_scaling.transform(X), net.input_scaling.transform(X))
    assert back.target_scaling is None


def test_wrong_arguments(tmp_path):
    model = peephole.LSTM(1, 1)
    with pytest.raises(ValueError, match=r"form: .*'fast'"):
        to_onnx(model, tmp_path / "a.onnx", "fast")
    with pytest.raises(TypeError, match="model: expected an LSTM or a Network, got int"):
        to_onnx(3, tmp_path / "a.onnx")
    with pytest.raises(TypeError, match="path"):
        to_onnx(model, 3)
    with pytest.raises(TypeError, match="optional_inputs"):
        to_onnx(model, tmp_path / "a.onnx", optional_inputs=1)
    with pytest.raises(OSError, match="No such file"):
        to_onnx(model, tmp_path / "none" / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_without_onnx(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "peephole\[onnx\]"'):
        to_onnx(peephole.LSTM(1, 1), tmp_path / "a.onnx")

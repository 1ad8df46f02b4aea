"""The clip of ONNX's LSTM operator: ours, ONNX Runtime's, and a NumPy model of its page."""

import numpy as np
import peephole
import pytest
from peephole.interop import from_onnx, to_onnx
from support.onnx_files import assert_same_call, packages, run, session
from support.tolerances import PEERS

INPUTS, UNITS, B, T = 3, 5, 2, 8
OURS = {
    "Sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "Tanh": np.tanh,
    "Relu": lambda a: np.maximum(a, 0),
}


@pytest.fixture(autouse=True)
def _packages():
    packages()


def node(clip, activations, input_forget, seed=0):
    """The bytes of a graph of one LSTM node with peepholes, and its W, R, B, P."""
    onnx, _ = packages()
    rng = np.random.default_rng(seed)
    shapes = {
        "W": (4 * UNITS, INPUTS),
        "R": (4 * UNITS, UNITS),
        "B": (8 * UNITS,),
        "P": (3 * UNITS,),
    }
    arrays = {k: rng.uniform(-1, 1, (1, *s)).astype("f4") for k, s in shapes.items()}
    made = onnx.helper.make_node(
        "LSTM",
        ["X", "W", "R", "B", "", "", "", "P"],
        ["Y", "Y_h", "Y_c"],
        hidden_size=UNITS,
        clip=clip,
        activations=activations,
        input_forget=input_forget,
    )
    of = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [made],
        "g",
        [of("X", 1, [None, None, INPUTS])],
        [of(name, 1, None) for name in ("Y", "Y_h", "Y_c")],
        [onnx.numpy_helper.from_array(v, k) for k, v in arrays.items()],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    proto = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    return proto.SerializeToString(), {k: v[0].astype(float) for k, v in arrays.items()}


def numpy_model(arrays, x, clip, activations, input_forget):
    """https://onnx.ai/onnx/operators/onnx__LSTM.html; x (T, B, I). c is not clipped."""
    sigma, g_of, h_of = (OURS[name] for name in activations)
    h = c = np.zeros((x.shape[1], UNITS))
    p_i, p_o, p_f = np.split(arrays["P"], 3)

    def clipped(a):
        return np.clip(a, -clip, clip)

    y = []
    for x_t in x:
        bias = arrays["B"].reshape(2, -1).sum(0)
        i, o, f, g = np.split(x_t @ arrays["W"].T + h @ arrays["R"].T + bias, 4, axis=1)
        i = sigma(clipped(i + p_i * c))
        f = 1 - i if input_forget else sigma(clipped(f + p_f * c))
        c = f * c + i * g_of(clipped(g))
        h = sigma(clipped(o + p_o * c)) * h_of(c)
        y.append(h)
    return np.array(y), c


@pytest.mark.parametrize("activations", [["Sigmoid", "Tanh", "Tanh"], ["Relu", "Tanh", "Relu"]])
@pytest.mark.parametrize("input_forget", [0, 1])
@pytest.mark.parametrize("clip", [0.3, 0.8, 2.0])
def test_three_agree(activations, input_forget, clip):
    data, arrays = node(clip, activations, input_forget)
    x = 2 * np.random.default_rng(1).standard_normal((T, B, INPUTS)).astype("f4")
    expected, c = numpy_model(arrays, x.astype(float), np.float32(clip), activations, input_forget)
    theirs, _, their_c = session(data).run(None, {"X": x})
    model = from_onnx(data)
    assert model.options["preactivation_clip"] == np.float32(clip)
    y, ((_, our_c),) = model(x.swapaxes(0, 1))
    scale = max(1, np.abs(expected).max(), np.abs(c).max())
    for found, wanted in (
        (theirs[:, 0], expected),
        (their_c[0], c),
        (y.swapaxes(0, 1), expected),
        (our_c, c),
    ):
        assert np.abs(found - wanted).max() <= 2 * PEERS["float32"] * scale
    if clip < 1 and activations[0] == "Sigmoid":  # Relu overflows without a bound
        unclipped, _ = numpy_model(arrays, x.astype(float), np.inf, activations, input_forget)
        assert np.abs(unclipped - expected).max() > 0.01


@pytest.mark.parametrize("form", ["lstm", "scan"])
def test_both_forms(form, tmp_path):
    """A learned initial state and a clip in both forms of a file."""
    path = str(tmp_path / "model.onnx")
    model = peephole.Network(
        INPUTS,
        [UNITS, 4],
        2,
        peephole_gates="ifo",
        output_peephole="current",
        preactivation_clip=0.4,
        initial_state="learned",
        bidirectional=True,
        seed=0,
    )
    rng = np.random.default_rng(0)
    for name, value in model.parameters.items():
        model.parameters[name] = rng.uniform(-1, 1, value.shape)
    to_onnx(model, path, form)
    x = rng.standard_normal((B, T, INPUTS)).astype("f4")
    state = [(np.zeros((B, n), "f4"),) * 2 for n in (UNITS, UNITS, 4, 4)]
    for call in ((x,), (x, state), (x, None, [T, 0])):
        assert_same_call(run(path, model, *call), model(*call), PEERS["float32"])
    to_onnx(model, path, form, optional_inputs=False)
    assert np.abs(session(path).run(["y"], {"x": x})[0] - model.predict(x)).max() <= 1e-6
    back = from_onnx(path)
    assert back.options == model.options
    for name in model.parameters:
        np.testing.assert_array_equal(back.parameters[name], model.parameters[name])


def test_cell_clip_is_no_clip_of_the_operator(tmp_path):
    path = str(tmp_path / "model.onnx")
    for dtype in ("float32", "float64"):
        model = peephole.LSTM(INPUTS, UNITS, cell_clip=0.1, zoneout=0.2, dtype=dtype, seed=0)
        to_onnx(model, path)
        x = np.random.default_rng(0).standard_normal((B, T, INPUTS)).astype(dtype)
        assert_same_call(run(path, model, x), model(x), PEERS[dtype])
        assert from_onnx(path).options == model.options

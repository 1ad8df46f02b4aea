"""Networks with a dense layer before the LSTM in foreign formats, and in estimators."""

import json

import numpy as np
import peephole
import pytest
from peephole import interop
from reference import lstm as reference
from support.tolerances import PEERS, assert_close, assert_identical

X = np.random.default_rng(0).standard_normal((3, 6, 2)).astype(np.float32)


def network(activation="tanh", **options):
    options = {"peephole": "none", "head": "tanh", "seed": 3, **options}
    net = peephole.Network(2, [4, 3], 2, input_dense_size=5, input_activation=activation, **options)
    net.parameters["input.bias"] = np.linspace(-0.5, 0.5, 5)
    return net


def dense_layer(weight, bias, activation):
    """As RTNeural's exporter writes it: weight (I, O)."""
    weights = [weight.tolist()] + ([] if bias is None else [bias.tolist()])
    shape = [None, None, weight.shape[1]]
    return {"type": "dense", "activation": activation, "shape": shape, "weights": weights}


class RTNeural:
    """A model of RTNeural and its equations: dense, LSTM with columns i, f, c, o, dense."""

    def __init__(self, rng, inputs=2, units=5, hidden=4, outputs=2, bias=True):
        def values(*shape):
            return np.float32(rng.uniform(-0.7, 0.7, shape))

        self.first = values(inputs, units), values(units) if bias else None
        self.lstm = values(units, 4 * hidden), values(hidden, 4 * hidden), values(4 * hidden)
        self.last = values(hidden, outputs), values(outputs)
        self.inputs, self.hidden = inputs, hidden

    def content(self, activation="", separate=False):
        kernel, recurrent, bias = (values.tolist() for values in self.lstm)
        layers = [
            dense_layer(*self.first, "" if separate else activation),
            {
                "type": "lstm",
                "activation": "tanh",
                "shape": [None, None, self.hidden],
                "weights": [kernel, recurrent, bias],
            },
            dense_layer(*self.last, ""),
        ]
        if separate:
            layers.insert(1, {"type": "activation", "activation": activation})
        return {"in_shape": [None, None, self.inputs], "layers": layers}

    def run(self, x, activation):
        """y (T, O) of x (T, I)."""
        weight, bias = self.first
        kernel, recurrent, lstm_bias = self.lstm
        h = c = np.zeros(self.hidden)
        y = []
        for step in x.astype(np.float64):
            z = step @ weight + (0 if bias is None else bias)
            u = reference.ACTIVATIONS[activation or "identity"](z)
            i, f, g, o = np.split(u @ kernel + h @ recurrent + lstm_bias, 4)
            c = reference.sigmoid(f) * c + reference.sigmoid(i) * np.tanh(g)
            h = reference.sigmoid(o) * np.tanh(c)
            y.append(h @ self.last[0] + self.last[1])
        return np.array(y)


class TestRTNeural:
    @pytest.mark.parametrize("separate", [False, True])
    @pytest.mark.parametrize("bias", [False, True])
    @pytest.mark.parametrize("activation", ["", "tanh", "sigmoid", "relu"])
    def test_both_ways(self, rng, tmp_path, activation, separate, bias):
        model = RTNeural(rng, bias=bias)
        path = tmp_path / "model.json"
        path.write_text(json.dumps(model.content(activation, separate and activation)))
        net = interop.from_rtneural(path, dtype="float64")
        assert net.options["input_dense_size"] == 5
        assert net.options["input_activation"] == (activation or "identity")
        x = rng.standard_normal((30, 2))
        assert_close(net.predict(x), model.run(x, activation), 1e-12, "y")
        interop.to_rtneural(net, path)
        written = json.loads(path.read_text())
        if bias:
            assert written == model.content(activation)
        again = interop.from_rtneural(path, dtype="float64")
        assert_identical(again.predict(x), net.predict(x), "again")

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (
                lambda layers: layers.insert(0, layers[0]),
                r"layers\[1\]: expected at most one dense",
            ),
            (lambda layers: layers.pop(), "a dense layer after the LSTM where one is before it"),
            (lambda layers: layers.pop(1), r'layers\[1\]: .*got "dense" at this place'),
            (lambda layers: layers[0].update(activation="elu"), r'layers\[0\]: activation: "elu"'),
            (lambda layers: layers[0].update(activation="softmax"), '"softmax" is not supported'),
            (lambda layers: layers[0].update(shape=[6]), r"layers\[0\]: weights\[0\]: expected"),
            (
                lambda layers: layers.insert(1, {"type": "activation", "activation": "tanh"}),
                '"activation" at this place',
            ),
            (
                lambda layers: layers.insert(0, {"type": "activation", "activation": "tanh"}),
                r'layers\[0\]: .*"activation" at this place',
            ),
        ],
    )
    def test_refused(self, rng, tmp_path, change, said):
        content = RTNeural(rng).content("tanh")
        change(content["layers"])
        path = tmp_path / "model.json"
        path.write_text(json.dumps(content))
        with pytest.raises(ValueError, match=said):
            interop.from_rtneural(path)

    def test_an_activation_that_rtneural_lacks(self, tmp_path):
        with pytest.raises(ValueError, match="input_activation: an RTNeural file has one of"):
            interop.to_rtneural(network("softsign"), tmp_path / "model.json")
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["lstm", "scan"])
@pytest.mark.parametrize("activation", sorted(reference.ACTIVATIONS))
def test_onnx(tmp_path, activation, form):
    files = pytest.importorskip("support.onnx_files")
    files.packages()
    net = network(activation, masks={"input.weight": np.eye(5, 2, dtype=bool)})
    path = str(tmp_path / "model.onnx")
    interop.to_onnx(net, path, form)
    lengths = np.array([6, 2, 0])
    expected = net(X, None, lengths)
    files.assert_same_call(files.run(path, net, X, None, lengths), expected, PEERS["float32"])
    files.assert_same_model(interop.from_onnx(path), net)


def test_onnx_of_double_precision(tmp_path):
    files = pytest.importorskip("support.onnx_files")
    files.packages()
    for activation in sorted(reference.ACTIVATIONS):
        net = network(activation, dtype="float64", peephole="dense", readout="last")
        path = str(tmp_path / "model.onnx")
        interop.to_onnx(net, path)
        x = X.astype(np.float64)
        assert_close(files.session(path).run(["y"], {"x": x})[0], net.predict(x), PEERS["float64"])
        files.assert_same_model(interop.from_onnx(path), net)


@pytest.mark.parametrize(
    "write",
    [lambda net, path: interop.to_nam(net, path), lambda net, path: interop.to_torch(net)],
    ids=["nam", "torch"],
)
def test_formats_without_it_name_it(tmp_path, write):
    pytest.importorskip("torch")
    net = peephole.Network(2, 4, 1, peephole="none", input_dense_size=5)
    with pytest.raises(ValueError, match=r"input_dense_size: .* has none, and the model has 5"):
        write(net, tmp_path / "file")
    assert not list(tmp_path.iterdir())


def test_estimators():
    sklearn = pytest.importorskip("peephole.sklearn")
    base = pytest.importorskip("sklearn.base")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((20, 6, 2)), rng.standard_normal(20)
    made = sklearn.LSTMRegressor(
        4, input_dense_size=3, input_activation="relu", epochs=2, random_state=0
    )
    fitted = base.clone(made).fit(x, y)
    assert fitted.network_.options["input_dense_size"] == 3
    assert fitted.network_.options["input_activation"] == "relu"
    assert fitted.predict(x).shape == (20,)
    fitted.set_params(input_dense_size=5, warm_start=True)
    with pytest.raises(ValueError, match="input_dense_size: expected 3"):
        fitted.fit(x, y)

"""NeuralAmpModeler and RTNeural files, against torch's LSTM, which both of them compute."""

import json

import numpy as np
import peephole
import pytest
from hypothesis import given
from hypothesis import strategies as st
from peephole import interop

torch = pytest.importorskip("torch")
nn = torch.nn


def captured(inputs=1, units=3, layers=2, outputs=1):
    """An amplifier capture: LSTM, head, and the state (h, c) that it starts from."""
    torch.manual_seed(units)
    lstm, head = nn.LSTM(inputs, units, layers, batch_first=True), nn.Linear(units, outputs)
    state = torch.randn(layers, units), torch.randn(layers, units)
    return lstm, head, state


def nam_content(lstm, head, state):
    """As NeuralAmpModeler's trainer writes it."""
    weights = []
    for k in range(lstm.num_layers):
        both = [getattr(lstm, f"weight_{name}_l{k}") for name in ("ih", "hh")]
        bias = getattr(lstm, f"bias_ih_l{k}") + getattr(lstm, f"bias_hh_l{k}")
        weights += [torch.cat(both, 1), bias, state[0][k], state[1][k]]
    weights += [head.weight, head.bias]
    config = {"input_size": lstm.input_size, "hidden_size": lstm.hidden_size}
    config["num_layers"] = lstm.num_layers
    if head.out_features > 1:
        config |= {"in_channels": lstm.input_size, "out_channels": head.out_features}
    flat = np.concatenate([w.detach().numpy().ravel() for w in weights])
    return {
        "version": "0.5.4",
        "architecture": "LSTM",
        "config": config,
        "weights": flat.tolist(),
        "sample_rate": 48000,
    }


@given(st.integers(1, 3), st.integers(1, 17), st.integers(1, 3), st.integers(1, 2))
def test_nam_both_ways(tmp_path_factory, inputs, units, layers, outputs):
    path = tmp_path_factory.mktemp("nam") / "amp.nam"
    lstm, head, state = captured(inputs, units, layers, outputs)
    path.write_text(json.dumps(nam_content(lstm, head, state)))
    net = interop.from_nam(path)

    x = torch.randn(200, inputs)
    with torch.no_grad():
        expected = head(lstm(x, state)[0]).numpy()
    np.testing.assert_allclose(net.predict(x.numpy()), expected, atol=1e-6)
    stream = net.stream()
    for _ in range(2):
        np.testing.assert_allclose(stream.process(x.numpy()), expected, atol=1e-6)
        stream.reset()

    again = path.with_name("again.nam")
    interop.to_nam(net, again, sample_rate=48000)
    ours, theirs = (json.loads(p.read_text()) for p in (again, path))
    assert ours["weights"] == theirs["weights"]
    for key in ("architecture", "sample_rate"):
        assert ours[key] == theirs[key]
    assert theirs["config"].items() <= ours["config"].items()


def test_nam_starts_from_silence(tmp_path):
    net = peephole.Network(1, 4, 1, peephole="none", bias=False, seed=0)
    _, state = net(np.zeros((1000, 1)))
    interop.to_nam(net, tmp_path / "amp.nam", state, metadata={"name": "amp"})
    again = interop.from_nam(tmp_path / "amp.nam")
    assert np.array_equal([(h[0], c[0]) for h, c in again.stream().state], state)
    x = np.ones((9, 1))
    assert np.array_equal(again.predict(x), net.predict(x, state=state))
    interop.to_nam(again, tmp_path / "other.nam", [(np.ones(4), np.zeros(4))])
    assert np.array_equal(interop.from_nam(tmp_path / "other.nam").parameters["h0_l0"], np.ones(4))
    interop.to_nam(net, tmp_path / "amp.nam")
    assert not np.any(interop.from_nam(tmp_path / "amp.nam").stream().state)
    assert json.loads((tmp_path / "amp.nam").read_text())["metadata"] == {}


def rtneural_content(lstm, head, activation=""):
    layers = []
    for k in range(lstm.num_layers):
        matrices = [
            getattr(lstm, f"weight_{name}_l{k}").detach().numpy().T for name in ("ih", "hh")
        ]
        bias = (getattr(lstm, f"bias_ih_l{k}") + getattr(lstm, f"bias_hh_l{k}")).detach().numpy()
        layers.append(rtneural_layer("lstm", "tanh", lstm.hidden_size, [*matrices, bias]))
    dense = [head.weight.detach().numpy().T, head.bias.detach().numpy()]
    layers.append(rtneural_layer("dense", activation, head.out_features, dense))
    return {"in_shape": [None, None, lstm.input_size], "layers": layers}


def rtneural_layer(kind, activation, units, weights):
    weights = [w.tolist() for w in weights]
    return {
        "type": kind,
        "activation": activation,
        "shape": [None, None, units],
        "weights": weights,
    }


ACTIVATIONS = {
    "": lambda y: y,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softmax": lambda y: torch.softmax(y, -1),
}


@given(
    st.integers(1, 3), st.integers(1, 17), st.integers(1, 3), st.integers(1, 2),
    st.sampled_from(sorted(ACTIVATIONS)), st.booleans(),
)  # fmt: skip
def test_rtneural_both_ways(tmp_path_factory, inputs, units, layers, outputs, activation, separate):
    path = tmp_path_factory.mktemp("rtneural") / "amp.json"
    lstm, head, _ = captured(inputs, units, layers, outputs)
    content = rtneural_content(lstm, head, "" if separate else activation)
    if separate:
        content["layers"].append(rtneural_layer("activation", activation, outputs, []))
    path.write_text(json.dumps(content))
    net = interop.from_rtneural(path)

    x = torch.randn(100, inputs)
    with torch.no_grad():
        expected = ACTIVATIONS[activation](head(lstm(x)[0])).numpy()
    np.testing.assert_allclose(net.predict(x.numpy()), expected, atol=1e-6)
    interop.to_rtneural(net, path)
    assert json.loads(path.read_text()) == rtneural_content(lstm, head, activation)


def test_rtneural_of_layers_alone(tmp_path):
    lstm = peephole.LSTM(2, [3, 5], peephole="none", bias=False, dtype="float64", seed=0)
    interop.to_rtneural(lstm, tmp_path / "lstm.json")
    again = interop.from_rtneural(tmp_path / "lstm.json", dtype="float64")
    x = np.random.default_rng(0).standard_normal((2, 9, 2))
    assert np.array_equal(lstm(x)[0], again(x)[0])


@pytest.mark.parametrize("write", [interop.to_nam, interop.to_rtneural])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"peephole": "diagonal"}, "peephole: "),
        ({"bidirectional": True}, "bidirectional: "),
        ({"readout": "last"}, "readout: "),
        ({"activations": {"c": "identity"}}, "activations: "),
    ],
)
def test_writers_name_what_they_cannot_express(write, options, said, tmp_path):
    net = peephole.Network(1, 2, 1, **{"peephole": "none", **options})
    with pytest.raises(ValueError, match=said):
        write(net, tmp_path / "no.json")
    assert not list(tmp_path.iterdir())


def test_nam_has_one_size_no_activation_and_a_head(tmp_path):
    path = tmp_path / "no.nam"
    with pytest.raises(ValueError, match="hidden_size: "):
        interop.to_nam(peephole.Network(1, [2, 3], 1, peephole="none"), path)
    net = peephole.Network(1, 2, 1, peephole="none", head="tanh")
    with pytest.raises(ValueError, match="head: "):
        interop.to_nam(net, path)
    with pytest.raises(TypeError, match="expected a Network"):
        interop.to_nam(net.lstm, path)
    net = peephole.Network(1, 2, 1, peephole="none")
    for state, said in [([], "1 pairs"), (3, "pair"), ([(np.zeros(3), np.zeros(2))], "shape")]:
        with pytest.raises(ValueError, match=said):
            interop.to_nam(net, path, state)
    assert not path.exists()


def nam(**changes):
    content = nam_content(*captured())
    config = changes.pop("config", {})
    if isinstance(config, dict):
        config = {**content["config"], **config}
    return {**content, "config": config, **changes}


BROKEN_NAM = {
    "empty": (b"", "expected JSON"),
    "pickle": (b"\x80\x04cos\nsystem\n(S'touch hit'\ntR.", "expected JSON"),
    "truncated": (json.dumps(nam()).encode()[:-9], "expected JSON"),
    "too deep": (b"[" * 100_000, "expected JSON"),
    "not UTF": (b"\xff\xfe\x00{", "expected JSON"),
    "a list": ([1], "an object, got a list of 1"),
    "no architecture": ({}, 'no "architecture"'),
    "WaveNet": (nam(architecture="WaveNet"), 'expected "LSTM", got "WaveNet"'),
    "architecture a number": (nam(architecture=1), "a string, got 1"),
    "config a list": (nam(config=[]), "an object, got a list of 0"),
    "no layers": (nam(config={"num_layers": 0}), "num_layers: expected an integer in 1.*got 0"),
    "negative size": (
        nam(config={"hidden_size": -3}),
        "hidden_size: expected an integer in 1.*got -3",
    ),
    "size a float": (nam(config={"hidden_size": 3.0}), "an integer in 1.*got 3.0"),
    "size a bool": (nam(config={"num_layers": True}), "an integer in 1.*got true"),
    "huge size": (nam(config={"hidden_size": 10**30}), r"got 1e\+30"),
    "huge count": (nam(config={"num_layers": 10**8}), "expected 8999999980 values"),
    "channels": (nam(config={"in_channels": 2}), "in_channels: "),
    "too few": (nam(weights=[0.0] * 3), "got 3"),
    "text": (nam(weights=["a"] * len(nam()["weights"])), 'weights: expected numbers, got "a"'),
    "lists": (nam(weights=[[0.0]] * len(nam()["weights"])), "weights: expected"),
    "ragged": (nam(weights=[[], *nam()["weights"][1:]]), "weights: expected"),
    "a map": (nam(weights={"0": 1}), "a list, got an object"),
    "null": (nam(weights=[None] * len(nam()["weights"])), "weights: expected"),
    "a bool": (nam(weights=[True, *nam()["weights"][1:]]), "weights: expected numbers, got true"),
    "NaN": (nam(weights=[float("nan"), *nam()["weights"][1:]]), "JSON with finite numbers"),
    "too large": (nam(weights=[1e300, *nam()["weights"][1:]]), "finite values of float32"),
    "huge integer": (nam(weights=[10**400, *nam()["weights"][1:]]), "JSON with finite numbers"),
}


def rtneural(layer=0, **changes):
    lstm, head, _ = captured(layers=1)
    content = rtneural_content(lstm, head)
    content["layers"][layer].update(changes)
    return content


def more(*layers, **changes):
    content = {**rtneural(), **changes}
    return {**content, "layers": [*content["layers"], *layers]}


BROKEN_RTNEURAL = {
    "empty": (b"", "expected JSON"),
    "pickle": (b"\x80\x04cos\nsystem\n(S'touch hit'\ntR.", "expected JSON"),
    "truncated": (json.dumps(rtneural()).encode()[:-20], "expected JSON"),
    "a number": (7, "an object, got 7"),
    "no shape": ({"layers": []}, 'no "in_shape"'),
    "empty shape": (more(in_shape=[]), "in_shape: .*got none"),
    "negative shape": (more(in_shape=[None, None, -1]), "in_shape: .*got -1"),
    "no layers": ({"in_shape": [1], "layers": []}, "got none"),
    "layers a map": ({"in_shape": [1], "layers": {}}, "a list, got an object"),
    "layer a number": ({"in_shape": [1], "layers": [3]}, r"layers\[0\]: expected an object"),
    "no type": (rtneural(type=None), "type: expected a string"),
    "GRU": (rtneural(type="gru"), '"gru" at this place, which is not supported'),
    "convolution": (more({"type": "conv1d"}), '"conv1d"'),
    "second dense": (more(rtneural()["layers"][1]), "at most one dense layer"),
    "LSTM after dense": (more(rtneural()["layers"][0]), "at most one dense layer"),
    "relu": (rtneural(1, activation="relu"), '"relu" is not supported'),
    "elu": (more({"type": "activation", "activation": "elu"}), '"elu" is not supported'),
    "activation a list": (rtneural(1, activation=[]), "activation: expected a string"),
    "LSTM with relu": (rtneural(activation="relu"), "an LSTM has tanh"),
    "skip": (more(in_skip=1), "in_skip: not supported"),
    "gain": (more(out_gain=-3.5), "out_gain: not supported"),
    "units": (rtneural(shape=[None, None, 4]), "a list of 16 numbers, got a list of 12"),
    "huge": (rtneural(shape=[None, None, 10**8]), "a list of 400000000 numbers"),
    "weights": (rtneural(weights=[]), "expected 3 arrays, got 0"),
    "ragged": (rtneural(weights=[[[0.0] * 12], [[0.0] * 12] * 2 + [[]], [0.0] * 12]), "weights"),
    "text": (rtneural(weights=[[["a"] * 12], [[0.0] * 12] * 3, [0.0] * 12]), "weights"),
    "bool": (rtneural(weights=[[[True] * 12], [[0.0] * 12] * 3, [0.0] * 12]), "weights"),
    "NaN": (rtneural(weights=[[[float("nan")] * 12], [[0.0] * 12] * 3, [0.0] * 12]), "finite"),
    "infinite": (rtneural(weights=[[[1e39] * 12], [[0.0] * 12] * 3, [0.0] * 12]), "finite"),
}


def refuses(read, content, said, folder):
    path = folder / "broken.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(ValueError, match=said):
        read(path)


@pytest.mark.parametrize("name", BROKEN_NAM)
def test_refuses_broken_nam(name, tmp_path):
    refuses(interop.from_nam, *BROKEN_NAM[name], tmp_path)


@pytest.mark.parametrize("name", BROKEN_RTNEURAL)
def test_refuses_broken_rtneural(name, tmp_path):
    refuses(interop.from_rtneural, *BROKEN_RTNEURAL[name], tmp_path)


@pytest.mark.parametrize("read", [interop.from_nam, interop.from_rtneural])
def test_a_missing_file(read, tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none")
    with pytest.raises(ValueError, match="dtype"):
        read(tmp_path / "none", dtype="float16")

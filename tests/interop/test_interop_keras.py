"""Keras models in memory and in files, against Keras on torch, in one process of its own.

The process makes every model and its answers once; Keras is not imported here.
"""

import io
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import peephole
import pytest
from peephole import interop

h5py = pytest.importorskip("h5py")

MAKER = """
import json, sys
from pathlib import Path
import keras, numpy as np
from keras import layers as L
from peephole import interop
import peephole
folder = Path(sys.argv[1])
x = np.random.default_rng(0).standard_normal((4, 9, 3)).astype("float32")
def lstm(units, **options):
    options = {"return_sequences": True, "bias_initializer": "random_normal", **options}
    return L.LSTM(units, **options)
def bi(units, **options):
    return L.Bidirectional(lstm(units, **options))
def functional():
    i = keras.Input((None, 3))
    return keras.Model(i, L.Dense(2)(lstm(4, return_sequences=False)(lstm(5)(i))))
S = keras.Sequential
MODELS = {
    "one": S([lstm(4), L.Dense(2)]),
    "last": S([lstm(4, return_sequences=False), L.Dense(3, activation="softmax")]),
    "stack": S([lstm(5), L.Dropout(0.3), lstm(4, use_bias=False), lstm(6), L.Dense(1)]),
    "names": S([lstm(4, name="lstm_1"), lstm(4, name="lstm"), L.Dense(2, name="lstm_2")]),
    "bidirectional": S([bi(4), bi(3), L.TimeDistributed(L.Dense(2, activation="tanh"))]),
    "bidirectional last": S([bi(4), bi(3, return_sequences=False), L.Dense(2, use_bias=False)]),
    "mean": S([bi(4), L.GlobalAveragePooling1D(), L.Dense(2), L.Activation("sigmoid")]),
    "max": S([lstm(4), L.GlobalMaxPooling1D(), L.Dense(2), L.Softmax()]),
    "activations": S([lstm(4, activation="softsign", recurrent_activation="softplus"),
                      lstm(4, activation="relu"), lstm(4, activation=None), L.Dense(2)]),
    "layers alone": S([lstm(4), lstm(2)]),
    "functional": functional(),
    "trained": S([keras.Input((9, 3)), lstm(8, return_sequences=False), L.Dense(1)]),
}
MODELS["trained"].compile("adam", "mse")
MODELS["trained"].fit(x, x.sum((1, 2))[:, None], epochs=20, verbose=0)
for name, model in MODELS.items():
    data = x
    y = model.predict(data, verbose=0)
    model.save(folder / f"{name}.keras")
    model.save(folder / f"{name}.h5")
    ours = interop.from_keras(model)
    in_memory = ours(data)[0]
    again = interop.to_keras(ours).predict(data, verbose=0) if name != "activations" else y
    np.savez(folder / f"{name}.npz", x=data, y=y, in_memory=in_memory, again=again)
refused = {
    "mixed": S([keras.Input((None, 3)), bi(4), lstm(4)]),
    "hard": S([keras.Input((None, 3)), lstm(4, recurrent_activation="hard_sigmoid")]),
    "masking": S([keras.Input((None, 3)), L.Masking(), lstm(4)]),
    "gru": S([keras.Input((None, 3)), L.GRU(4)]),
    "two dense": S([keras.Input((None, 3)), lstm(4), L.Dense(2), L.Dense(2)]),
    "relu head": S([keras.Input((None, 3)), lstm(4), L.Dense(2, activation="relu")]),
    "backwards": S([keras.Input((None, 3)), lstm(4, go_backwards=True)]),
    "sum": S([keras.Input((None, 3)), L.Bidirectional(lstm(4), merge_mode="sum")]),
    "gelu": S([keras.Input((None, 3)), lstm(4, activation="gelu")]),
    "half": S([keras.Input((None, 3)), lstm(4, dtype="mixed_float16")]),
    "pooled": S([keras.Input((None, 3)), lstm(4), L.GlobalMaxPooling1D()]),
}
i = keras.Input((None, 3))
refused["branches"] = keras.Model(i, L.Add()([lstm(4)(i), lstm(4)(i)]))
h = keras.Input((4,))
refused["state"] = keras.Model([i, h], lstm(4)(i, initial_state=[h, h]))
y, h, c = L.LSTM(4, return_sequences=True, return_state=True)(i)
refused["state out"] = keras.Model(i, [y, h])
for name, model in refused.items():
    model.save(folder / f"refused {name}.keras")
messages = {}
for option in ({"peephole": "diagonal"}, {"activations": {"g": "relu"}}):
    try:
        interop.to_keras(peephole.LSTM(2, 3, **{"peephole": "none", **option}))
    except ValueError as error:
        messages[next(iter(option))] = str(error)
(folder / "messages.json").write_text(json.dumps(messages))
"""

MODELS = [
    "one", "last", "stack", "names", "bidirectional", "bidirectional last", "mean", "max",
    "activations", "layers alone", "functional", "trained",
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("keras")
    environment = {**os.environ, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", MAKER, str(folder)], env=environment, capture_output=True, text=True
    )
    if "No module named 'keras'" in done.stderr:
        pytest.skip("needs keras")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_keras(made, agree, name):
    answers = np.load(made / f"{name}.npz")
    agree(answers["in_memory"], answers["y"])
    agree(answers["again"], answers["y"])
    for suffix in ("keras", "h5"):
        model = interop.from_keras(made / f"{name}.{suffix}")
        agree(model(answers["x"])[0], answers["y"])


def test_readouts(made):
    readouts = {name: interop.from_keras(made / f"{name}.keras") for name in MODELS}
    assert isinstance(readouts.pop("layers alone"), peephole.LSTM)
    assert {name: net.readout for name, net in readouts.items() if net.readout != "all"} == {
        "last": "last", "bidirectional last": "last", "functional": "last", "trained": "last",
        "mean": "mean", "max": "max",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mixed", r"bidirectional: .*\[2, 1\]"),
        ("hard", r"hard_sigmoid of Keras 3, x/6 \+ 0.5"),
        ("masking", "Masking .*lengths="),
        ("gru", "GRU"),
        ("two dense", "Dense at this place"),
        ("relu head", "'relu' is not supported"),
        ("backwards", "go_backwards"),
        ("sum", "merge_mode: expected 'concat', got 'sum'"),
        ("gelu", "'gelu' is not supported"),
        ("half", "dtype: .*'mixed_float16'"),
        ("pooled", "pooling without a Dense"),
        ("branches", "expected a chain"),
        ("state", "expected a chain"),
        ("state out", "output_layers"),
    ],
)
def test_names_what_it_cannot_express(made, name, said):
    with pytest.raises(ValueError, match=said):
        interop.from_keras(made / f"refused {name}.keras")


def test_to_keras_names_what_it_cannot_express(made):
    messages = json.loads((made / "messages.json").read_text())
    assert "peephole: keras.layers.LSTM has none" in messages["peephole"]
    assert "has tanh for 'g'" in messages["activations"]


# Files in the form that Keras writes, made without it.

RNG = np.random.default_rng(0)
WEIGHTS = [RNG.standard_normal(s).astype("f") for s in [(3, 16), (4, 16), (16,)]]


def config(**changes):
    lstm = {"name": "lstm", "units": 4, "activation": "tanh", "recurrent_activation": "sigmoid"}
    layer = {"class_name": "LSTM", "config": {**lstm, "return_sequences": True, **changes}}
    return {"class_name": "Sequential", "config": {"name": "s", "layers": [layer]}}


def h5_bytes(fill, content=None, version="2.15.0"):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        if content is not None:
            file.attrs["model_config"] = json.dumps(content)
            file.attrs["keras_version"] = version
        fill(file)
    return buffer.getvalue()


def fill_h5(file, weights=WEIGHTS):
    group = file.create_group("model_weights/lstm")
    names = [f"lstm/lstm_cell/{n}:0" for n in ("kernel", "recurrent_kernel", "bias")]
    group.attrs["weight_names"] = [name.encode() for name in names]
    for name, values in zip(names, weights, strict=True):
        group[name] = values


def fill_keras(file, weights=WEIGHTS):
    for k, values in enumerate(weights):
        file[f"layers/lstm/cell/vars/{k}"] = values


def keras_bytes(content, fill=fill_keras, metadata='{"keras_version": "3.8.0"}', **members):
    buffer = io.BytesIO()
    weights = fill if isinstance(fill, bytes) else h5_bytes(fill)
    texts = {"metadata.json": metadata, "config.json": content, "model.weights.h5": weights}
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, value in {**texts, **members}.items():
            if value is not None:
                text = value if isinstance(value, (str, bytes)) else json.dumps(value)
                archive.writestr(name, text)
    return buffer.getvalue()


def written(path, content):
    path.write_bytes(content)
    return path


def test_hard_sigmoid_of_keras_2(tmp_path, agree):
    content = config(recurrent_activation="hard_sigmoid")
    path = written(tmp_path / "old.h5", h5_bytes(fill_h5, content))
    lstm = interop.from_keras(path)
    assert lstm.options["activations"][0]["i"] == "hard_sigmoid"
    for name, values in zip(("weight_ih_l0", "weight_hh_l0", "bias_l0"), WEIGHTS, strict=True):
        assert np.array_equal(lstm.parameters[name], values.T)
    path = written(tmp_path / "new.h5", h5_bytes(fill_h5, content, "3.0.0"))
    with pytest.raises(ValueError, match="hard_sigmoid of Keras 3"):
        interop.from_keras(path)


def linked(kind):
    def fill(file):
        fill_keras(file)
        del file["layers/lstm/cell/vars/0"]
        file["layers/lstm/cell/vars/0"] = kind

    return fill


def unstored(shape, **options):
    def fill(file):
        fill_keras(file)
        del file["layers/lstm/cell/vars/0"]
        file["layers/lstm/cell/vars"].create_dataset("0", shape, "f", **options)

    return fill


def external(file):
    fill_keras(file)
    del file["layers/lstm/cell/vars/0"]
    place = [("/etc/passwd", 0, 192)]
    file["layers/lstm/cell/vars"].create_dataset("0", (3, 16), "f", external=place)


def virtual(file):
    fill_keras(file)
    del file["layers/lstm/cell/vars/0"]
    layout = h5py.VirtualLayout((3, 16), "f")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3, 16))
    file["layers/lstm/cell/vars"].create_virtual_dataset("0", layout)


def shaped(*shapes):
    return lambda file: fill_keras(file, [np.ones(s, "f") for s in shapes])


def nan(file):
    fill_keras(file, [np.full((3, 16), np.nan, "f"), *WEIGHTS[1:]])


DEEP = "[" * 100_000
GOOD = config()
LOOP = {
    "class_name": "Functional",
    "config": {
        "layers": [
            {**GOOD["config"]["layers"][0], "name": "lstm", "inbound_nodes": [[["lstm", 0, 0, {}]]]}
        ],
        "output_layers": [["lstm", 0, 0]],
    },
}
LAMBDA = {"class_name": "Lambda", "config": {"function": ["4wEAAA==", None, None]}}
CUSTOM = {**GOOD["config"]["layers"][0], "registered_name": "Custom>LSTM"}


def model_of(*layers):
    return {"class_name": "Sequential", "config": {"layers": list(layers)}}


BROKEN = {
    "empty": (b"", "HDF5"),
    "pickle": (b"\x80\x04cos\nsystem\n(S'touch hit'\ntR.", "HDF5"),
    "text": (b"PK or not", "expected a .keras file"),
    "truncated zip": (keras_bytes(GOOD)[:-40], "expected a .keras file"),
    "damaged zip": (keras_bytes(GOOD).replace(b'"units": 4', b'"units": 5'), "expected a .keras"),
    "no config": (keras_bytes(None), "without config.json"),
    "no weights": (keras_bytes(GOOD, **{"model.weights.h5": None}), "without model.weights.h5"),
    "weights a text": (keras_bytes(GOOD, b"weights"), "HDF5"),
    "weights truncated": (keras_bytes(GOOD, h5_bytes(fill_keras)[:900]), "HDF5|there is no"),
    "config a pickle": (keras_bytes("cos\nsystem\n(S'touch hit'\ntR."), "expected JSON"),
    "config deep": (keras_bytes(DEEP), "too many levels"),
    "config a list": (keras_bytes([]), "JSON object, got list"),
    "metadata a list": (keras_bytes(GOOD, metadata="[]"), "metadata.json: expected a JSON object"),
    "no class": (keras_bytes({}), "no 'class_name'"),
    "subclass": (keras_bytes({"class_name": "Mine", "config": {}}), "got Mine"),
    "no layers": (keras_bytes(model_of()), "expected an LSTM, got none"),
    "layers a map": (keras_bytes({**GOOD, "config": {"layers": {}}}), "a list, got dict"),
    "layer a number": (keras_bytes(model_of(3)), "expected an object, got int"),
    "lambda": (keras_bytes(model_of(LAMBDA)), "Lambda at this place"),
    "custom": (keras_bytes(model_of(CUSTOM)), "Custom>LSTM is not a layer of Keras"),
    "cycle": (keras_bytes(LOOP), "expected a chain"),
    "units 0": (keras_bytes(config(units=0)), "at least 1"),
    "units text": (keras_bytes(config(units="4")), "an integer, got str"),
    "units huge": (keras_bytes(config(units=10**15)), "expected shape"),
    "activation a map": (keras_bytes(config(activation={"class_name": "E"})), "'E' is not supp"),
    "activation a list": (keras_bytes(config(activation=[1])), "not supported"),
    "dtype": (keras_bytes(config(dtype={"config": 3})), "dtype: "),
    "shape": (keras_bytes(GOOD, shaped((3, 15), (4, 16), (16,))), "expected shape"),
    "order": (keras_bytes(GOOD, shaped((3, 16), (3, 16), (16,))), "expected shape"),
    "scalar": (keras_bytes(GOOD, shaped((), (4, 16), (16,))), "expected shape"),
    "empty array": (keras_bytes(GOOD, shaped((0, 16), (4, 16), (16,))), "at least one value"),
    "NaN": (keras_bytes(GOOD, nan), "finite"),
    "strings": (keras_bytes(GOOD, lambda f: fill_keras(f, ["a", "b", "c"])), "array of floats"),
    "groups": (keras_bytes(GOOD, lambda f: f.create_group("layers/lstm/cell/vars/0")), "floats"),
    "no arrays": (keras_bytes(GOOD, lambda f: None), "there is no"),
    "external link": (keras_bytes(GOOD, linked(h5py.ExternalLink("/etc/x.h5", "/x"))), "links"),
    "soft link": (keras_bytes(GOOD, linked(h5py.SoftLink("/layers"))), "links"),
    "external values": (keras_bytes(GOOD, external), "other files"),
    "virtual values": (keras_bytes(GOOD, virtual), "other files"),
    "never stored": (keras_bytes(GOOD, unstored((10**9, 16))), "the file holds 0 bytes"),
    "chunks": (keras_bytes(GOOD, unstored((10**9, 16), chunks=(64, 16))), "holds 0 bytes"),
    "weights alone": (h5_bytes(fill_h5), "whole model"),
    "h5 config": (h5_bytes(fill_h5, [1]), "JSON object"),
    "h5 without arrays": (h5_bytes(lambda f: None, GOOD), "there is no"),
    "h5 truncated": (h5_bytes(fill_h5, GOOD)[:2000], "HDF5"),
}


def bomb():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(GOOD))
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", bytes(10**8))
    return buffer.getvalue()


BROKEN["bomb"] = (bomb(), "100000000 bytes are too many")


@pytest.mark.parametrize("name", BROKEN)
def test_refuses_broken_files(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content, said = BROKEN[name]
    path = written(tmp_path / "broken", content)
    with pytest.raises(ValueError, match=said):
        interop.from_keras(path)
    assert [p.name for p in tmp_path.iterdir()] == ["broken"]


def test_good_files_of_the_same_form(tmp_path):
    """Otherwise the broken ones would prove nothing."""
    for content in (keras_bytes(GOOD), h5_bytes(fill_h5, GOOD)):
        assert isinstance(interop.from_keras(written(tmp_path / "good", content)), peephole.LSTM)


def test_says_how_to_get_h5py(tmp_path, monkeypatch):
    path = written(tmp_path / "good", keras_bytes(GOOD))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match="pip install h5py"):
        interop.from_keras(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        interop.from_keras(tmp_path / "none.keras")

"""Files in the form that Keras writes, made without it: good ones, and broken ones to refuse."""

import io
import json
import sys
import zipfile

import numpy as np
import peephole
import pytest
from peephole import interop

h5py = pytest.importorskip("h5py")

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

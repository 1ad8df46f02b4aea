"""Keras models in memory and in files, against Keras on torch, in one process of its own.

The process makes every model and its answers once; Keras is not imported here.
"""

import json
import os
import subprocess
import sys

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
    "dense first": S([L.Dense(6, activation="relu", bias_initializer="random_normal"), bi(4),
                      L.Dense(2, activation="tanh")]),
    "activation first": S([L.TimeDistributed(L.Dense(5, use_bias=False)), L.Activation("softsign"),
                           lstm(4, return_sequences=False), L.Dense(2)]),
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
    "two dense first": S([keras.Input((None, 3)), L.Dense(2), L.Dense(2), lstm(4), L.Dense(2)]),
    "no dense after": S([keras.Input((None, 3)), L.Dense(2), lstm(4)]),
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
net = peephole.Network(2, 3, 1, peephole="none", input_dense_size=4, input_activation="one")
try:
    interop.to_keras(net)
except ValueError as error:
    messages["input_activation"] = str(error)
(folder / "messages.json").write_text(json.dumps(messages))
"""

MODELS = [
    "one", "last", "stack", "names", "bidirectional", "bidirectional last", "mean", "max",
    "activations", "layers alone", "functional", "dense first", "activation first", "trained",
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
        "activation first": "last",
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
        ("two dense first", "Dense at this place"),
        ("no dense after", "a dense layer before the LSTM is read only with one after it"),
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
    assert "input_activation: keras.layers.Dense has one of" in messages["input_activation"]

"""Each option, argument and name is in every place that lists it; a failure names the place.

The core's own list of options, in `options`, is the one that the others are compared with.
"""

import ast
import inspect
import pickle
import re
from dataclasses import fields
from importlib import resources
from pathlib import Path

import numpy as np
import peephole
import pytest
from peephole import _core
from peephole._types import LSTMOptions
from peephole.losses import Loss
from peephole.metrics import BY_NAME as METRICS
from peephole.training.arguments import FitArguments
from peephole.training.loss import BY_NAME as LOSSES
from peephole.training.optimisers import BY_NAME as OPTIMISERS
from reference import lstm as reference

SIZES = {"input_size", "hidden_sizes", "output_size"}
OF_LSTM = sorted(_core.LSTMFloat32(1, [1]).options.keys() - SIZES)
OF_NETWORK = sorted(_core.NetworkFloat32(1, [1], 1).options.keys() - SIZES - {*OF_LSTM})

# Options that the core does not have: they are used up in making a model.
OF_PYTHON = {"num_layers", "masks", "gate_inputs", "dtype", "seed", "recurrent_init"}

# A value of each option that is not its default.
OTHER = {
    "activations": [{"i": "relu", "f": "one", "g": "softsign", "o": "sigmoid", "c": "identity"}],
    "bias": False,
    "bidirectional": True,
    "cell_clip": 0.75,
    "coupled_input_forget": True,
    "dropout": 0.25,
    "layer_norm": "gates",
    "layer_norm_cell": "output",
    "layer_norm_epsilon": 0.01,
    "head": "tanh",
    "initial_state": "learned",
    "input_activation": "softplus",
    "input_dense_size": 4,
    "output_peephole": "current",
    "peephole": "dense",
    "peephole_gates": "io",
    "preactivation_clip": 2.5,
    "projection_clip": 0.5,
    "projection_size": 2,
    "quantization": "int8_fast",
    "readout": "last",
    "recurrent_dropout": 0.25,
    "zoneout": 0.25,
}

# Options of models that cannot be trained: what trains does not have them.
OF_INFERENCE = {"quantization"}
OF_TRAINING = [option for option in OF_LSTM if option not in OF_INFERENCE]

# What an option needs another option to have.
NEEDS = {
    "projection_clip": {"projection_size": 2},
    "input_activation": {"input_dense_size": 4},
}


def other(option):
    """Arguments with the other value of an option."""
    return {option: OTHER[option], **NEEDS.get(option, {})}


def keywords(function):
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p for p in parameters if p.default is not p.empty}


def described(text):
    """The names that the section Args of a docstring describes."""
    section = re.search(
        r"^Args:\n(.*?)(?=^\S|\Z)", inspect.cleandoc(text), re.DOTALL | re.MULTILINE
    )
    entries = re.findall(r"^    (?=[\w*])(.+?(?:\n {8}.+?)*?): ", section[1], re.MULTILINE)
    return {name for entry in entries for name in re.split(r",\s+", entry)}


def made(option):
    """A model with the other value of an option."""
    if option in OF_NETWORK:
        return peephole.Network(2, 3, 2, seed=0, **other(option))
    return peephole.LSTM(2, 3, seed=0, **other(option))


class TestOptionsOfModels:
    def test_signature(self):
        assert keywords(peephole.LSTM.__init__).keys() == {*OF_LSTM, *OF_PYTHON}
        assert keywords(peephole.Network.__init__).keys() == {*OF_NETWORK}

    def test_module_of_torch(self):
        """It has no seed, since torch's random numbers initialise it, and all else of LSTM.

        projection_size has torch's name, proj_size.
        """
        pytest.importorskip("torch")
        import peephole.torch

        of_torch = {"batch_first", "proj_size", "device"}
        found = keywords(peephole.torch.LSTM.__init__).keys() - of_torch
        assert found == {*OF_TRAINING, *OF_PYTHON} - {"seed", "projection_size"}

    def test_docstrings(self):
        arguments = inspect.signature(peephole.LSTM).parameters
        assert described(peephole.LSTM.__doc__) == {*arguments}
        arguments = inspect.signature(peephole.Network).parameters
        names = {name.removeprefix("**") for name in described(peephole.Network.__doc__)}
        assert names == {*arguments}

    def test_types_for_checkers(self):
        signature = keywords(peephole.LSTM.__init__)
        annotations = {k: v.__forward_arg__ for k, v in LSTMOptions.__annotations__.items()}
        assert annotations == {name: p.annotation for name, p in signature.items()}

    @pytest.mark.parametrize(("cls", "options"), [("LSTM", OF_LSTM), ("Network", OF_NETWORK)])
    def test_stub(self, cls, options):
        stub = resources.files("peephole").joinpath("_core.pyi").read_text(encoding="utf-8")
        (node,) = (n for n in ast.parse(stub).body if getattr(n, "name", "") == cls)
        arguments = {argument.arg for argument in node.body[0].args.kwonlyargs}
        assert arguments == ({*options} if cls == "LSTM" else {*OF_LSTM, *OF_NETWORK})

    @pytest.mark.parametrize("option", OF_LSTM + OF_NETWORK)
    def test_kept(self, option, tmp_path):
        assert option in OTHER, f"give {option} another value in this test"
        model = made(option)
        default = peephole.Network(2, 3, 2, seed=0).options[option]
        assert model.options[option] == OTHER[option] != default
        assert type(model)(**model.options).options == model.options
        assert pickle.loads(pickle.dumps(model)).options == model.options
        model.save(tmp_path / "model")
        assert peephole.load(tmp_path / "model").options == model.options

    @pytest.mark.parametrize("option", OF_LSTM + OF_NETWORK)
    def test_repr(self, option):
        assert f"{option}=" in repr(made(option))
        assert f"{option}=" not in repr(peephole.Network(2, 3, 2, seed=0))

    @pytest.mark.parametrize("option", OF_TRAINING + OF_NETWORK)
    def test_checkpoint(self, option, tmp_path):
        net = peephole.Network(2, 3, 2, seed=0, **other(option))
        y = np.zeros((1, 2) if net.readout == "last" else (1, 4, 2))
        path = tmp_path / "run"
        net.fit(np.zeros((1, 4, 2)), y, epochs=1, progress=False, checkpoint=path)
        assert peephole.training.load_checkpoint(path).options == net.options

    @pytest.mark.parametrize("option", OF_TRAINING)
    @pytest.mark.parametrize("cls", ["LSTMClassifier", "LSTMRegressor"])
    def test_estimators(self, cls, option):
        estimators = pytest.importorskip("peephole.sklearn")
        estimator = getattr(estimators, cls)(3, epochs=1, **other(option))
        estimator.fit(np.zeros((2, 3, 2)), np.arange(2))
        assert estimator.network_.options[option] == OTHER[option]

    def test_signature_of_estimators(self):
        estimators = pytest.importorskip("peephole.sklearn")
        ours, theirs = keywords(peephole.LSTM), keywords(estimators.LSTMClassifier)
        for name in {*OF_TRAINING, *OF_PYTHON} - {"masks", "gate_inputs", "seed"}:
            assert name in theirs, name
            assert (theirs[name].default, theirs[name].annotation) == (
                ours[name].default,
                ours[name].annotation,
            )
        assert described(estimators.LSTMClassifier.__doc__) == {*theirs}


class TestFuzzDictionary:
    """cpp/fuzz/load.dict lists the words of model files; a failure has those that it lacks."""

    WORDS = re.findall(
        r'^"(.+)"$',
        (Path(__file__).resolve().parents[2] / "cpp/fuzz/load.dict").read_text(encoding="utf-8"),
        re.MULTILINE,
    )

    def test_options(self):
        names = {*OF_LSTM, *OF_NETWORK, "input_size", "hidden_size", "output_size"}
        assert not {name for name in names if rf"\\\"{name}\\\":" not in self.WORDS}

    def test_values(self):
        values = {OTHER[name] for name in OF_LSTM + OF_NETWORK if isinstance(OTHER[name], str)}
        values = (values - {OTHER["peephole_gates"]}) | {*activation_names()}
        assert not {value for value in values if rf"\\\"{value}\\\"" not in self.WORDS}

    def test_parameters(self):
        names = set()
        for option in OF_LSTM + OF_NETWORK:
            names |= {*made(option).parameters}
        for form in ("gates", "products"):
            names |= {*peephole.LSTM(2, 3, layer_norm=form).parameters}
        sizes = {"projection_size": 2, "quantization": "int8"}
        names |= {*peephole.LSTM(20, 3, peephole="dense", **sizes).parameters}
        missing = {name for name in names if name.removesuffix("_reverse") not in self.WORDS}
        assert not missing


class TestArgumentsOfFit:
    def test_checked_ones(self):
        signature = keywords(peephole.Network.fit)
        del signature["y"]
        annotations = {name: p.annotation for name, p in signature.items()}
        assert {f.name: f.type for f in fields(FitArguments)} == annotations

    def test_docstring(self):
        names = described(peephole.Network.fit.__doc__)
        assert names == inspect.signature(peephole.Network.fit).parameters.keys() - {"self"}

    @pytest.mark.parametrize("name", [*LOSSES, *METRICS, *OPTIMISERS])
    def test_names_in_the_docstring(self, name):
        assert f'"{name}"' in peephole.Network.fit.__doc__

    def test_every_class_has_a_name(self):
        classes = [vars(peephole.losses)[name] for name in peephole.losses.__all__]
        needs_arguments = {peephole.losses.Quantile, peephole.losses.MixtureNLL}
        bases = {Loss, peephole.losses.Distribution}
        assert {*LOSSES.values()} == {*classes} - bases - needs_arguments
        classes = [vars(peephole.optim)[name] for name in peephole.optim.__all__]
        optimisers = {c for c in classes if inspect.isclass(c)} - {peephole.optim.Optimiser}
        assert {*OPTIMISERS.values()} == optimisers


def activation_names():
    """The names that the core knows, from its refusal of another."""
    with pytest.raises(ValueError, match="expected one of") as refusal:
        peephole.LSTM(1, 1, activations={"i": "?"})
    return re.search("expected one of (.+), got", str(refusal.value))[1].split(", ")


class TestActivations:
    def test_docstring(self):
        listed = re.search(r"Names: (.+?)\n\s+\w+: ", peephole.LSTM.__doc__, re.DOTALL)[1]
        for name in activation_names():
            assert re.search(rf"\b{name}\b", listed), name

    def test_reference(self):
        assert {*reference.ACTIVATIONS} == {*activation_names()}

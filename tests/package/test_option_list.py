"""Every option of a model, in every place that must know it.

The core's list of options is compared with signatures, docstrings, repr, pickles, files and
estimators. After a new row in the list, these tests name what is still missing.
"""

import copy
import inspect
import pickle
import re

import numpy as np
import peephole
import pytest
from peephole import _core, _types

DEFAULTS = _core.option_defaults()
CHOICES = _core.option_choices()
OF_LSTM = [name for name in _core.LSTMFloat32(1, [1]).options if name in DEFAULTS]
OF_NETWORK = [name for name in DEFAULTS if name not in OF_LSTM]
# Arguments of constructors that are not options of the core's models.
SIZES = {"input_size", "hidden_size", "num_layers", "output_size"}
OTHERS = {"masks", "gate_inputs", "dtype", "seed", "recurrent_init"}


def other_value(name):
    """An allowed value that is not the default."""
    default = DEFAULTS[name]
    if name in CHOICES:
        return next(choice for choice in CHOICES[name] if choice != default)
    if name == "peephole_gates":
        return "fo"
    if name == "activations":
        return [{"i": "one", "f": "relu", "g": "softsign", "o": "sigmoid", "c": "identity"}]
    if name in ("projection_size", "input_dense_size"):
        return 2
    return not default if isinstance(default, bool) else 0.25


# What an option needs another option to have.
NEEDS = {
    "projection_clip": {"projection_size": 2},
    "input_activation": {"input_dense_size": 2},
}


def changed(name):
    return {name: other_value(name), **NEEDS.get(name, {})}


def models(name):
    """A model of each class that has the option, with another value than the default."""
    if name in OF_LSTM:
        yield peephole.LSTM(2, 3, **changed(name), seed=0)
    yield peephole.Network(2, 3, 1, **changed(name), seed=0)


def class_of(name):
    return peephole.LSTM if name in OF_LSTM else peephole.Network


def parameters_of(function):
    return inspect.signature(function).parameters


def test_the_list():
    assert {"peephole", "bias", "dropout", "activations"} <= set(OF_LSTM)
    assert {"head", "readout"} <= set(OF_NETWORK)
    assert set(CHOICES) <= set(DEFAULTS)
    assert all(DEFAULTS[name] in (None, *choices) for name, choices in CHOICES.items())


def test_signatures_have_nothing_else():
    assert set(parameters_of(peephole.LSTM)) == set(OF_LSTM) | (SIZES - {"output_size"}) | OTHERS
    own = {k for k, v in parameters_of(peephole.Network).items() if v.kind is not v.VAR_KEYWORD}
    assert own == set(OF_NETWORK) | (SIZES - {"num_layers"})


@pytest.mark.parametrize("name", DEFAULTS)
def test_signature_and_docstring(name):
    parameter = parameters_of(class_of(name))[name]
    assert parameter.kind is parameter.KEYWORD_ONLY
    default = DEFAULTS[name] or None if name == "activations" else DEFAULTS[name]
    assert parameter.default == default
    assert type(parameter.default) is type(default)
    doc = inspect.getdoc(class_of(name))
    assert re.search(rf"^ +{name}: \S", doc, re.MULTILINE)
    if name in CHOICES:
        annotation = vars(_types).get(parameter.annotation, parameter.annotation)  # of an alias
        assert set(re.findall(r"['\"](\w+)['\"]", str(annotation))) == set(CHOICES[name])
        assert all(f'"{choice}"' in doc for choice in CHOICES[name])


def test_activations():
    doc = inspect.getdoc(peephole.LSTM)
    for name in _core.activation_names():
        assert re.search(rf"\b{name}\b", doc), name
        peephole.LSTM(1, 1, activations={"c": name}, seed=0)
    with pytest.raises(ValueError, match=", ".join(_core.activation_names())):
        peephole.LSTM(1, 1, activations={"c": "gelu"})


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_way_of_copying(name, tmp_path):
    value = other_value(name)
    for model in models(name):
        assert model.options[name] == value
        model.save(tmp_path / "model")
        copies = [
            type(model)(**model.options),
            copy.copy(model),
            copy.deepcopy(model),
            pickle.loads(pickle.dumps(model)),
            peephole.load(tmp_path / "model"),
        ]
        for other in copies:
            assert type(other) is type(model)
            assert other.options == model.options


@pytest.mark.parametrize("name", DEFAULTS)
def test_repr(name):
    """It shows what is not the default, and nothing else."""
    for model in models(name):
        shown = re.findall(r"(\w+)=", repr(model))
        assert sorted(shown) == sorted(changed(name))
    assert "=" not in repr(peephole.LSTM(2, 3, seed=0))
    assert "=" not in repr(peephole.Network(2, 3, 1, seed=0))


@pytest.mark.parametrize("name", [name for name in OF_LSTM if name != "quantization"])
@pytest.mark.parametrize("estimator", ["LSTMRegressor", "LSTMClassifier"])
def test_estimators(name, estimator):
    pytest.importorskip("sklearn")
    from peephole import sklearn

    cls = getattr(sklearn, estimator)
    parameter = parameters_of(cls)[name]
    assert parameter.default == parameters_of(peephole.LSTM)[name].default
    # The regressor's docstring refers to the classifier's.
    assert re.search(rf"\b{name}\b", inspect.getdoc(sklearn.LSTMClassifier))
    x, y = np.random.default_rng(0).standard_normal((6, 4)), np.arange(6) % 2
    fitted = cls(3, **changed(name), epochs=1, random_state=0).fit(x, y)
    assert fitted.network_.options[name] == other_value(name)


@pytest.mark.parametrize("name", DEFAULTS)
def test_wrong_values(name):
    cls = class_of(name)
    sizes = (2, 3) if cls is peephole.LSTM else (2, 3, 1)
    number = -7.5 if DEFAULTS[name] is None else 7.5  # bounds are above 0
    for wrong in ("x y", number, b"1"):
        with pytest.raises((TypeError, ValueError), match=rf"^{name}(\[0\])?: expected"):
            cls(*sizes, **{name: wrong})


def test_unknown_options():
    with pytest.raises(TypeError, match="colour"):
        _core.LSTMFloat32(1, [1], colour=1)
    with pytest.raises(TypeError, match="colour"):
        _core.NetworkFloat32(1, [1], 1, colour=1)
    with pytest.raises(TypeError, match="head"):
        _core.LSTMFloat32(1, [1], head="tanh")

"""Copies of optimisers, short representations, and files loaded by class."""

import copy

import numpy as np
import peephole
import pytest
from peephole import losses, optim, schedules, training
from peephole.models.base import Model

X, Y = np.zeros((4, 5, 3)), np.zeros((4, 5, 2))
NET = peephole.Network(3, 4, 2, seed=0)


def test_a_copy_of_an_optimiser_has_its_own_state():
    net = peephole.Network(3, 4, 2, seed=0)
    optimiser = optim.Adam(net.parameters, 1e-2, betas=(0.8, 0.9), weight_decay=0.1)
    optimiser.step(net.backward(net.forward(X + 1)[2], Y + 1))
    twin = copy.copy(optimiser)
    assert repr(twin) == repr(optimiser)
    before = optimiser.state()
    np.testing.assert_equal(twin.state(), before)
    twin.step(net.backward(net.forward(X + 1)[2], Y + 1))
    np.testing.assert_equal(optimiser.state(), before)
    assert (optimiser.steps, twin.steps) == (1, 2)
    with pytest.raises(TypeError, match=r"^Adam: cannot pickle or copy"):
        copy.deepcopy(optimiser)


def test_short_representations():
    adam = optim.Adam(NET.parameters, 3e-3, (0.8, 0.999))
    history = training.History([2.0, 1.0], [1.0] * 2, [0.1] * 2, [0.1] * 2, {"loss": [3.0, 1.5]})
    for value, text in [
        (adam, "Adam(parameters, learning_rate=0.003, betas=(0.8, 0.999))  # 0 steps"),
        (losses.Huber(2), "Huber(delta=2.0)"),
        (losses.MeanSquaredError(), "MeanSquaredError()"),
        (losses.CrossEntropy([1, 2]), "CrossEntropy(class_weight=[1.0, 2.0])"),
        (schedules.Step(10, 0.5), "Step(every=10, factor=0.5)"),
        (
            schedules.WarmUp(5, schedules.Cosine(floor=0.1)),
            "WarmUp(steps=5, then=Cosine(floor=0.1))",
        ),
        (history, "<History epochs=2, loss=1, validation loss=1.5>"),
    ]:
        assert repr(value) == text


def test_loading_by_class(tmp_path):
    for model, other in ((NET, peephole.LSTM), (NET.lstm, peephole.Network)):
        path = tmp_path / "model"
        model.save(path)
        loaded = type(model).load(path)
        assert type(loaded) is type(model)
        np.testing.assert_array_equal(loaded(X)[0], model(X)[0])
        with pytest.raises(ValueError, match=f"^path: .*{other.__name__}, got .*"):
            other.load(path)


@pytest.mark.parametrize("load", [peephole.load, peephole.Network.load, peephole.LSTM.load])
def test_loading_a_checkpoint(load, tmp_path):
    net = peephole.Network(3, 4, 2, seed=0)
    net.fit(X, Y, epochs=1, progress=False, checkpoint=tmp_path / "checkpoint")
    with pytest.raises(
        ValueError, match=r"checkpoint of a training, which .*load_checkpoint reads"
    ):
        load(tmp_path / "checkpoint")


@pytest.mark.parametrize("base", [Model, losses.Loss, optim.Optimiser])
def test_base_classes_make_no_objects(base):
    with pytest.raises(TypeError, match="abstract"):
        base()

"""Copies and pickles of models."""

import copy
import pickle

import numpy as np
import peephole
import pytest

X = np.random.default_rng(5).standard_normal((3, 4, 2)).astype("float32")


def values_of(model):
    return {name: view.copy() for name, view in model.parameters.items()}


@pytest.fixture(params=["float32", "float64"])
def masked(request):
    masks = {"weight_hh_l0": np.random.default_rng(1).random((12, 3)) < 0.5}
    return peephole.Network(2, 3, 4, head="softmax", masks=masks, dtype=request.param, seed=0)


COPIES = {
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
class TestCopies:
    def test_are_equal(self, masked, duplicate):
        twin = duplicate(masked)
        assert type(twin) is type(masked)
        assert twin.options == masked.options
        np.testing.assert_equal(values_of(twin), values_of(masked))
        np.testing.assert_equal(twin.masks, masked.masks)
        np.testing.assert_array_equal(twin.predict(X), masked.predict(X))

    def test_share_nothing(self, masked, duplicate):
        twin = duplicate(masked)
        before = masked.predict(X)
        for name in twin.parameters:
            twin.parameters[name][...] = 3
        np.testing.assert_array_equal(masked.predict(X), before)

    def test_stay_masked(self, masked, duplicate):
        twin = duplicate(masked)
        twin.parameters["weight_hh_l0"] = np.ones((12, 3))
        np.testing.assert_array_equal(
            twin.parameters["weight_hh_l0"] != 0, masked.masks["weight_hh_l0"]
        )

    def test_of_a_layer(self, masked, duplicate):
        twin = duplicate(masked.lstm)
        assert type(twin) is peephole.LSTM
        np.testing.assert_array_equal(twin(X)[0], masked.lstm(X)[0])


def test_masks_are_copies(masked):
    masked.masks["weight_hh_l0"][:] = True
    assert not masked.masks["weight_hh_l0"].all()
    assert set(masked.masks) == {"weight_hh_l0"}
    assert set(masked.lstm.masks) == {"weight_hh_l0"}

"""Estimators that continue a training: warm_start and partial_fit."""

import copy
import pickle

import numpy as np
import peephole
import pytest
from support.fitting import values_of

pytest.importorskip("sklearn")
from peephole.sklearn import LSTMClassifier, LSTMRegressor
from sklearn.base import clone

OPTIONS = {"hidden_size": 4, "epochs": 3, "random_state": 0}


@pytest.fixture
def x(rng):
    return rng.standard_normal((12, 5, 2))


@pytest.fixture
def y(rng):
    return rng.permutation(["a", "b", "c"] * 4)


def weights(estimator):
    return values_of(estimator.network_)


class TestWarmStart:
    def test_continues(self, x, y):
        estimator = LSTMClassifier(warm_start=True, **OPTIONS).fit(x, y)
        network, first = estimator.network_, weights(estimator)
        estimator.fit(x, y)
        assert estimator.network_ is network
        assert any((value != first[name]).any() for name, value in weights(estimator).items())

    def test_without_it_fit_starts_again(self, x, y):
        estimator = LSTMClassifier(**OPTIONS).fit(x, y)
        first = weights(estimator)
        np.testing.assert_equal(weights(estimator.fit(x, y)), first)

    @pytest.mark.parametrize(
        ("says", "change"),
        [
            (r"^X\[0\]: expected sequences of 2 features", lambda e, x, y: e.fit(x[..., :1], y)),
            ("^y: expected the classes", lambda e, x, y: e.fit(x[:8], np.repeat(["a", "b"], 4))),
            ("^hidden_size: expected 4", lambda e, x, y: e.set_params(hidden_size=5).fit(x, y)),
            ("^dropout: expected 0.0", lambda e, x, y: e.set_params(dropout=0.5).fit(x, y)),
        ],
    )
    def test_what_cannot_continue(self, says, change, x, y):
        estimator = LSTMClassifier(warm_start=True, **OPTIONS).fit(x, y)
        first = weights(estimator)
        with pytest.raises(ValueError, match=says):
            change(estimator, x, y)
        np.testing.assert_equal(weights(estimator), first)
        np.testing.assert_array_equal(estimator.classes_, ["a", "b", "c"])
        assert estimator.predict(x).shape == (12,)

    def test_another_number_of_targets(self, x, rng):
        estimator = LSTMRegressor(warm_start=True, **OPTIONS).fit(x, rng.standard_normal((12, 2)))
        with pytest.raises(ValueError, match=r"^y: expected 2 outputs"):
            estimator.fit(x, rng.standard_normal(12))
        assert estimator.predict(x).shape == (12, 2)

    def test_is_a_flag(self, x, y):
        estimator = LSTMClassifier(warm_start="yes", **OPTIONS).fit(x, y)
        with pytest.raises(TypeError, match="warm_start"):
            estimator.fit(x, y)


class TestPartialFit:
    def test_as_epochs_of_one_training(self, x, rng):
        """With the state of the optimiser; the order of the sequences is the same here."""
        targets = rng.standard_normal(12)
        options = {"hidden_size": 4, "random_state": 0, "fit_options": {"shuffle": False}}
        estimator = LSTMRegressor(**options)
        for _ in range(3):
            estimator.partial_fit(x, targets)
        whole = LSTMRegressor(epochs=3, **options).fit(x, targets)
        np.testing.assert_equal(weights(estimator), weights(whole))

    def test_after_fit(self, x, rng):
        targets = rng.standard_normal(12)
        options = {"hidden_size": 4, "random_state": 0, "fit_options": {"shuffle": False}}
        estimator = LSTMRegressor(epochs=2, **options).fit(x, targets).partial_fit(x, targets)
        whole = LSTMRegressor(epochs=3, **options).fit(x, targets)
        np.testing.assert_equal(weights(estimator), weights(whole))

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
    def test_copies_continue_alike(self, copied, x, y):
        estimator = LSTMClassifier(**OPTIONS).partial_fit(x, y, classes=["a", "b", "c"])
        other = copied(estimator)
        estimator.partial_fit(x, y)
        other.partial_fit(x, y)
        np.testing.assert_equal(weights(other), weights(estimator))
        assert not hasattr(clone(estimator), "network_")

    def test_classes(self, x, y):
        estimator = LSTMClassifier(**OPTIONS)
        with pytest.raises(ValueError, match=r"^classes: expected all labels in the first call"):
            estimator.partial_fit(x, y)
        some = np.flatnonzero(y != "c")
        estimator.partial_fit(x[some], y[some], classes=["c", "b", "a"])
        np.testing.assert_array_equal(estimator.classes_, ["a", "b", "c"])
        estimator.partial_fit(x, y)
        with pytest.raises(ValueError, match=r"^y: expected labels among"):
            estimator.partial_fit(x[:1], ["d"])
        with pytest.raises(ValueError, match=r"^classes: expected the classes"):
            estimator.partial_fit(x, y, classes=["a", "b"])

    def test_the_learning_rate_can_change(self, x, rng):
        targets = rng.standard_normal(12)
        estimator = LSTMRegressor(**OPTIONS).partial_fit(x, targets)
        estimator.set_params(learning_rate=1e-5).partial_fit(x, targets)
        assert estimator.history_.learning_rate == [1e-5]

    def test_any_optimiser(self, x, rng):
        targets = rng.standard_normal(12)
        for optimiser in ("sgd", lambda p, r: peephole.optim.RMSprop(p, r)):
            estimator = LSTMRegressor(**OPTIONS, fit_options={"optimiser": optimiser})
            estimator.partial_fit(x, targets).partial_fit(x, targets)

"""Weights of samples and classes, and missing targets, in the estimators."""

import numpy as np
import pytest
import sklearn
from peephole.sklearn import LSTMClassifier, LSTMRegressor
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


@pytest.fixture
def data(rng):
    """Noise, with labels of which a few are "rare"."""
    return rng.normal(size=(60, 5, 2)), np.where(np.arange(60) % 6 == 0, "rare", "usual")


def parameters(estimator):
    return np.array(estimator.network_.parameters["head.bias"])


def test_weights_go_to_the_loss(data, rng):
    x, y = data
    w = rng.uniform(0, 1, 60)
    for estimator, target in ((LSTMClassifier, y), (LSTMRegressor, x[:, 0])):
        one = estimator(4, epochs=2, random_state=0).fit(x, target, sample_weight=w)
        other = estimator(4, epochs=2, random_state=0, fit_options={"sample_weight": w})
        plain = clone(one).fit(x, target)
        np.testing.assert_array_equal(parameters(one), parameters(other.fit(x, target)))
        assert (parameters(one) != parameters(plain)).any()
        again = clone(one).partial_fit(x, target, **extra(estimator), sample_weight=w)
        without = clone(one).partial_fit(x, target, **extra(estimator))
        assert (parameters(again) != parameters(without)).any()


def extra(estimator):
    return {"classes": ["rare", "usual"]} if estimator is LSTMClassifier else {}


def test_weight_zero_is_absence(data):
    """In one batch, a sequence of weight 0 has no effect."""
    x, y = data
    w = (np.arange(60) < 40).astype(float)
    options = {"epochs": 3, "batch_size": 60, "random_state": 0, "dtype": "float64"}
    one = LSTMClassifier(4, **options).fit(x, y, w)
    other = LSTMClassifier(4, **options).fit(x[:40], y[:40])
    np.testing.assert_allclose(parameters(one), parameters(other), rtol=1e-9)


def test_class_weight(data):
    x, y = data
    usual = LSTMClassifier(4, epochs=20, random_state=0).fit(x, y)
    rare = LSTMClassifier(4, epochs=20, random_state=0, class_weight={"rare": 1000}).fit(x, y)
    assert (rare.predict(x) == "rare").mean() > 0.9 > (usual.predict(x) == "rare").mean()
    options = {"fit_options": {"class_weight": [1000, 1]}, "random_state": 0}
    same = LSTMClassifier(4, epochs=20, **options).fit(x, y)
    np.testing.assert_array_equal(parameters(same), parameters(rare))


def test_balanced(data):
    x, y = data
    one = LSTMClassifier(4, epochs=2, random_state=0, class_weight="balanced").fit(x, y)
    weights = {"rare": 60 / (2 * 10), "usual": 60 / (2 * 50)}
    other = LSTMClassifier(4, epochs=2, random_state=0, class_weight=weights).fit(x, y)
    np.testing.assert_array_equal(parameters(one), parameters(other))
    with pytest.raises(ValueError, match=r"class_weight: expected .* for partial_fit"):
        clone(one).partial_fit(x, y, classes=np.unique(y))


def test_class_weight_is_a_parameter(data):
    classifier = LSTMClassifier(class_weight={"rare": 2.0})
    assert classifier.get_params()["class_weight"] == {"rare": 2.0}
    assert "class_weight" not in LSTMRegressor().get_params()
    assert LSTMRegressor().get_params().keys() < classifier.get_params().keys()
    assert (
        repr(LSTMClassifier(class_weight="balanced")) == "LSTMClassifier(class_weight='balanced')"
    )
    grid = {"class_weight": [None, "balanced"], "hidden_size": [3]}
    search = GridSearchCV(LSTMClassifier(epochs=1, random_state=0), grid, cv=2, error_score="raise")
    assert len(search.fit(*data).cv_results_["params"]) == 2


def test_metadata_routing(data, rng):
    x, y = data
    flat, w = x.reshape(60, -1), rng.uniform(0, 1, 60)
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = LSTMClassifier(4, n_steps=5, epochs=2, random_state=0)
        classifier.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, classifier)
        pipeline.fit(flat, y, sample_weight=w)
        scaled = StandardScaler().fit_transform(flat)
        expected = LSTMClassifier(4, n_steps=5, epochs=2, random_state=0).fit(scaled, y, w)
        np.testing.assert_array_equal(parameters(pipeline[-1]), parameters(expected))
        scores = cross_validate(
            pipeline, flat, y, params={"sample_weight": w}, cv=2, error_score="raise"
        )
        assert np.isfinite(scores["test_score"]).all()


def test_missing_targets(rng):
    x = rng.normal(size=(60, 5, 2))
    y = np.column_stack([x[..., 0].sum(axis=1), x[..., 1].sum(axis=1)])
    gaps = y.copy()
    gaps[::3, 0] = gaps[1::4, 1] = np.nan
    with pytest.raises(ValueError, match="y contains NaN"):
        LSTMRegressor(4, epochs=1).fit(x, gaps)
    regressor = LSTMRegressor(12, epochs=150, random_state=0, fit_options={"missing": "skip"})
    regressor.fit(x, gaps)
    assert regressor.score(x, y) > 0.8
    of_output = []
    for k in range(2):
        there = ~np.isnan(gaps[:, k])
        of_output.append(r2_score(gaps[there, k], regressor.predict(x)[there, k]))
    assert regressor.score(x, gaps) == pytest.approx(np.mean(of_output), rel=1e-9)
    assert np.isnan(regressor.score(x, np.full_like(y, np.nan)))


@pytest.mark.parametrize(
    ("options", "weights", "says"),
    [
        ({"class_weight": "auto"}, None, "class_weight: expected"),
        ({"class_weight": [1, 2]}, None, "class_weight: expected"),
        ({"class_weight": {"rare": -1}}, None, "class_weight: expected"),
        ({}, np.zeros(60), "sample_weight: expected"),
        ({}, np.ones((60, 5)), "sample_weight: expected"),
        ({}, np.full(60, np.nan), "sample_weight: expected"),
    ],
)
def test_refuses(options, weights, says, data):
    with pytest.raises(ValueError, match=says):
        LSTMClassifier(2, epochs=1, **options).fit(*data, sample_weight=weights)


def test_refuses_masked_arrays(data):
    x, y = data
    mask = np.zeros(60, bool)
    mask[3] = True
    of_x = np.ma.array(x, mask=np.broadcast_to(mask[:, None, None], x.shape))
    values = np.ma.array(np.arange(60.0), mask=mask)
    for arguments in ((of_x, y), (x, np.ma.array(y, mask=mask)), (x, y, values)):
        with pytest.raises(TypeError, match="without masked values"):
            LSTMClassifier(2, epochs=1).fit(*arguments)
    with pytest.raises(TypeError, match="without masked values"):
        LSTMRegressor(2, epochs=1).fit(x, values)
    with pytest.raises(TypeError, match="without masked values"):
        LSTMRegressor(2, epochs=1).fit(x, np.arange(60.0)).predict(of_x)

"""peephole.sklearn: the estimators keep scikit-learn's conventions, and learn."""

import pickle
import subprocess
import sys

import numpy as np
import peephole
import pytest
from peephole.sklearn import LSTMClassifier, LSTMRegressor
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

STEPS, FEATURES = 9, 2


@pytest.fixture
def sequences(rng):
    """Fifty (T_i, FEATURES) of two kinds: whether the first feature begins high or low."""
    kinds = np.arange(50) % 2
    x = [rng.normal(size=(rng.integers(3, STEPS), FEATURES)) for _ in kinds]
    for item, kind in zip(x, kinds, strict=True):
        item[0, 0] = 3 if kind else -3
    return x, np.array(["low", "high"])[kinds]


@pytest.fixture
def windows(rng):
    """(60, STEPS, FEATURES), and the sum over the steps of the first feature."""
    x = rng.normal(size=(60, STEPS, FEATURES))
    return x, x[..., 0].sum(axis=1)


def cannot_hold(estimator):
    """As scikit-learn lists for its own networks."""
    return {
        "check_sample_weight_equivalence_on_dense_data": "sequences that are repeated fill more "
        "mini-batches than sequences that weigh more"
    }


# Batches smaller than the data of the checks: with one batch, repeating is weighing up to rounding.
ESTIMATORS = [LSTMClassifier(batch_size=8), LSTMRegressor(batch_size=8)]


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=cannot_hold)
def test_convention(estimator, check):
    """All checks of the installed scikit-learn, with the failures of its own networks."""
    check(estimator)


def test_classifies_sequences_of_different_lengths(sequences):
    x, y = sequences
    classifier = LSTMClassifier(8, random_state=0).fit(x[:40], y[:40])
    assert classifier.score(x[40:], y[40:]) == 1
    assert classifier.classes_.tolist() == ["high", "low"]
    assert classifier.n_features_in_ == FEATURES
    assert len(classifier.history_.loss) == classifier.epochs
    probabilities = classifier.predict_proba(x)
    assert probabilities.shape == (50, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(probabilities, classifier.network_.predict(x), rtol=1e-6)


def test_flat_windows_are_the_same_as_arrays(windows):
    x, y = windows
    regressor = LSTMRegressor(8, epochs=3, random_state=0)
    of_arrays = clone(regressor).fit(x, y).predict(x)
    of_lists = clone(regressor).fit(list(x), y).predict(list(x))
    flat = x.reshape(len(x), -1)
    of_flat = clone(regressor).set_params(n_steps=STEPS).fit(flat, y)
    np.testing.assert_array_equal(of_flat.predict(flat), of_arrays)
    np.testing.assert_array_equal(of_lists, of_arrays)
    assert of_flat.n_features_in_ == STEPS * FEATURES
    assert of_flat.network_.input_size == FEATURES


def test_flat_windows_are_one_feature_a_step(windows):
    flat = windows[0][..., 0]
    regressor = LSTMRegressor(4, epochs=1, random_state=0).fit(flat, windows[1])
    assert regressor.network_.input_size == 1
    expected = regressor.network_.predict(flat[..., None])[:, 0]
    np.testing.assert_array_equal(regressor.predict(flat), expected)


def test_an_object_array_is_a_list(sequences):
    x, y = sequences
    boxed = np.empty(len(x), object)
    boxed[:] = x
    classifier = LSTMClassifier(4, epochs=1, random_state=0)
    expected = clone(classifier).fit(x, y).predict_proba(x)
    np.testing.assert_array_equal(clone(classifier).fit(boxed, y).predict_proba(boxed), expected)


def test_targets_keep_their_shape(windows):
    x, y = windows
    both = np.column_stack([y, -y])
    regressor = LSTMRegressor(4, epochs=1, random_state=0)
    assert clone(regressor).fit(x, y).predict(x[:5]).shape == (5,)
    assert clone(regressor).fit(x, y[:, None]).predict(x[:5]).shape == (5, 1)
    assert clone(regressor).fit(x, both).predict(x[:5]).shape == (5, 2)


def test_regression_in_a_pipeline_with_scaled_targets(windows):
    x, y = windows
    flat = 100 + 20 * x.reshape(len(x), -1)
    model = TransformedTargetRegressor(
        make_pipeline(
            StandardScaler(), LSTMRegressor(16, n_steps=STEPS, epochs=150, random_state=0)
        ),
        transformer=StandardScaler(),
    )
    assert model.fit(flat, 1000 * y).score(flat, 1000 * y) > 0.9


def test_grid_search_over_sequences(sequences):
    x, y = sequences
    search = GridSearchCV(
        LSTMClassifier(4, epochs=20, random_state=0),
        {"hidden_size": [2, 6], "peephole": ["none", "diagonal"]},
        cv=2,
        error_score="raise",
    ).fit(x, y)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.network_.hidden_sizes[0] == search.best_params_["hidden_size"]
    assert search.best_score_ > 0.8
    assert cross_val_score(search.best_estimator_, x, y, cv=2).shape == (2,)


def test_pickle_and_clone(sequences):
    x, y = sequences
    classifier = LSTMClassifier(
        [4, 3], activations={"c": "softsign"}, epochs=2, random_state=1, dtype="float64"
    ).fit(x, y)
    same = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(same.predict_proba(x), classifier.predict_proba(x))
    assert same.history_.loss == classifier.history_.loss
    fresh = clone(classifier)
    assert fresh.get_params() == classifier.get_params()
    assert not hasattr(fresh, "network_")
    np.testing.assert_array_equal(fresh.fit(x, y).predict_proba(x), classifier.predict_proba(x))


def test_parameters_reach_the_network(windows):
    options = {
        "peephole": "dense",
        "peephole_gates": "ifo",
        "output_peephole": "current",
        "bias": False,
        "coupled_input_forget": True,
        "bidirectional": True,
        "dropout": 0.1,
        "recurrent_dropout": 0.2,
        "zoneout": 0.3,
        "dtype": "float64",
    }
    regressor = LSTMRegressor(3, 2, epochs=1, **options).fit(*windows)
    assert {name: regressor.network_.options[name] for name in options} == options
    assert regressor.network_.hidden_sizes == (3, 3)
    assert regressor.network_.readout == "last"


def test_fit_options_go_to_fit(windows):
    regressor = LSTMRegressor(3, epochs=5, fit_options={"epochs": 2}).fit(*windows)
    assert len(regressor.history_.loss) == 2
    with pytest.raises(TypeError, match="colour"):
        LSTMRegressor(3, fit_options={"colour": 1}).fit(*windows)


def test_random_state(windows):
    x, y = windows

    def predictions(random_state):
        return LSTMRegressor(4, epochs=1, random_state=random_state).fit(x, y).predict(x)

    np.testing.assert_array_equal(predictions(3), predictions(3))
    np.testing.assert_array_equal(predictions(np.random.RandomState(3)), predictions(3))
    assert (predictions(3) != predictions(4)).any()


@pytest.mark.parametrize(
    ("x", "y", "options", "says"),
    [
        (np.zeros((4, 7)), np.arange(4.0), {"n_steps": 3}, "X: expected flat windows of n_steps=3"),
        (np.zeros((4, 6)), np.arange(4.0), {"n_steps": 0}, "n_steps: expected at least 1, got 0"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], [0.0, 1.0], {}, r"X\[1\]: expected sequences of 3"),
        ([np.zeros((2, 3)), np.zeros((0, 3))], [0.0, 1.0], {}, r"minimum of 1 is required"),
        ([np.zeros((2, 3)), np.full((1, 3), np.nan)], [0.0, 1.0], {}, r"X\[1\] contains NaN"),
        (np.full((2, 3, 1), np.inf), [0.0, 1.0], {}, "X contains infinity"),
        (np.zeros((2, 3, 1, 1)), [0.0, 1.0], {}, "dim 4"),
        (np.zeros((2, 3, 1)), [0.0, 1.0, 2.0], {}, "inconsistent numbers of samples"),
        (np.zeros((2, 3, 1)), np.zeros((2, 1, 1)), {}, "dim 3"),
        (np.zeros((2, 3, 1)), [0.0, 1.0], {"hidden_size": 0}, "hidden_size: expected"),
        (np.zeros((2, 3, 1)), [0.0, 1.0], {"epochs": 0}, "epochs: expected at least 1"),
        (np.zeros((2, 3, 1)), None, {}, "requires y to be passed"),
    ],
)
def test_refuses(x, y, options, says):
    with pytest.raises(ValueError, match=says):
        LSTMRegressor(**options).fit(x, y)


def test_refuses_one_class_and_other_features(windows):
    x, _ = windows
    with pytest.raises(ValueError, match="at least two classes, got one class"):
        LSTMClassifier().fit(x, np.zeros(len(x), int))
    classifier = LSTMClassifier(2, epochs=1).fit(x, np.arange(len(x)) % 2)
    with pytest.raises(ValueError, match=r"X\[0\]: expected sequences of 2 features"):
        classifier.predict(x[..., :1])


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )


def test_peephole_itself_does_not_need_scikit_learn():
    result = run("import sys, peephole; sys.exit('sklearn' in sys.modules)")
    assert result.returncode == 0, result.stderr


def test_says_how_to_get_scikit_learn():
    result = run("import sys; sys.modules['sklearn'] = None; import peephole.sklearn")
    assert result.returncode == 1
    assert 'pip install "peephole[sklearn]"' in result.stderr


def test_is_not_taken_for_scikit_learn():
    import sklearn

    assert sklearn is not sys.modules["peephole.sklearn"]
    assert peephole.sklearn is sys.modules["peephole.sklearn"]

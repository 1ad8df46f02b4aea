"""`class_weight` of fit."""

import numpy as np
import pytest
from peephole import losses
from support.fitting import INPUTS, network, quiet, ragged, values_of
from support.refusals import refused

N = 40


def same_training(x, y, first, second, readout="last"):
    one, other = network("softmax", readout), network("softmax", readout)
    quiet(one, x, y, **first)
    quiet(other, x, y, **second)
    np.testing.assert_equal(values_of(one), values_of(other))
    return one


@pytest.fixture
def data(rng):
    return rng.standard_normal((N, 7, INPUTS)), rng.choice(4, N, p=[0.6, 0.2, 0.15, 0.05])


@pytest.mark.parametrize(
    "class_weight", [{1: 3.0, 3: 0.5}, [1.0, 3.0, 1.0, 0.5], {np.int64(1): 3, 3: 0.5, 0: 1}]
)
def test_is_that_of_the_loss(class_weight, data):
    loss = losses.CrossEntropy([1.0, 3.0, 1.0, 0.5])
    net = same_training(*data, {"class_weight": class_weight}, {"loss": loss})
    plain = network()
    quiet(plain, *data)
    assert (values_of(net)["head.bias"] != values_of(plain)["head.bias"]).any()


def test_balanced_is_scikit_learns(data):
    weights = pytest.importorskip("sklearn.utils.class_weight")
    x, y = data
    expected = weights.compute_class_weight("balanced", classes=np.arange(4), y=y)
    same_training(x, y, {"class_weight": "balanced"}, {"class_weight": expected})


def test_balanced_counts_real_steps_and_labels_that_count(rng):
    x = ragged(rng)
    y = [rng.integers(-1, 3, len(s)) for s in x]  # label 3 does not occur
    counts = np.bincount(np.concatenate(y) + 1, minlength=5)[1:]
    expected = np.where(counts > 0, counts.sum() / (3 * np.maximum(counts, 1)), 1.0)
    loss = losses.CrossEntropy(ignore_label=-1)
    weighted = losses.CrossEntropy(expected, ignore_label=-1)
    first = {"class_weight": "balanced", "loss": loss}
    same_training(x, y, first, {"loss": weighted}, "all")


def test_balanced_counts_what_is_trained_on(data):
    x, y = data
    held = {"validation_share": 0.5, "validation_shuffle": False}
    counts = np.bincount(y[: N // 2], minlength=4)
    expected = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
    expected[counts == 0] = 1
    first = {"class_weight": "balanced", **held}
    same_training(x, y, first, {"class_weight": expected, **held})


def test_with_weights_of_samples(data, rng):
    """They multiply."""
    x, y = data
    of_class, w = np.array([1.0, 2.0, 3.0, 0.5]), rng.uniform(0, 1, N)
    first = {"class_weight": of_class, "sample_weight": w, "batch_size": N}
    one, other = network(), network()
    quiet(one, x, y, **first)
    quiet(other, x, y, sample_weight=w * of_class[y], batch_size=N)
    for name, value in values_of(one).items():
        np.testing.assert_allclose(value, other.parameters[name], atol=1e-12)


def test_of_batches(data):
    x, y = data
    weights = {1: 3.0}
    net, other = network(), network()
    quiet(net, lambda: [(x, y)], None, class_weight=weights)
    quiet(other, lambda: [(x, y)], None, loss=losses.CrossEntropy([1.0, 3.0, 1.0, 1.0]))
    np.testing.assert_equal(values_of(net), values_of(other))
    with refused(ValueError, "class_weight"):
        quiet(net, lambda: [(x, y)], None, class_weight="balanced")


@pytest.mark.parametrize(
    ("error", "class_weight", "options"),
    [
        (ValueError, "auto", {}),
        (ValueError, {4: 1.0}, {}),
        (ValueError, {-1: 1.0}, {}),
        (TypeError, {"a": 1.0}, {}),
        (TypeError, {True: 1.0}, {}),
        (TypeError, {1: "a"}, {}),
        (ValueError, {1: -1.0}, {}),
        (ValueError, {1: np.nan}, {}),
        (ValueError, [1.0, 2.0], {}),
        (ValueError, dict.fromkeys(range(4), 0), {}),
        (TypeError, 3, {}),
        (ValueError, {1: 2.0}, {"loss": losses.CrossEntropy([1.0] * 4)}),
        (ValueError, {1: 2.0}, {"loss": "mse"}),
        (ValueError, {1: 2.0}, {"loss": lambda y, t, n: (0.0, y)}),
    ],
)
def test_bad_input(error, class_weight, options, data):
    net = network()
    before = values_of(net)
    x, y = data
    if options.get("loss") == "mse":
        y = np.zeros((N, 4))
    with refused(error, "class_weight"):
        quiet(net, x, y, class_weight=class_weight, **options)
    np.testing.assert_equal(values_of(net), before)

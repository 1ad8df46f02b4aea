"""A term that does not count is absent: missing, of weight 0, or both, and not finite."""

import numpy as np
import peephole
import pytest
from peephole import losses
from support.fitting import network, quiet, values_of
from support.losses import sigmoid, softmax

N, D = 8, 2


# name -> (the loss, y of the logits, O)
OF_VALUES = {
    "mse": (losses.MeanSquaredError(), np.copy, D),
    "mae": (losses.MeanAbsoluteError(), np.copy, D),
    "huber": (losses.Huber(), np.copy, D),
    "binary_cross_entropy": (losses.BinaryCrossEntropy(), sigmoid, D),
    "pos_weight": (losses.BinaryCrossEntropy(2), sigmoid, D),
    "quantile": (losses.Quantile([0.2, 0.7]), np.copy, 2 * D),
    "gaussian_nll": (losses.GaussianNLL(), np.copy, 2 * D),
    "student_t_nll": (losses.StudentTNLL(), np.copy, 3 * D),
}
OF_LABELS = {
    "cross_entropy": losses.CrossEntropy(),
    "class weights": losses.CrossEntropy([1.0, 0.0, 2.0]),
    "ignored label": losses.CrossEntropy(ignore_label=-1),
}


@pytest.mark.parametrize("name", OF_VALUES)
@pytest.mark.parametrize("absent", [np.nan, np.inf, -np.inf, 1e308])
def test_a_target_of_weight_zero(name, absent, rng):
    loss, head, outputs = OF_VALUES[name]
    logits, targets = rng.standard_normal((N, outputs)), rng.uniform(0, 1, (N, D))
    weights = rng.uniform(0.5, 1, N)
    targets[[1, 4]], weights[[1, 4]] = absent, 0
    with np.errstate(over="ignore", invalid="ignore"):
        value = loss(head(logits), logits, targets, weights)
    kept = weights > 0
    rest = loss(head(logits)[kept], logits[kept], targets[kept], weights[kept])
    assert value.mean == pytest.approx(rest.mean, rel=1e-14)
    assert value.weight == pytest.approx(rest.weight)
    np.testing.assert_allclose(value.gradient[kept], rest.gradient, rtol=1e-14)
    assert (value.gradient[~kept] == 0).all()


@pytest.mark.parametrize("name", OF_VALUES)
def test_a_missing_target(name, rng):
    """Without weights, too, in one of the D values, and where the prediction is not finite."""
    loss, head, outputs = OF_VALUES[name]
    logits, targets = rng.standard_normal((N, outputs)), rng.uniform(0, 1, (N, D))
    targets[2], logits[2] = np.nan, np.nan
    targets[5, 0] = np.nan
    value = loss(head(logits), logits, targets)
    kept = np.arange(N) != 2
    rest = loss(head(logits)[kept], logits[kept], targets[kept], np.ones(N - 1))
    assert value.mean == pytest.approx(rest.mean, rel=1e-14)
    assert value.weight == (2 * N - 3) * (outputs // D if name == "quantile" else 1)
    np.testing.assert_allclose(value.gradient[kept], rest.gradient, rtol=1e-14)
    assert (value.gradient[2] == 0).all()
    assert (value.gradient[5, ::D] == 0).all()
    assert value.gradient[5, 1] != 0


@pytest.mark.parametrize("name", OF_VALUES)
def test_a_prediction_of_weight_zero(name, rng):
    loss, _, outputs = OF_VALUES[name]
    y, targets, weights = np.full((N, outputs), 0.5), np.ones((N, D)), np.ones(N)
    y[3], weights[3] = np.nan, 0
    value = loss(y, y, targets, weights)
    assert np.isfinite(value.mean)
    assert np.isfinite(value.gradient).all()


@pytest.mark.parametrize("name", OF_LABELS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_label_of_weight_zero(name, bad, rng):
    """By the weight of the sample, of the class, or because the label is ignored."""
    loss = OF_LABELS[name]
    logits, labels, weights = rng.standard_normal((N, 3)), rng.integers(0, 3, N), np.ones(N)
    if name == "class weights":
        labels = np.where(np.arange(N) == 3, 1, 2 * (labels // 2))
    elif name == "ignored label":
        labels[3] = -1
    else:
        weights[3] = 0
    y = softmax(logits)
    y[3], logits[3] = bad, bad
    with np.errstate(invalid="ignore"):
        value = loss(y, logits, labels, weights)
    kept = np.arange(N) != 3
    rest = loss(y[kept], logits[kept], labels[kept], weights[kept])
    assert value.mean == pytest.approx(rest.mean, rel=1e-14)
    np.testing.assert_allclose(value.gradient[kept], rest.gradient, rtol=1e-14)
    assert (value.gradient[3] == 0).all()


@pytest.mark.parametrize("readout", ["all", "last"])
@pytest.mark.parametrize("name", OF_VALUES)
def test_in_fit(name, readout, rng):
    """Missing targets of weight 0 leave the weights that a training without them has."""
    loss, _, outputs = OF_VALUES[name]
    head = "sigmoid" if isinstance(loss, losses.BinaryCrossEntropy) else "identity"
    shape = (12, 7) if readout == "all" else (12,)
    x, y, weights = rng.standard_normal((12, 7, 3)), rng.uniform(0, 1, (*shape, D)), np.ones(shape)
    gone = (slice(None), slice(0, 3)) if readout == "all" else slice(0, 3)
    weights[gone] = 0
    gaps = y.copy()
    gaps[gone] = np.nan
    net, same = (network(head, readout, outputs) for _ in range(2))
    options = {"loss": loss, "sample_weight": weights}
    history = quiet(net, x, gaps, missing="skip", validation_data=(x, gaps), **options)
    expected = quiet(same, x, y, validation_data=(x, gaps), missing="skip", **options)
    assert np.isfinite(history.loss).all()
    assert history.loss == pytest.approx(expected.loss, rel=1e-12)
    for key, value in values_of(same).items():
        np.testing.assert_allclose(net.parameters[key], value, atol=1e-12)


def test_one_value_of_a_target(rng):
    """A gap in one of the values does not take the others with it."""
    x, y = rng.standard_normal((4, 5, 3)), rng.standard_normal((4, 5, D))
    y[:, :, 0] = np.nan
    net = peephole.Network(3, 5, D, seed=0)
    before = values_of(net)
    quiet(net, x, y, missing="skip")
    assert net.parameters["head.bias"][0] == before["head.bias"][0]
    assert net.parameters["head.bias"][1] != before["head.bias"][1]

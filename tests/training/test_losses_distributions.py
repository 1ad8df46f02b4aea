"""Losses with several outputs for each target, and weights of positive targets."""

import numpy as np
import peephole
import pytest
from peephole import losses
from peephole.training.loss import loss_of
from support.fitting import network, quiet
from support.losses import gradient_by_differences, sigmoid
from support.refusals import refused

N = 7


# name -> (the loss, y of the logits, O outputs, D values of a target)
KINDS = {
    "quantile": (losses.Quantile([0.1, 0.5, 0.9]), np.copy, 6, 2),
    "one quantile": (losses.Quantile([0.3]), np.copy, 2, 2),
    "gaussian": (losses.GaussianNLL(), np.copy, 4, 2),
    "gaussian with a large smallest variance": (losses.GaussianNLL(0.5), np.copy, 2, 1),
    "student": (losses.StudentTNLL(), np.copy, 6, 2),
    "student of other options": (
        losses.StudentTNLL(min_degrees=0.5, min_scale=0.7),
        np.copy,
        3,
        1,
    ),
    "student of known degrees": (losses.StudentTNLL(4.5), np.copy, 4, 2),
    "mixture": (losses.MixtureNLL(3), np.copy, 15, 2),
    "mixture of one": (losses.MixtureNLL(1, min_variance=0.5), np.copy, 3, 1),
    "one pos_weight": (losses.BinaryCrossEntropy(pos_weight=3), sigmoid, 2, 2),
    "pos_weight of each output": (losses.BinaryCrossEntropy([0.5, 4.0]), sigmoid, 2, 2),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def problem(kind, rng):
    loss, head, outputs, width = kind
    logits = rng.standard_normal((N, outputs))
    targets = rng.uniform(0, 1, (N, width)).round(1)
    return loss, head, logits, targets


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("gaps", [False, True])
def test_gradient_by_finite_differences(kind, weighted, gaps, rng):
    loss, head, logits, targets = problem(kind, rng)
    weights = rng.uniform(0, 2, N) if weighted else None
    if gaps:
        targets[rng.random(targets.shape) < 0.3] = np.nan
    value = loss(head(logits), logits, targets, weights)
    assert value.gradient.shape == logits.shape
    expected = gradient_by_differences(loss, head, logits, targets, weights)
    np.testing.assert_allclose(value.gradient, expected, rtol=1e-6, atol=1e-8)


def test_gaussian_is_torchs(rng):
    torch = pytest.importorskip("torch")
    y, targets = rng.standard_normal((N, 4)), rng.standard_normal((N, 2))
    loss = losses.GaussianNLL()
    v = torch.tensor(np.exp(y[:, 2:]) + loss.min_variance)
    expected = torch.nn.functional.gaussian_nll_loss(
        torch.tensor(y[:, :2]), torch.tensor(targets), v, eps=1e-12
    )
    assert loss(y, y, targets).mean == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(loss.variance(y), v.numpy(), rtol=1e-12)


def test_pos_weight_is_torchs(rng):
    torch = pytest.importorskip("torch")
    logits, targets = 3 * rng.standard_normal((N, 2)), rng.uniform(0, 1, (N, 2))
    p = np.array([0.5, 4.0])
    z = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        z, torch.tensor(targets), pos_weight=torch.tensor(p)
    )
    expected.backward()
    value = losses.BinaryCrossEntropy(p)(sigmoid(logits), logits, targets)
    assert value.mean == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(value.gradient, z.grad.numpy(), atol=1e-14)


def test_pos_weight_of_extreme_logits(dtype):
    logits = np.array([[1e4, -1e4], [1e4, -1e4]], dtype)
    targets, y = np.array([[1, 0], [0, 1]], dtype), np.array([[1, 0], [1, 0]], dtype)
    value = losses.BinaryCrossEntropy(3)(y, logits, targets)
    assert value.mean == (1e4 + 3e4) / 4
    np.testing.assert_array_equal(value.gradient, np.array([[0, 0], [1, -3]], dtype) / 4)
    assert value.gradient.dtype == dtype


def test_gaussian_of_extreme_outputs(dtype):
    """Variances beyond the range of the dtype: the loss and its gradient stay finite."""
    y = np.array([[0, 1e4], [0, -1e4], [1e3, -1e4]], dtype)
    value = losses.GaussianNLL()(y, y, np.zeros((3, 1), dtype))
    assert np.isfinite(value.mean)
    assert np.isfinite(value.gradient).all()


def test_quantile_of_a_constant_input_is_that_of_the_targets(rng):
    """The layout: block k of the outputs is quantile k of each of the D targets."""
    targets = rng.standard_normal((4000, 2)) * [1, 3]
    quantiles = [0.1, 0.5, 0.9]
    net = peephole.Network(1, 4, 6, readout="last", seed=0, dtype="float64")
    net.fit(
        np.ones((4000, 2, 1)),
        targets,
        loss=losses.Quantile(quantiles),
        epochs=30,
        batch_size=200,
        learning_rate=0.05,
        schedule=peephole.schedules.Cosine(),
        seed=0,
        progress=False,
    )
    y = net.predict(np.ones((1, 2, 1))).reshape(3, 2)
    np.testing.assert_allclose(y, np.quantile(targets, quantiles, axis=0), atol=0.2)


def test_gaussian_learns_means_and_variances(rng):
    targets = rng.standard_normal((2000, 2)) * [1, 3] + [0, 2]
    net = peephole.Network(1, 4, 4, readout="last", seed=0, dtype="float64")
    loss = losses.GaussianNLL()
    options = {"epochs": 40, "batch_size": 200, "learning_rate": 0.05, "seed": 0}
    net.fit(np.ones((2000, 2, 1)), targets, loss="gaussian_nll", progress=False, **options)
    y = net.predict(np.ones((1, 2, 1)))
    np.testing.assert_allclose(y[0, :2], [0, 2], atol=0.3)
    np.testing.assert_allclose(loss.variance(y)[0], targets.var(axis=0), rtol=0.2)


@pytest.mark.parametrize("kind", ["quantile", "gaussian"])
def test_metrics_are_of_the_point_forecast(kind, rng):
    loss, _, outputs, width = KINDS[kind]
    x, y = rng.standard_normal((6, 5, 3)), rng.standard_normal((6, 5, width))
    net = network("identity", "all", outputs)
    seen = []

    def shapes(y_pred, y_true):
        seen.append((y_pred.shape, y_true.shape))
        return 0.0

    history = quiet(net, x, y, loss=loss, validation_data=(x, y), metrics=["mae"], epochs=1)
    quiet(net, x, y, loss=loss, validation_data=(x, y), metrics={"s": shapes}, epochs=1)
    assert seen == [((30, outputs), (30, width))]
    start = 2 if kind == "quantile" else 0
    net = network("identity", "all", outputs)
    quiet(net, x, y, loss=loss, epochs=1)
    expected = np.abs(net.predict(x)[..., start : start + 2] - y).mean()
    assert history.validation["mae"][0] == pytest.approx(expected, rel=1e-12)


def test_targets_of_one_value_need_no_axis(rng):
    x, y = rng.standard_normal((6, 5, 3)), rng.standard_normal(6)
    quiet(network("identity", "last", 3), x, y, loss=losses.Quantile([0.1, 0.5, 0.9]))
    with refused(ValueError, "y", "(6, 2)"):
        quiet(network("identity", "last", 4), x, y, loss="gaussian_nll")


@pytest.mark.parametrize(
    ("error", "argument", "make"),
    [
        (TypeError, "quantiles", lambda: losses.Quantile(0.5)),
        (TypeError, "quantiles", lambda: losses.Quantile(["a"])),
        (ValueError, "quantiles", lambda: losses.Quantile([0.0, 0.5])),
        (ValueError, "quantiles", lambda: losses.Quantile([0.5, 0.5])),
        (ValueError, "quantiles", lambda: losses.Quantile(np.zeros(0))),
        (ValueError, "quantiles", lambda: losses.Quantile([0.5, np.nan])),
        (ValueError, "min_variance", lambda: losses.GaussianNLL(0)),
        (TypeError, "min_variance", lambda: losses.GaussianNLL("1")),
        (ValueError, "degrees", lambda: losses.StudentTNLL(0)),
        (TypeError, "degrees", lambda: losses.StudentTNLL("3")),
        (ValueError, "min_degrees", lambda: losses.StudentTNLL(min_degrees=0)),
        (ValueError, "min_scale", lambda: losses.StudentTNLL(min_scale=np.inf)),
        (ValueError, "components", lambda: losses.MixtureNLL(0)),
        (TypeError, "components", lambda: losses.MixtureNLL(1.5)),
        (ValueError, "min_variance", lambda: losses.MixtureNLL(1, min_variance=0)),
        (ValueError, "loss", lambda: loss_of("student_t_nll", "identity", 4)),
        (ValueError, "loss", lambda: loss_of(losses.StudentTNLL(3), "identity", 3)),
        (ValueError, "loss", lambda: loss_of("student_t_nll", "tanh", 3)),
        (ValueError, "loss", lambda: loss_of(losses.MixtureNLL(2), "identity", 9)),
        (ValueError, "loss", lambda: loss_of(losses.MixtureNLL(2), "identity", 8)),
        (ValueError, "loss", lambda: loss_of(losses.MixtureNLL(2), "identity", 2)),
        (ValueError, "y", lambda: losses.GaussianNLL().variance(np.zeros((2, 3)))),
        (ValueError, "pos_weight", lambda: losses.BinaryCrossEntropy(0)),
        (ValueError, "pos_weight", lambda: losses.BinaryCrossEntropy([])),
        (ValueError, "pos_weight", lambda: losses.BinaryCrossEntropy([1.0, np.inf])),
        (TypeError, "pos_weight", lambda: losses.BinaryCrossEntropy("balanced")),
        (ValueError, "pos_weight", lambda: loss_of(losses.BinaryCrossEntropy([1]), "sigmoid", 2)),
        (ValueError, "loss", lambda: loss_of(losses.Quantile([0.1, 0.9]), "identity", 3)),
        (ValueError, "loss", lambda: loss_of("gaussian_nll", "identity", 3)),
        (ValueError, "loss", lambda: loss_of("gaussian_nll", "tanh", 2)),
    ],
)
def test_bad_options(error, argument, make):
    with refused(error, argument):
        make()

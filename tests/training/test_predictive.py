"""Predicted distributions: likelihoods against PyTorch's; quantiles, samples, and cdf."""

import numpy as np
import peephole
import pytest
from peephole import losses, metrics
from support.fitting import network, quiet
from support.refusals import refused

pytest.importorskip("scipy")

N, D = 6, 2
LEVELS = np.array([0.05, 0.25, 0.5, 0.9])
# name -> (the loss, O)
KINDS = {
    "quantile": (losses.Quantile(LEVELS), len(LEVELS) * D),
    "gaussian": (losses.GaussianNLL(), 2 * D),
    "student": (losses.StudentTNLL(), 3 * D),
    "student of known degrees": (losses.StudentTNLL(3.5), 2 * D),
    "mixture": (losses.MixtureNLL(3), 3 * (1 + 2 * D)),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def test_student_is_torchs(rng):
    torch = pytest.importorskip("torch")
    y, targets = rng.standard_normal((N, 3 * D)), 3 * rng.standard_normal((N, D))
    z, t = torch.tensor(y, requires_grad=True), torch.tensor(targets)
    m, s, r = z.split(D, dim=1)
    scale = (s.exp() + 1e-6).sqrt()
    degrees = 2 + torch.nn.functional.softplus(r)
    expected = -torch.distributions.StudentT(degrees, m, scale).log_prob(t).mean()
    expected.backward()
    value = losses.StudentTNLL()(y, y, targets)
    assert value.mean == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(value.gradient, z.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_mixture_is_torchs(rng):
    torch = pytest.importorskip("torch")
    of = torch.distributions
    y, targets = rng.standard_normal((N, 3 * (1 + 2 * D))), rng.standard_normal((N, D))
    z = torch.tensor(y, requires_grad=True)
    weights, m, s = z[:, :3], z[:, 3 : 3 + 3 * D], z[:, 3 + 3 * D :]
    deviation = (s.exp() + 1e-6).sqrt().reshape(N, 3, D)
    normal = of.Independent(of.Normal(m.reshape(N, 3, D), deviation), 1)
    mixture = of.MixtureSameFamily(of.Categorical(logits=weights), normal)
    expected = -mixture.log_prob(torch.tensor(targets)).mean()
    expected.backward()
    loss = losses.MixtureNLL(3)
    value = loss(y, y, targets)
    assert value.mean == pytest.approx(expected.item(), rel=1e-12)
    np.testing.assert_allclose(value.gradient, z.grad.numpy(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(loss.points(y), mixture.mean.detach().numpy(), rtol=1e-12)


def test_mixture_leaves_missing_values_out(rng):
    """The marginal distribution of the values that are there."""
    loss = losses.MixtureNLL(2)
    y, targets = rng.standard_normal((1, 10)), rng.standard_normal((1, D))
    half = losses.MixtureNLL(2)(y[:, [0, 1, 2, 4, 6, 8]], None, targets[:, :1])
    value = loss(y, y, np.where([[False, True]], np.nan, targets))
    assert value.mean == pytest.approx(half.mean, rel=1e-14)
    np.testing.assert_allclose(value.gradient[:, [0, 1, 2, 4, 6, 8]], half.gradient, rtol=1e-12)
    assert not value.gradient[:, [3, 5, 7, 9]].any()
    none = loss(y, y, np.full((1, D), np.nan))
    assert none[:2] == (0, 0)
    assert not none.gradient.any()


@pytest.mark.parametrize("loss", [losses.StudentTNLL(), losses.MixtureNLL(2)])
def test_extreme_outputs(loss, dtype):
    """Variances and weights beyond the range of the dtype: loss and gradient stay finite."""
    outputs = 3 if isinstance(loss, losses.StudentTNLL) else 6
    y = np.zeros((4, outputs), dtype)
    y[0, 1:3], y[1, 1:3], y[2], y[3, 0] = 1e3, -1e3, -50, 1e4
    value = loss(y, y, np.zeros((4, 1), dtype))
    assert np.isfinite(value.mean)
    assert np.isfinite(value.gradient).all()
    assert value.gradient.dtype == dtype


def test_quantiles_and_cdf_are_inverse(kind, rng):
    loss, outputs = kind
    y = rng.standard_normal((3, 4, outputs))
    quantiles = loss.quantile(y, LEVELS)
    assert quantiles.shape == (len(LEVELS), 3, 4, D)
    assert (np.diff(quantiles, axis=0) >= 0).all()
    for level, values in zip(LEVELS, quantiles, strict=True):
        np.testing.assert_allclose(loss.cdf(y, values), level, rtol=1e-7)
        np.testing.assert_array_equal(loss.quantile(y, level), values)
    missing = np.full((3, 4, D), np.nan)
    assert np.isnan(loss.cdf(y, missing)).all()
    assert loss.quantile(y, np.zeros(0)).shape == (0, 3, 4, D)


def test_samples_have_the_distribution(kind, rng):
    loss, outputs = kind
    y = rng.standard_normal((2, outputs))
    drawn = loss.sample(y, seed=0, size=4000)
    assert drawn.shape == (4000, 2, D)
    for level in (0.15, 0.4, 0.7):
        below = (drawn <= loss.quantile(y, level)).mean(axis=0)
        np.testing.assert_allclose(below, level, atol=0.03)
    np.testing.assert_array_equal(loss.sample(y, seed=0), drawn[0])
    generator = np.random.default_rng(0)
    np.testing.assert_array_equal(loss.sample(y, seed=generator), drawn[0])
    np.testing.assert_array_equal(loss.sample(y, seed=generator), drawn[1])


def test_dtype_and_leading_axes(kind, rng, dtype):
    loss, outputs = kind
    y = rng.standard_normal(outputs).astype(dtype)
    for result in (loss.quantile(y, 0.5), loss.sample(y), loss.cdf(y, np.zeros(D))):
        assert result.shape == (D,)
        assert result.dtype == dtype


def test_known_quantiles():
    y = np.array([[1.0, np.log(4.0)]])  # mean 1, deviation 2
    found = losses.GaussianNLL(1e-12).quantile(y, [0.5, 0.975])
    np.testing.assert_allclose(found.ravel(), [1, 1 + 2 * 1.959963985], rtol=1e-9)
    found = losses.StudentTNLL(3, min_scale=1e-9).quantile(y, [0.5, 0.95])
    np.testing.assert_allclose(found.ravel(), [1, 1 + 2 * 2.353363435], rtol=1e-8)


def test_quantiles_do_not_cross_and_are_interpolated():
    y = np.array([[3.0, 1.0, 2.0]])  # of levels 0.1, 0.5, 0.9
    loss = losses.Quantile([0.1, 0.5, 0.9])
    np.testing.assert_allclose(loss.quantile(y, [0.1, 0.3, 0.5, 0.9]).ravel(), [1, 1.5, 2, 3])
    np.testing.assert_allclose(loss.cdf(y, [[0.9]]), 0)
    np.testing.assert_allclose(loss.cdf(y, [[2.5]]), 0.7)
    np.testing.assert_allclose(loss.cdf(y, [[3.1]]), 1)
    with refused(ValueError, "q", "0.1..0.9"):
        loss.quantile(y, 0.95)


@pytest.mark.parametrize("kind", ["student", "mixture"], indirect=True)
def test_learns_a_distribution(kind, rng):
    """Quantiles of outputs for a constant input are those of the targets."""
    loss, outputs = kind
    targets = rng.standard_t(4, (4000, D)) * [1, 2] + [0, 3]
    net = peephole.Network(1, 4, outputs, readout="last", seed=0, dtype="float64")
    net.fit(
        np.ones((4000, 2, 1)),
        targets,
        loss=loss,
        epochs=30,
        batch_size=200,
        learning_rate=0.03,
        schedule=peephole.schedules.Cosine(),
        seed=0,
        progress=False,
    )
    y = net.predict(np.ones((4000, 2, 1)))
    found = metrics.calibration(loss.quantile(y, LEVELS), targets)
    np.testing.assert_allclose(found, LEVELS, atol=0.03)
    assert abs(net.score(np.ones((4000, 2, 1)), targets, loss=loss)) < 0.02  # R² of the means


def test_score_of_points(rng):
    x, y = rng.standard_normal((6, 5, 3)), rng.standard_normal((6, 5, D))
    for loss, outputs in KINDS.values():
        net = network("identity", "all", outputs)
        quiet(net, x, y, loss=loss, epochs=1)
        points = loss.points(net.predict(x).reshape(30, outputs))
        expected = metrics.r2(points, y.reshape(30, D))
        assert net.score(x, y, loss=loss) == pytest.approx(expected, rel=1e-12)
    assert net.score(x, y, loss=loss) == expected
    with refused(ValueError, "y"):
        net.score(x, y)


@pytest.mark.parametrize(
    ("error", "argument", "call"),
    [
        (TypeError, "y", lambda loss, y: loss.quantile(y.astype(int), 0.5)),
        (ValueError, "y", lambda loss, y: loss.quantile(y[..., :1], 0.5)),
        (ValueError, "y", lambda loss, y: loss.quantile(np.float64(1), 0.5)),
        (ValueError, "q", lambda loss, y: loss.quantile(y, 0.0)),
        (ValueError, "q", lambda loss, y: loss.quantile(y, [0.5, 1.0])),
        (ValueError, "q", lambda loss, y: loss.quantile(y, np.nan)),
        (TypeError, "q", lambda loss, y: loss.quantile(y, "0.5")),
        (TypeError, "q", lambda loss, y: loss.quantile(y, [[0.5]])),
        (ValueError, "targets", lambda loss, y: loss.cdf(y, np.zeros(3))),
        (TypeError, "targets", lambda loss, y: loss.cdf(y, ["a"])),
        (ValueError, "size", lambda loss, y: loss.sample(y, size=0)),
        (TypeError, "seed", lambda loss, y: loss.sample(y, seed="1")),
    ],
)
def test_bad_input(kind, error, argument, call):
    loss, outputs = kind
    with refused(error, argument):
        call(loss, np.zeros((2, outputs)))

"""The losses: against PyTorch's, by finite differences, of extremes, with weights and gaps."""

import numpy as np
import pytest
from peephole import losses
from peephole.training.loss import loss_of
from support.losses import gradient_by_differences, sigmoid, softmax
from support.refusals import refused

N, O = 7, 4  # noqa: E741
# What is promised is 1e-6.
TOLERANCE = 1e-12

WEIGHTED = [False, True]


# name -> (the loss, y of the logits, targets)
KINDS = {
    "cross_entropy": (losses.CrossEntropy(), softmax, lambda rng: rng.integers(0, O, N)),
    "class weights": (
        losses.CrossEntropy(class_weight=[0.5, 2, 0, 1]),
        softmax,
        lambda rng: rng.integers(0, O, N),
    ),
    "ignored label": (
        losses.CrossEntropy(ignore_label=-100),
        softmax,
        lambda rng: np.where(np.arange(N) % 3 == 0, -100, rng.integers(0, O, N)),
    ),
    "binary_cross_entropy": (
        losses.BinaryCrossEntropy(),
        sigmoid,
        lambda rng: rng.uniform(0, 1, (N, O)).round(1),
    ),
    "mse": (losses.MeanSquaredError(), np.copy, lambda rng: rng.standard_normal((N, O))),
    "mae": (losses.MeanAbsoluteError(), np.copy, lambda rng: rng.standard_normal((N, O))),
    "huber": (losses.Huber(0.7), np.copy, lambda rng: rng.standard_normal((N, O))),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.mark.parametrize("weighted", WEIGHTED)
class TestGradient:
    def test_by_finite_differences(self, kind, weighted, rng):
        loss, head, draw = kind
        logits, targets = 2 * rng.standard_normal((N, O)), draw(rng)
        weights = rng.uniform(0, 2, N) if weighted else None
        value = loss(head(logits), logits, targets, weights)
        assert value.gradient.shape == (N, O)
        expected = gradient_by_differences(loss, head, logits, targets, weights)
        np.testing.assert_allclose(value.gradient, expected, rtol=1e-6, atol=1e-8)

    def test_equal_to_torch(self, kind, weighted, rng):
        torch = pytest.importorskip("torch")
        functional = torch.nn.functional
        loss, head, draw = kind
        logits, targets = 2 * rng.standard_normal((N, O)), draw(rng)
        weights = rng.uniform(0, 2, N) if weighted else None
        z, t = torch.tensor(logits, requires_grad=True), torch.tensor(targets)
        if isinstance(loss, losses.CrossEntropy):
            of_class = None if loss.class_weight is None else torch.tensor(loss.class_weight)
            ignored = -100 if loss.ignore_label is None else loss.ignore_label
            options = {"weight": of_class, "ignore_index": ignored}
            terms = functional.cross_entropy(z, t, reduction="none", **options)
            w = torch.ones(O) if of_class is None else of_class
            w = torch.where(t == ignored, 0.0, w[t.clamp(min=0)])
            if not weighted:
                theirs = functional.cross_entropy(z, t, **options)
            else:
                theirs = (terms * torch.tensor(weights)).sum() / (w * torch.tensor(weights)).sum()
        else:
            function, options = {
                "binary_cross_entropy": (functional.binary_cross_entropy_with_logits, {}),
                "mse": (functional.mse_loss, {}),
                "mae": (functional.l1_loss, {}),
                "huber": (functional.huber_loss, {"delta": 0.7}),
            }[loss.name]
            w = torch.ones(N) if weights is None else torch.tensor(weights)
            terms = function(z, t, reduction="none", **options)
            theirs = (terms * w[:, None]).sum() / (w.sum() * O)
        theirs.backward()
        value = loss(head(logits), logits, targets, weights)
        assert value.mean == pytest.approx(theirs.item(), rel=TOLERANCE)
        np.testing.assert_allclose(value.gradient, z.grad.numpy(), atol=TOLERANCE)


class TestExtremes:
    def test_cross_entropy(self, dtype):
        logits = np.array([[1e4, 0, -1e4], [-1e4, 0, 1e4]], dtype)
        value = losses.CrossEntropy()(softmax(logits), logits, np.array([0, 0]))
        assert value.mean == 1e4
        np.testing.assert_array_equal(value.gradient, [[0, 0, 0], [-0.5, 0, 0.5]])
        assert value.gradient.dtype == dtype

    def test_cross_entropy_is_not_negative(self):
        logits = np.array([[50.0, 0, 0]], "float32")
        value = losses.CrossEntropy()(softmax(logits), logits, np.array([0]))
        assert 0 <= value.mean < 1e-6

    def test_binary_cross_entropy(self, dtype):
        logits = np.array([[1e4, -1e4], [1e4, -1e4]], dtype)
        targets = np.array([[1, 0], [0, 1]], dtype)
        y = np.array([[1, 0], [1, 0]], dtype)
        value = losses.BinaryCrossEntropy()(y, logits, targets)
        assert value.mean == 5e3
        np.testing.assert_array_equal(value.gradient, [[0, 0], [0.25, -0.25]])

    def test_many_terms(self):
        """A float32 sum of 10 million terms of 0.1 would be off by a per cent."""
        y = np.full((10_000_000, 1), 0.1, np.float32)
        value = losses.MeanAbsoluteError()(y, y, np.zeros_like(y))
        assert value.mean == pytest.approx(0.1, rel=1e-6)

    def test_arguments_stay_as_they_are(self, kind, rng):
        loss, head, draw = kind
        arrays = [head(rng.standard_normal((N, O))), rng.standard_normal((N, O)), draw(rng)]
        for array in arrays:
            array.flags.writeable = False
        loss(*arrays)
        loss(*arrays, np.ones(N))


class TestTermsThatDoNotCount:
    def test_weight_zero_is_absence(self, kind, rng):
        loss, head, draw = kind
        logits, targets = rng.standard_normal((N, O)), draw(rng)
        weights = (np.arange(N) > 2).astype(float)
        value = loss(head(logits), logits, targets, weights)
        rest = loss(head(logits)[3:], logits[3:], targets[3:])
        assert value.mean == pytest.approx(rest.mean, rel=1e-14)
        np.testing.assert_allclose(value.gradient[3:], rest.gradient, rtol=1e-14)
        assert not value.gradient[:3].any()

    def test_nan_is_absence(self, rng):
        y, targets = rng.standard_normal((2, N, O))
        gaps = rng.random((N, O)) < 0.3
        value = losses.MeanSquaredError()(y, y, np.where(gaps, np.nan, targets))
        assert value.weight == (~gaps).sum()
        assert value.mean == pytest.approx(np.square(y - targets)[~gaps].mean(), rel=1e-14)
        assert not value.gradient[gaps].any()

    def test_nothing_at_all(self, kind):
        loss, _, draw = kind
        targets = draw(np.random.default_rng(0))
        empty = np.zeros((0, O))
        assert loss(empty, empty, targets[:0])[:2] == (0, 0)
        value = loss(np.ones((N, O)), np.ones((N, O)), targets, np.zeros(N))
        assert value[:2] == (0, 0)
        assert not value.gradient.any()


@pytest.mark.parametrize(
    ("error", "argument", "make"),
    [
        (ValueError, "class_weight", lambda: losses.CrossEntropy([1.0, -1.0])),
        (ValueError, "class_weight", lambda: losses.CrossEntropy([0.0, 0.0])),
        (TypeError, "class_weight", lambda: losses.CrossEntropy([[1.0]])),
        (TypeError, "class_weight", lambda: losses.CrossEntropy("balanced")),
        (TypeError, "ignore_label", lambda: losses.CrossEntropy(ignore_label=1.5)),
        (ValueError, "delta", lambda: losses.Huber(0)),
        (TypeError, "delta", lambda: losses.Huber("1")),
        (
            ValueError,
            "class_weight",
            lambda: loss_of(losses.CrossEntropy([1.0, 2.0]), "softmax", 3),
        ),
    ],
)
def test_bad_options(error, argument, make):
    with refused(error, argument):
        make()

"""The losses: against PyTorch's, by finite differences, of extremes, with weights and gaps."""

import math

import numpy as np
import peephole
import pytest
from fitting import network, quiet, ragged, values_of
from peephole import losses
from peephole.training.loss import loss_of
from refusals import refused

N, O = 7, 4  # noqa: E741
# What is promised is 1e-6.
TOLERANCE = 1e-12

WEIGHTED = [False, True]


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


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
        step = 1e-6
        for at in np.ndindex(N, O):
            nearby = []
            for sign in (1, -1):
                moved = logits.copy()
                moved[at] += sign * step
                nearby.append(loss(head(moved), moved, targets, weights).mean)
            expected = (nearby[0] - nearby[1]) / (2 * step)
            assert value.gradient[at] == pytest.approx(expected, abs=1e-8)

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


def fitted(x, y, head="identity", readout="all", **options):
    net = network(head, readout)
    history = quiet(net, x, y, **{"epochs": 1, "batch_size": 12, "clip_norm": None, **options})
    return net, history


class TestInFit:
    def test_missing_steps(self, rng):
        """NaN targets are as steps that nobody asks about."""
        x = rng.standard_normal((4, 6, 3))
        y = rng.standard_normal((4, 6, 4))
        gaps = y.copy()
        gaps[:, 2] = np.nan
        with refused(ValueError, "y", "nan in sequence 0, step 2"):
            fitted(x, gaps)
        weights = np.ones((4, 6))
        weights[:, 2] = 0
        of_nan, history = fitted(x, gaps, missing="skip")
        of_weights, same = fitted(x, y, sample_weight=weights)
        assert history.loss == pytest.approx(same.loss, rel=1e-13)
        for name, value in values_of(of_nan).items():
            np.testing.assert_allclose(of_weights.parameters[name], value, atol=1e-13)

    def test_missing_sequences(self, rng):
        x, y = rng.standard_normal((6, 5, 3)), rng.integers(0, 4, 6)
        y[[1, 4]] = -1
        kept = y >= 0
        ignoring = losses.CrossEntropy(ignore_label=-1)
        with_gaps, _ = fitted(x, y, "softmax", "last", loss=ignoring)
        without, _ = fitted(x[kept], y[kept], "softmax", "last")
        for name, value in values_of(without).items():
            np.testing.assert_allclose(with_gaps.parameters[name], value, atol=1e-13)

    def test_a_batch_without_targets_makes_no_step(self, rng):
        x, y = rng.standard_normal((4, 5, 3)), np.full((4, 5, 4), np.nan)
        net = network("identity", "all")
        before = values_of(net)
        history = quiet(net, x, y, missing="skip", epochs=1)
        assert math.isnan(history.loss[0])
        np.testing.assert_equal(values_of(net), before)

    def test_sample_weights_of_ragged_steps(self, rng):
        x = ragged(rng)
        y = [rng.standard_normal((len(s), 4)) for s in x]
        of_steps = [rng.uniform(0, 1, len(s)) for s in x]
        of_sequences = rng.uniform(0, 1, len(x))
        same = [np.full(len(s), w) for s, w in zip(x, of_sequences, strict=True)]
        first, _ = fitted(x, y, sample_weight=of_sequences)
        second, _ = fitted(x, y, sample_weight=same)
        third, _ = fitted(x, y, sample_weight=of_steps)
        np.testing.assert_equal(values_of(first), values_of(second))
        assert (third.parameters["head.bias"] != first.parameters["head.bias"]).any()

    def test_a_function(self, rng):
        """One's own mean squared error trains as ours."""
        x = ragged(rng)
        y = [rng.standard_normal((len(s), 4)) for s in x]

        def error(y_pred, y_true, lengths):
            assert y_pred.shape == y_true.shape == (12, 7, 4)
            real = np.arange(7) < lengths[:, None]
            difference = (y_pred - y_true) * real[..., None]
            n = real.sum() * 4
            return np.square(difference).sum() / n, 2 * difference / n

        own, own_history = fitted(x, y, loss=error)
        ours, history = fitted(x, y)
        assert own_history.loss == pytest.approx(history.loss, rel=1e-12)
        for name, value in values_of(ours).items():
            np.testing.assert_allclose(own.parameters[name], value, atol=1e-12)

    @pytest.mark.parametrize(
        ("head", "loss"),
        [("sigmoid", "binary_cross_entropy"), ("tanh", "huber"), ("softmax", "mse")],
    )
    def test_every_name(self, head, loss, rng):
        x, y = rng.standard_normal((8, 5, 3)), rng.uniform(0, 1, (8, 4))
        _, history = fitted(x, y, head, "last", loss=loss, epochs=30, learning_rate=0.05)
        assert history.loss[-1] < history.loss[0]

    @pytest.mark.parametrize(
        ("error", "argument", "options"),
        [
            (ValueError, "loss", {"loss": "l2"}),
            (ValueError, "loss", {"loss": "cross_entropy"}),
            (ValueError, "loss", {"loss": "binary_cross_entropy"}),
            (TypeError, "loss", {"loss": 2}),
            (TypeError, "loss", {"loss": losses.Huber}),
            (ValueError, "missing", {"missing": "drop"}),
            (ValueError, "sample_weight", {"sample_weight": np.ones(3)}),
            (ValueError, "sample_weight", {"sample_weight": np.ones((4, 6))}),
            (ValueError, "sample_weight", {"sample_weight": -np.ones(4)}),
            (ValueError, "sample_weight", {"sample_weight": [1, 1, 1, np.nan]}),
            (TypeError, "sample_weight", {"sample_weight": ["a"] * 4}),
            (
                ValueError,
                "sample_weight",
                {"sample_weight": np.ones(4), "loss": lambda y, t, n: (0.0, y)},
            ),
            (ValueError, "loss", {"loss": lambda y, t, n: (0.0, y[0])}),
            (TypeError, "loss", {"loss": lambda y, t, n: 0.0}),
        ],
    )
    def test_bad_input(self, error, argument, options):
        net = peephole.Network(3, 5, 4, seed=0)
        before = values_of(net)
        with refused(error, argument):
            net.fit(np.ones((4, 5, 3)), np.ones((4, 5, 4)), progress=False, **options)
        np.testing.assert_equal(values_of(net), before)

    @pytest.mark.parametrize("wrong", [-0.1, 1.1, np.inf])
    def test_bad_targets_of_binary_cross_entropy(self, wrong):
        net = peephole.Network(3, 5, 1, head="sigmoid", readout="last", seed=0)
        with refused(ValueError, "y", "targets in 0..1"):
            net.fit(np.ones((2, 5, 3)), [0, wrong], loss="binary_cross_entropy", progress=False)


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

"""The loss CTC: against all paths one by one, PyTorch and finite differences; in `fit`."""

import itertools
import math

import numpy as np
import peephole
import pytest
from peephole import _core, decoding, losses, metrics
from support.fitting import INPUTS, StopAfter, network, quiet, ragged, values_of
from support.refusals import refused

O = 5  # noqa: E741
T = 9
# Labels of sequences of so many steps: empty, repeated, as many as fit, too many, no steps.
CASES = [
    ([1, 2, 3], 9),
    ([], 9),
    ([1, 1, 2, 2], 7),
    ([1, 1, 1], 5),
    ([4, 4], 3),
    ([1, 2, 3], 2),
    ([2], 1),
    ([], 0),
    ([3, 3, 3], 4),
    ([1], 0),
    ([4, 3, 2, 1, 2, 3], 9),
]
IMPOSSIBLE = np.array([False] * 5 + [True, False, False, True, True, False])


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def padded(labels):
    array = np.full((len(labels), max(map(len, labels))), -1)
    for row, sequence in zip(array, labels, strict=True):
        row[: len(sequence)] = sequence
    return array


def problem(rng, dtype="float64"):
    """(logits, targets, lengths) of CASES."""
    logits = 2 * rng.standard_normal((len(CASES), T, O)).astype(dtype)
    return logits, padded([labels for labels, _ in CASES]), np.array([n for _, n in CASES])


def each(loss, logits, targets, lengths):
    """The loss of each sequence by itself."""
    rows = (slice(k, k + 1) for k in range(len(logits)))
    return np.array(
        [loss(softmax(logits[k]), logits[k], targets[k], None, lengths[k]).mean for k in rows]
    )


def test_is_the_sum_over_all_paths(rng):
    logits = 2 * rng.standard_normal((1, 5, 3))
    y = softmax(logits)
    for blank, labels in [(0, [1, 2]), (0, [1, 1]), (2, [0, 1, 1]), (1, [])]:
        total = 0.0
        for path in itertools.product(range(3), repeat=5):
            read = [k for k, _ in itertools.groupby(path) if k != blank]
            if read == labels:
                total += math.prod(y[0, t, k] for t, k in enumerate(path))
        targets = np.array([labels], np.intp)
        value = losses.CTC(blank)(y, logits, targets)
        assert value.mean == pytest.approx(-math.log(total), rel=1e-12)


@pytest.mark.parametrize("zero_infinity", [False, True])
def test_equal_to_torch(zero_infinity, rng):
    torch = pytest.importorskip("torch")
    logits, targets, lengths = problem(rng)
    z = torch.tensor(logits, requires_grad=True)
    theirs = torch.nn.functional.ctc_loss(
        z.log_softmax(-1).transpose(0, 1),
        torch.tensor(np.maximum(targets, 0)),
        torch.tensor(lengths),
        torch.tensor((targets >= 0).sum(axis=1)),
        reduction="none",
        zero_infinity=zero_infinity,
    )
    theirs.mean().backward()
    loss = losses.CTC(zero_infinity=zero_infinity)
    value = loss(softmax(logits), logits, targets, None, lengths)
    np.testing.assert_allclose(
        each(loss, logits, targets, lengths), theirs.detach().numpy(), rtol=1e-12, atol=1e-15
    )
    assert value.mean == pytest.approx(theirs.mean().item(), rel=1e-12)
    # NaN too: the gradient of an infinite loss.
    np.testing.assert_allclose(value.gradient, z.grad.numpy(), rtol=1e-10, atol=1e-14)


def test_gradient_by_finite_differences(rng):
    logits, targets, lengths = problem(rng)
    loss, weights = losses.CTC(zero_infinity=True), rng.uniform(0, 2, len(logits))
    value = loss(softmax(logits), logits, targets, weights, lengths)
    step = 1e-6
    for at in itertools.product(range(len(logits)), range(0, T, 2), range(O)):
        near = []
        for sign in (1, -1):
            moved = logits.copy()
            moved[at] += sign * step
            near.append(loss(softmax(moved), moved, targets, weights, lengths).mean)
        expected = (near[0] - near[1]) / (2 * step)
        assert value.gradient[at] == pytest.approx(expected, rel=1e-6, abs=1e-8)


def test_impossible_alignments(rng, dtype):
    logits, targets, lengths = problem(rng, dtype)
    found = each(losses.CTC(), logits, targets, lengths)
    np.testing.assert_array_equal(np.isinf(found), IMPOSSIBLE)
    value = losses.CTC()(softmax(logits), logits, targets, None, lengths)
    steps = np.arange(T) < lengths[:, None]
    assert value.gradient.dtype == dtype
    np.testing.assert_array_equal(np.isnan(value.gradient).any(axis=2), steps & IMPOSSIBLE[:, None])
    value = losses.CTC(zero_infinity=True)(softmax(logits), logits, targets, None, lengths)
    assert value.weight == len(CASES)
    assert not value.gradient[IMPOSSIBLE].any()
    # Weights of 0 leave them out of the mean, too.
    weights = 1.0 * ~IMPOSSIBLE
    value = losses.CTC()(softmax(logits), logits, targets, weights, lengths)
    assert value.mean == pytest.approx(found[~IMPOSSIBLE].mean(), rel=1e-6)
    assert np.isfinite(value.gradient).all()


def test_of_a_sequence_alone_and_in_a_batch(rng):
    """The same bits."""
    logits, targets, lengths = problem(rng)
    counts = (targets >= 0).sum(axis=1)
    terms, gradients = _core.ctc(logits, lengths, targets[targets >= 0], counts, 0)
    for k, (labels, n) in enumerate(CASES):
        alone = _core.ctc(logits[k : k + 1, :n], [n], labels, [len(labels)], 0)
        assert alone[0][0] == terms[k]
        np.testing.assert_array_equal(alone[1][0], gradients[k, :n])
        assert not gradients[k, n:].any()


def test_extreme_logits(dtype):
    """Probabilities that underflow: the loss is a sum of logarithms."""
    logits = np.array([[[0, 1e4, -1e4]] * 40], dtype)
    value = losses.CTC()(softmax(logits), logits, np.array([[2, 1, 2]]))
    # 2 twice at the cost of 2e4 each, all else is 1.
    assert value.mean == pytest.approx(4e4, rel=1e-4)
    assert np.isfinite(value.gradient).all()


def test_a_nan_stays_in_its_row(rng):
    logits, targets, lengths = problem(rng)
    logits[1, 3, 0] = np.nan
    value = losses.CTC(zero_infinity=True)(softmax(logits), logits, targets, None, lengths)
    bad = np.isnan(value.gradient).any(axis=(1, 2))
    np.testing.assert_array_equal(np.flatnonzero(bad), [1])
    assert math.isnan(value.mean)


def test_of_nothing():
    empty = np.zeros((0, T, O))
    assert losses.CTC()(empty, empty, np.zeros((0, 2), int))[:2] == (0, 0)
    logits = np.zeros((2, T, O))
    value = losses.CTC()(softmax(logits), logits, np.ones((2, 1), int), np.zeros(2))
    assert value[:2] == (0, 0)
    assert not value.gradient.any()


def labels_of(x, outputs, rng):
    """A list of label sequences that fit in the steps of x; some are empty."""
    return [rng.integers(1, outputs, len(s) // 3) for s in x]


class TestInFit:
    def test_learns(self, rng):
        """Label k is a spike in feature k - 1 of one of the steps."""
        x, y = [], []
        for _ in range(200):
            steps = np.sort(rng.choice(12, 3, replace=False))
            labels = rng.integers(1, INPUTS + 1, 3)
            x.append(np.zeros((12, INPUTS)))
            x[-1][steps, labels - 1] = 1
            y.append(labels)
        net = network("softmax", "all", INPUTS + 1)
        history = quiet(
            net,
            x[:150],
            y[:150],
            loss="ctc",
            epochs=60,
            learning_rate=0.03,
            validation_data=(x[150:], y[150:]),
            metrics="label_error_rate",
        )
        read = decoding.greedy(net.predict(x[150:]))
        error = metrics.label_error_rate(read, y[150:])
        assert error < 0.05
        assert history.validation["label_error_rate"][-1] == error
        assert net.score(x[150:], y[150:], loss="ctc") == pytest.approx(1 - error)

    def test_forms_of_targets(self, rng):
        """A list, an array with -1 after the labels, batches; and a single sequence."""
        x = ragged(rng)
        y = labels_of(x, 4, rng)
        options = {"loss": losses.CTC(), "shuffle": False, "batch_size": 12, "epochs": 3}
        first, second, third = (network("softmax", "all") for _ in range(3))
        quiet(first, x, y, **options)
        quiet(second, x, padded(y), **options)
        np.testing.assert_equal(values_of(second), values_of(first))
        quiet(third, lambda: iter([(x, y)]), None, loss="ctc", epochs=3)
        np.testing.assert_equal(values_of(third), values_of(first))
        alone, same = network("softmax", "all"), network("softmax", "all")
        quiet(alone, x[0], y[0], loss="ctc")
        quiet(same, x[:1], y[:1], loss="ctc")
        np.testing.assert_equal(values_of(alone), values_of(same))

    def test_weights_of_sequences(self, rng):
        x = ragged(rng)
        y = labels_of(x, 4, rng)
        weights = np.ones(len(x))
        weights[[2, 5]] = 0
        kept = np.flatnonzero(weights)
        options = {"loss": "ctc", "shuffle": False, "batch_size": 12, "epochs": 1}
        first, second = network("softmax", "all"), network("softmax", "all")
        quiet(first, x, y, sample_weight=weights, **options)
        quiet(second, [x[k] for k in kept], [y[k] for k in kept], **options)
        for name, value in values_of(first).items():
            np.testing.assert_allclose(second.parameters[name], value, atol=1e-13)

    def test_metrics_of_the_user_and_held_out_sequences(self, rng):
        x = ragged(rng)
        y = labels_of(x, 4, rng)
        seen = []

        def shapes(y_pred, y_true):
            seen.append(([p.shape for p in y_pred], [t.tolist() for t in y_true]))
            return 0.5

        net = network("softmax", "all")
        history = quiet(
            net, x, y, loss="ctc", validation_share=0.25, metrics={"s": shapes}, epochs=1
        )
        assert history.validation["s"] == [0.5]
        ((outputs, labels),) = seen
        assert len(outputs) == 3
        assert all(t in [s.tolist() for s in y] for t in labels)
        assert all(shape[1] == 4 for shape in outputs)

    def test_resumes(self, rng, tmp_path):
        x = ragged(rng)
        y = labels_of(x, 4, rng)
        options = {"loss": "ctc", "epochs": 4}
        whole, stopped = network("softmax", "all"), network("softmax", "all")
        quiet(whole, x, y, **options)
        path = tmp_path / "training"
        quiet(stopped, x, y, checkpoint=path, callbacks=StopAfter(5), **options)
        resumed = network("softmax", "all")
        with refused(ValueError, "resume", "loss"):
            quiet(resumed, x, y, checkpoint=path, resume=True, loss=losses.CTC(3), epochs=4)
        with refused(ValueError, "resume", " y "):
            quiet(resumed, x, [*y[:-1], [3, 2]], checkpoint=path, resume=True, **options)
        quiet(resumed, x, y, checkpoint=path, resume=True, **options)
        np.testing.assert_equal(values_of(resumed), values_of(whole))

    def test_leaves_out_what_does_not_fit(self, rng):
        x = ragged(rng)
        y = labels_of(x, 4, rng)
        y[3] = np.ones(20, int)
        with refused(ValueError, "y", "of sequence 3, got 20 that need 39; losses.CTC"):
            quiet(network("softmax", "all"), x, y, loss="ctc")
        quiet(network("softmax", "all"), x, y, loss=losses.CTC(zero_infinity=True))


def test_repr_and_public_name():
    assert repr(losses.CTC(3)) == "CTC(blank=3)"
    assert losses.CTC.__module__ == "peephole.losses"
    assert peephole.decoding.greedy is decoding.greedy

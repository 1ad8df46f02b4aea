"""Labels of the outputs of a network that was trained with CTC, and their error rate."""

import itertools
import math

import numpy as np
import pytest
from peephole import decoding, metrics
from support.refusals import refused

PATHS = [
    ([0, 1, 1, 0, 1, 2, 2, 0], [1, 1, 2]),
    ([0, 0, 0], []),
    ([2, 2, 2], [2]),
    ([], []),
]


def outputs(path, size=3):
    """y (T, O), 0.8 for the output of the path in each step."""
    y = np.full((len(path), size), 0.2 / (size - 1), np.float32)
    y[np.arange(len(path)), path] = 0.8
    return y


@pytest.mark.parametrize(("path", "labels"), PATHS)
def test_greedy(path, labels):
    path = np.array(path, int)
    assert decoding.greedy(outputs(path)).tolist() == labels
    moved = (path - 1) % 3  # another output is the blank
    assert decoding.greedy(outputs(moved), blank=2).tolist() == [(k - 1) % 3 for k in labels]


@pytest.mark.parametrize("decode", [decoding.greedy, decoding.beam_search])
def test_forms_of_outputs(decode):
    ragged = [outputs(np.array(path, int)) for path, _ in PATHS]
    lengths = [len(path) for path, _ in PATHS]
    padded = np.zeros((len(PATHS), 8, 3), np.float32)
    for place, y in zip(padded, ragged, strict=True):
        place[: len(y)] = y
    padded[2, 3:] = np.nan  # padding is not read
    results = decode(ragged), decode(padded, lengths), [decode(y) for y in ragged]
    for found in results:
        if decode is decoding.beam_search:
            found = [hypotheses[0].labels for hypotheses in found]
        assert [labels.tolist() for labels in found] == [labels for _, labels in PATHS]
        assert all(labels.dtype == np.intp for labels in found)
    assert len(decode(ragged[:1] * 3)) == len(decode(np.stack(ragged[:1] * 3))) == 3


def test_a_wide_beam_is_exact(rng):
    """All label sequences of 5 steps, with their probabilities over all paths."""
    y = rng.dirichlet(np.full(3, 0.7), 5)
    exact = {}
    for path in itertools.product(range(3), repeat=5):
        labels = tuple(k for k, _ in itertools.groupby(path) if k != 1)
        exact[labels] = exact.get(labels, 0.0) + math.prod(y[np.arange(5), path])
    found = decoding.beam_search(y, width=1000, blank=1)
    assert len(found) == len(exact)
    for labels, log_probability in found:
        assert log_probability == pytest.approx(math.log(exact[tuple(labels)]), rel=1e-10)
    probabilities = [p for _, p in found]
    assert probabilities == sorted(probabilities, reverse=True)


def test_a_beam_finds_what_the_best_path_misses():
    """The best path is all blanks, 0.36; the paths with label 1 have 0.64 together."""
    y = np.array([[0.6, 0.4], [0.6, 0.4]])
    assert decoding.greedy(y).tolist() == []
    best, second = decoding.beam_search(y, width=2)
    assert best.labels.tolist() == [1]
    assert best.log_probability == pytest.approx(math.log(0.64))
    assert second.labels.tolist() == []
    assert second.log_probability == pytest.approx(math.log(0.36))
    assert len(decoding.beam_search(y, width=1)) == 1


@pytest.mark.parametrize("decode", [decoding.greedy, decoding.beam_search])
@pytest.mark.parametrize(
    ("error", "argument", "y", "options"),
    [
        (ValueError, "y", np.zeros(3), {}),
        (ValueError, "y", np.zeros((1, 1, 2, 3)), {}),
        (TypeError, "y", np.zeros((2, 3), int), {}),
        (ValueError, "y", np.full((2, 3), 1.5), {}),
        (ValueError, "y", np.full((2, 3), np.nan), {}),
        (ValueError, "y[1]", [np.zeros((2, 3)), np.zeros(3)], {}),
        (ValueError, "blank", np.zeros((2, 3)), {"blank": 3}),
        (ValueError, "blank", np.zeros((2, 3)), {"blank": -1}),
        (TypeError, "blank", np.zeros((2, 3)), {"blank": "a"}),
        (ValueError, "lengths", np.zeros((2, 3)), {"lengths": [2]}),
        (ValueError, "lengths", [np.zeros((2, 3))], {"lengths": [2]}),
        (ValueError, "lengths", np.zeros((1, 2, 3)), {"lengths": [3]}),
        (ValueError, "lengths", np.zeros((1, 2, 3)), {"lengths": [1, 1]}),
        (TypeError, "lengths", np.zeros((1, 2, 3)), {"lengths": [1.0]}),
    ],
)
def test_bad_input(decode, error, argument, y, options):
    with refused(error, argument):
        decode(y, **options)


def test_bad_width():
    with refused(ValueError, "width"):
        decoding.beam_search(np.zeros((2, 3)), width=0)


@pytest.mark.parametrize(
    ("predicted", "true", "distance"),
    [
        ([], [1, 2, 3], 3),
        ([1, 2, 3], [], 3),
        ([1, 2, 3], [1, 2, 3], 0),
        ([1, 3], [1, 2, 3], 1),
        ([1, 2, 2, 3], [1, 2, 3], 1),
        ([3, 2, 1], [1, 2, 3], 2),
        ([11, 9, 20, 20, 5, 14], [19, 9, 20, 20, 9, 14, 7], 3),  # kitten, sitting
    ],
)
def test_label_error_rate(predicted, true, distance):
    """One more true sequence of 4, which is right."""
    right = [5, 6, 7, 8]
    rate = metrics.label_error_rate([predicted, right], [true, right])
    assert rate == pytest.approx(distance / (len(true) + 4))
    weighted = metrics.label_error_rate([predicted, right], [true, right], [1, 3])
    assert weighted == pytest.approx(distance / (len(true) + 12))


def test_label_error_rate_of_nothing():
    assert math.isnan(metrics.label_error_rate([], []))
    assert math.isnan(metrics.label_error_rate([[1]], [[]]))


@pytest.mark.parametrize(
    ("error", "argument", "arguments"),
    [
        (TypeError, "y_pred", (np.ones((2, 3)), [[1]])),
        (ValueError, "y_true", ([[1]], [[1], [2]])),
        (ValueError, "y_true[0]", ([[1]], [[[1]]])),
        (TypeError, "y_pred[0]", ([[1.5]], [[1]])),
        (ValueError, "weights", ([[1]], [[1]], [1, 2])),
    ],
)
def test_bad_label_sequences(error, argument, arguments):
    with refused(error, argument):
        metrics.label_error_rate(*arguments)

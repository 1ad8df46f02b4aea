"""Calls neither check sequences one by one nor copy what they only read."""

import tracemalloc

import numpy as np
import peephole
import pytest
from peephole.models import prediction
from peephole.sklearn import LSTMClassifier


@pytest.fixture
def classifier(rng):
    x = rng.standard_normal((20, 6, 2)).astype(np.float32)
    return LSTMClassifier(4, epochs=1, random_state=0).fit(x, np.arange(20) % 2)


def sequences(rng, n=300, ragged=True):
    lengths = rng.integers(1, 9, n) if ragged else [8] * n
    return [rng.standard_normal((length, 2)).astype(np.float32) for length in lengths]


@pytest.mark.parametrize("ragged", [False, True])
def test_good_sequences_are_checked_together(classifier, rng, monkeypatch, ragged):
    x = sequences(rng, ragged=ragged)
    expected = [classifier.predict([item])[0] for item in x]

    def one_by_one(*_, **__):
        raise AssertionError("check_array takes longer than the network")

    monkeypatch.setattr("peephole.sklearn.inputs.check_array", one_by_one)
    np.testing.assert_array_equal(classifier.predict(x), expected)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (np.full((3, 2), np.nan, np.float32), "NaN"),
        (np.zeros((0, 2), np.float32), "0 sample"),
        (np.zeros((3, 3), np.float32), "features"),
        (np.full((3, 2), "a"), "could not convert"),
    ],
    ids=["NaN", "no step", "other features", "text"],
)
def test_a_wrong_sequence_among_good_ones_is_named(classifier, rng, wrong, says):
    x = sequences(rng)
    x[290] = wrong
    with pytest.raises(ValueError, match=says) as caught:
        classifier.predict(x)
    if says != "could not convert":
        assert "X[290]" in str(caught.value) or says == "0 sample"


def test_sequences_of_other_dtypes_are_converted(classifier, rng):
    x = sequences(rng, ragged=False)
    mixed = [item.astype([np.float32, np.float64][k % 2]) for k, item in enumerate(x)]
    np.testing.assert_array_equal(classifier.predict(mixed), classifier.predict(x))
    whole = [np.rint(item).astype(int) for item in x]
    rounded = [item.astype(np.float32) for item in whole]
    np.testing.assert_array_equal(classifier.predict(whole), classifier.predict(rounded))


def layouts(rng):
    x = rng.standard_normal((300, 40, 8))
    return {
        "float64": x,
        "int": np.rint(x).astype(int),
        "strided": np.repeat(x, 2, axis=2).astype(np.float32)[:, :, ::2],
    }


@pytest.mark.parametrize("layout", ["float64", "int", "strided"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_parts_of_a_large_input_have_the_same_bits(rng, monkeypatch, layout, bidirectional):
    x = layouts(rng)[layout]
    lengths = rng.integers(0, 41, 300)
    for model in (
        peephole.LSTM(8, [3, 4], bidirectional=bidirectional, seed=0),
        peephole.Network(8, 3, 2, readout="last", bidirectional=bidirectional, seed=0),
    ):
        shapes = [(300, size) for size in getattr(model, "lstm", model).hidden_sizes]
        shapes = [shape for shape in shapes for _ in range(1 + bidirectional)]
        state = [(rng.standard_normal(s), rng.standard_normal(s)) for s in shapes]
        for arguments in ((), (state, lengths)):
            expected = model._core(np.ascontiguousarray(x, np.float32), *arguments)
            with monkeypatch.context() as patch:
                patch.setattr(prediction, "_PART", 1 << 12)
                calls = []
                patch.setattr(prediction, "_call_parts", counted(prediction._call_parts, calls))
                y, final = model(x, *arguments)
            assert calls, "the input was to be passed in parts"
            np.testing.assert_array_equal(y, expected[0])
            for pair, expected_pair in zip(final, expected[1], strict=True):
                np.testing.assert_array_equal(pair, expected_pair)


def counted(function, calls):
    def count(*arguments):
        calls.append(1)
        return function(*arguments)

    return count


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"lengths": [1] * 299}, r"lengths: expected \(300,\), got \(299,\)"),
        ({"lengths": [41] * 300}, r"lengths: expected .*, got .*41"),
        ({"state": [(np.zeros((300, 4)), np.zeros((300, 3)))]}, r"state\[0\].h: .*\(300, 3\)"),
        ({"state": 3}, "state: expected a tuple"),
    ],
    ids=["lengths' shape", "lengths' range", "state's shape", "no state"],
)
def test_wrong_arguments_with_a_large_input(rng, monkeypatch, wrong, says):
    """The messages are those of the whole call."""
    monkeypatch.setattr(prediction, "_PART", 1 << 12)
    with pytest.raises((TypeError, ValueError), match=says):
        peephole.LSTM(8, 3, seed=0)(layouts(rng)["float64"], **wrong)


def test_a_call_does_not_copy_a_large_input_whole(monkeypatch):
    part = 1 << 20
    monkeypatch.setattr(prediction, "_PART", part)
    x = peephole.windows(np.zeros(4_000), 1_000)[::2]  # 6 MB in float32
    net = peephole.Network(1, 2, 1, readout="last", seed=0)
    tracemalloc.start()
    try:
        net(x)
        net.predict(x, batch_size=128)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * part

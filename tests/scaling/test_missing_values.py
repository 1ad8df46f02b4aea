"""Standardiser: missing values filled and marked, kept with the network."""

import copy
import json
import pickle

import numpy as np
import peephole
import pytest
from peephole import Standardiser
from support.model_files import contents
from support.refusals import refused

NAN = np.nan
X = np.array(
    [[NAN, 1.0], [2, NAN], [NAN, NAN], [4, 3], [NAN, 5]]
)  # means 3 and 3, scales 1 and 1.63
SCALED = (X - [3, 3]) / [1, np.sqrt(8 / 3)]
MEANS = np.where(np.isnan(SCALED), 0, SCALED)
FORWARD = SCALED.copy()
FORWARD[0, 0], FORWARD[2, 0], FORWARD[4, 0] = 0, FORWARD[1, 0], FORWARD[3, 0]
FORWARD[1:3, 1] = FORWARD[0, 1]
OPTIONS = [("keep", SCALED), ("mean", MEANS), ("forward", FORWARD)]


@pytest.mark.parametrize("indicators", [False, True])
@pytest.mark.parametrize(("missing", "expected"), OPTIONS)
class TestTransform:
    def test_single(self, missing, expected, indicators):
        scaling = Standardiser(missing=missing, indicators=indicators).fit(X)
        if indicators:
            expected = np.concatenate([expected, np.isnan(X)], axis=1)
        found = scaling.transform(X)
        np.testing.assert_allclose(found, expected, rtol=1e-14)
        assert scaling.features == 2
        assert scaling.outputs == expected.shape[1]
        single = scaling.transform(X.astype(np.float32))
        assert single.dtype == np.float32

    def test_many(self, missing, expected, indicators):
        """Nothing goes from one sequence to another, nor to earlier steps."""
        scaling = Standardiser(missing=missing, indicators=indicators).fit(X)
        alone = [scaling.transform(X[:n]) for n in (5, 3)]
        whole = scaling.transform(X)
        np.testing.assert_array_equal(alone[1], whole[:3])
        ragged = scaling.transform([X, X[:3]])
        padded = scaling.transform(np.stack([X, X]), [5, 3])
        for found, single in zip([ragged, padded], [alone, alone], strict=True):
            np.testing.assert_array_equal(found[0], single[0])
            np.testing.assert_array_equal(found[1][:3], single[1])
        np.testing.assert_array_equal(padded[1, 3:, :2], X[3:])
        assert not padded[1, 3:, 2:].any()

    def test_kept(self, missing, expected, indicators, tmp_path):
        scaling = Standardiser(missing=missing, indicators=indicators).fit(X)
        net = peephole.Network(scaling.outputs, 3, 1, seed=0)
        net.input_scaling = scaling
        net.save(tmp_path / "model")
        fields = json.loads(contents(tmp_path / "model")[1]["input_scaling"])
        assert ("missing" in fields) == (missing != "keep")
        assert ("indicators" in fields) == indicators
        for same in (
            peephole.load(tmp_path / "model").input_scaling,
            pickle.loads(pickle.dumps(scaling)),
            copy.deepcopy(net).input_scaling,
        ):
            assert same == scaling
            assert (same.missing, same.indicators) == (missing, indicators)
            np.testing.assert_array_equal(same.transform(X), scaling.transform(X))
        assert repr(scaling).startswith(f"Standardiser({'' if missing == 'keep' else 'missing='}")
        assert ("indicators=True" in repr(scaling)) == indicators


def test_a_network_learns_with_gaps(rng):
    """A target that is the last value that was there."""
    x = rng.standard_normal((300, 12, 1))
    gaps = rng.random(x.shape) < 0.5
    gaps[:, 0] = False
    step = np.maximum.accumulate(np.where(gaps[..., 0], 0, np.arange(12)), axis=1)
    y = np.take_along_axis(x, step[..., None], axis=1)
    holes = np.where(gaps, np.nan, x)
    scaling = Standardiser(missing="mean", indicators=True).fit(holes)
    net = peephole.Network(2, 16, 1, seed=0)
    scaled = scaling.transform(holes)
    net.fit(scaled, y, epochs=40, learning_rate=0.02, seed=0, progress=False)
    assert net.score(scaled, y) > 0.9
    blind = peephole.Network(1, 16, 1, seed=0)
    blind.fit(scaled[..., :1], y, epochs=40, learning_rate=0.02, seed=0, progress=False)
    assert net.score(scaled, y) > blind.score(scaled[..., :1], y)


def test_inverse_is_of_values_without_indicators():
    scaling = Standardiser(missing="mean", indicators=True).fit(X)
    np.testing.assert_allclose(scaling.inverse_transform(MEANS[3:4]), X[3:4])
    with refused(ValueError, "x", "(..., 2)"):
        scaling.inverse_transform(scaling.transform(X))


def test_options_are_part_of_equality():
    plain = Standardiser().fit(X)
    assert plain != Standardiser(missing="mean").fit(X)
    assert plain != Standardiser(indicators=True).fit(X)
    assert Standardiser(missing="mean").fit(X) == Standardiser(missing="mean").fit(X)


def test_pickles_of_earlier_releases():
    scaling = Standardiser(missing="mean", indicators=True).fit(X)
    state = {"statistics": scaling.__getstate__()["statistics"]}
    old = Standardiser.__new__(Standardiser)
    old.__setstate__(state)
    assert old == Standardiser().fit(X)


def test_in_generate(rng):
    """The value is scaled as its column; indicators are known future inputs."""
    scaling = Standardiser(missing="mean", indicators=True).fit(X[:, :1])
    net = peephole.Network(2, 5, 1, seed=0, dtype="float64")
    net.input_scaling = scaling
    x = scaling.transform(X[:, :1])
    found = net.generate(x, 3, future=np.zeros((2, 1)))
    stream = net.stream()
    y = stream.process(x)[-1]
    for value in found:
        np.testing.assert_allclose(value, y)
        y = stream.step(np.append(scaling.transform(y[None])[0, 0], 0.0))


@pytest.mark.parametrize(
    ("error", "argument", "call"),
    [
        (ValueError, "missing", lambda: Standardiser(missing="zero")),
        (ValueError, "missing", lambda: Standardiser(missing=None)),
        (TypeError, "indicators", lambda: Standardiser(indicators="yes")),
        (ValueError, "x", lambda: Standardiser(missing="forward").fit(X).transform(X[0])),
    ],
)
def test_bad_input(error, argument, call):
    with refused(error, argument):
        call()


def test_features_of_a_network():
    net = peephole.Network(2, 3, 2, seed=0)
    marked = Standardiser(indicators=True).fit(X)
    with refused(ValueError, "input_scaling", "2 features, got one of 4"):
        net.input_scaling = marked
    with refused(ValueError, "target_scaling", "without indicators"):
        net.target_scaling = marked


@pytest.mark.parametrize("change", [{"missing": "zero"}, {"missing": 1}, {"indicators": 1}])
def test_forged_texts(change, tmp_path):
    net = peephole.Network(2, 3, 1, seed=0)
    net.input_scaling = Standardiser().fit(X)
    net.save(tmp_path / "model")
    arrays, metadata = contents(tmp_path / "model")
    text = json.dumps(json.loads(metadata["input_scaling"]) | change)
    peephole._core.write_tensors(
        str(tmp_path / "model"), arrays, {**metadata, "input_scaling": text}
    )
    with pytest.raises(ValueError, match=f"input_scaling: {next(iter(change))}: expected"):
        peephole.load(tmp_path / "model")

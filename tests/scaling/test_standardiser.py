"""Standardiser: its statistics against NumPy's over the real steps, and its transformations."""

import copy
import itertools
import pickle

import numpy as np
import peephole
import pytest
from hypothesis import given
from hypothesis import strategies as st
from peephole import Standardiser
from peephole.scaling import statistics
from peephole.scaling.texts import read_scaling, scaling_text
from support.fitting import padded

TOLERANCE = {"rtol": 1e-12, "atol": 1e-12}  # of float64 sums over a few hundred values


def reference(steps):
    """(mean, standard deviation, count) of steps (N, I) by NumPy, in extended precision."""
    wide = steps.astype(np.longdouble)
    return np.nanmean(wide, axis=0), np.nanstd(wide, axis=0), (~np.isnan(wide)).sum(axis=0)


@st.composite
def sequences(draw, gaps=True):
    """Some (T_i, I) arrays of one dtype, with missing values but at least two in each feature."""
    dtype = draw(st.sampled_from(["f4", "f8", "i4"]))
    lengths = [*draw(st.lists(st.integers(0, 9), min_size=1, max_size=6)), 2]
    features = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    offset, spread = 10 ** rng.uniform(-3, 3, (2, features))
    x = [(offset + spread * rng.standard_normal((n, features))).astype(dtype) for n in lengths]
    x[-1] = np.stack([offset, offset + spread + 1]).astype(dtype)  # not constant
    if gaps and dtype != "i4":
        for item in x[:-1]:
            item[rng.random(item.shape) < 0.2] = np.nan
    return x


@given(x=sequences())
def test_statistics_are_numpys(x):
    scaling = Standardiser().fit(x)
    mean, deviation, count = reference(np.concatenate(x))
    np.testing.assert_allclose(scaling.mean_, mean.astype(float), **TOLERANCE)
    np.testing.assert_allclose(scaling.scale_, deviation.astype(float), **TOLERANCE)
    np.testing.assert_array_equal(scaling.variance_**0.5, scaling.scale_)
    np.testing.assert_array_equal(scaling.count_, count)
    assert {a.dtype.name for a in (scaling.mean_, scaling.scale_)} == {"float64"}


@given(x=sequences(), fill=st.sampled_from([0.0, np.nan, np.inf, 1e30]))
def test_padding_does_not_count(x, fill):
    if x[0].dtype.kind == "i":
        fill = 7
    array, lengths = padded(x, fill)
    assert Standardiser().fit(array, lengths) == Standardiser().fit(x)


@given(x=sequences(), cuts=st.lists(st.integers(0, 7), max_size=4), data=st.data())
def test_batches_give_what_the_whole_gives(x, cuts, data):
    whole, parts = Standardiser().fit(x), Standardiser()
    places = sorted({0, len(x), *(min(cut, len(x)) for cut in cuts)})
    batches = [x[a:b] for a, b in itertools.pairwise(places)]
    for batch in data.draw(st.permutations(batches)):
        if sum(map(len, batch)):
            parts.partial_fit(batch)
    np.testing.assert_allclose(parts.mean_, whole.mean_, **TOLERANCE)
    np.testing.assert_allclose(parts.scale_, whole.scale_, **TOLERANCE)
    np.testing.assert_array_equal(parts.count_, whole.count_)


@given(x=sequences(), value=st.integers(1, 40))
def test_blocks_of_any_size(x, value):
    """Long data is counted block by block."""
    array, lengths = padded(x)
    whole = Standardiser().fit(x)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "AT_A_TIME", value)
        forms = [Standardiser().fit(x), Standardiser().fit(array, lengths)]
        forms.append(Standardiser().fit(np.concatenate(x)))
    for other in forms:
        np.testing.assert_allclose(other.mean_, whole.mean_, **TOLERANCE)
        np.testing.assert_allclose(other.scale_, whole.scale_, **TOLERANCE)
        np.testing.assert_array_equal(other.count_, whole.count_)


@given(x=sequences())
def test_forms_are_transformed_alike(x):
    scaling = Standardiser().fit(x)
    array, lengths = padded(x, 3)
    for method in (scaling.transform, scaling.inverse_transform):
        alone = method(x)
        assert [len(item) for item in alone] == list(lengths)
        together, flat = method(array, lengths), method(np.concatenate(x))
        assert together.shape == array.shape
        np.testing.assert_array_equal(np.concatenate(alone), flat)
        for item, row, original, length in zip(alone, together, array, lengths, strict=True):
            np.testing.assert_array_equal(row[:length], item)
            np.testing.assert_array_equal(row[length:], original[length:])
            for step, expected in zip(original[:length], item, strict=True):
                np.testing.assert_array_equal(method(step), expected)


@given(x=sequences())
def test_transform_is_the_formula(x):
    scaling = Standardiser().fit(x)
    steps = np.concatenate(x)
    mean, deviation, _ = reference(steps)
    dtype = steps.dtype if steps.dtype.kind == "f" else np.float64
    close = {"rtol": 1e-6, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-9, "atol": 1e-9}
    scaled = scaling.transform(steps)
    assert scaled.dtype == dtype
    np.testing.assert_allclose(scaled, ((steps - mean) / deviation).astype(dtype), **close)
    back = scaling.inverse_transform(scaled)
    largest = np.nanmax(np.abs(steps), axis=0) + deviation.astype(float)
    np.testing.assert_allclose(back / largest, steps / largest, **close)


def test_scaled_data_has_mean_0_and_deviation_1(rng):
    x = 1e4 + 3 * rng.standard_normal((20, 30, 2))
    scaled = Standardiser().fit(x).transform(x).reshape(-1, 2)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-12)


def test_as_scikit_learn(rng):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    x = rng.standard_normal((500, 4)).astype(np.float32) * [1, 1e-3, 1e3, 1] + [0, 5, -1e6, 0.1]
    x[:, 3] = 0.1  # constant, and its mean is rounded
    x[rng.random(500) < 0.1, 0] = np.nan
    theirs = preprocessing.StandardScaler().fit(x)
    scaling = Standardiser().fit(x)
    np.testing.assert_allclose(scaling.mean_, theirs.mean_, rtol=1e-12)
    np.testing.assert_allclose(scaling.scale_, theirs.scale_, rtol=1e-12)
    np.testing.assert_allclose(scaling.transform(x), theirs.transform(x), atol=1e-7)
    assert scaling.scale_[3] == 1


class TestSpecialFeatures:
    @pytest.mark.parametrize("value", [0.0, 0.1, -1e-30, 1e120, 123456.789])
    def test_constant(self, value):
        x = np.full((3001, 1), value)
        scaling = Standardiser()
        for part in np.array_split(x, 7):
            scaling.partial_fit(part)
        for fitted in (scaling, Standardiser().fit(x), Standardiser().fit(x[:1])):
            np.testing.assert_allclose(fitted.mean_, value, rtol=1e-14)
            assert fitted.scale_.tolist() == [1.0]

    def test_almost_constant(self):
        """A variance that is more than rounding is no constant."""
        x = np.array([[1.0], [1.0 + 1e-9]])
        np.testing.assert_allclose(Standardiser().fit(x).scale_, 5e-10, rtol=1e-6)

    def test_without_values(self):
        x = np.array([[1.0, np.nan], [3.0, np.nan]])
        scaling = Standardiser().fit(x)
        assert (scaling.mean_.tolist(), scaling.scale_.tolist()) == ([2, 0], [1, 1])
        assert scaling.count_.tolist() == [2, 0]
        np.testing.assert_array_equal(scaling.transform(x), [[-1, np.nan], [1, np.nan]])
        scaling.partial_fit([[[np.nan, 5.0], [np.nan, 7.0]]])
        assert (scaling.mean_.tolist(), scaling.scale_.tolist()) == ([2, 6], [1, 1])

    def test_sums_are_in_float64(self):
        """In float32 the mean of a million values far from 0 would lose three digits."""
        x = np.full((2**20, 1), 1000, np.float32)
        x[::2] += np.float32(0.5)
        scaling = Standardiser().fit(x)
        np.testing.assert_allclose(scaling.mean_, 1000.25, rtol=1e-15)
        np.testing.assert_allclose(scaling.scale_, 0.25, rtol=1e-12)


def test_windows_of_a_series(rng):
    series = rng.standard_normal(50_000)
    x = peephole.windows(series, 25_000)[::5000]
    expected = np.concatenate(list(x))
    np.testing.assert_allclose(Standardiser().fit(x).mean_, expected.mean(axis=0), atol=1e-12)


def test_input_is_not_changed(rng):
    x = rng.standard_normal((3, 4, 2))
    x.setflags(write=False)
    scaling = Standardiser().fit(x, [4, 2, 0])
    assert scaling.transform(x, [4, 2, 0]).flags.writeable
    scaling.mean_[:] = 7  # a copy
    assert (scaling.mean_ != 7).all()


@given(x=sequences())
def test_as_text(x):
    """The text in files has the exact values."""
    scaling = Standardiser().fit(x)
    assert read_scaling(scaling_text(scaling), "scaling") == scaling


class TestObject:
    def test_repr(self):
        assert repr(Standardiser()) == "Standardiser()  # not fitted"
        assert (
            repr(Standardiser().fit(np.zeros((3, 2)))) == "Standardiser()  # fitted to 2 features"
        )

    def test_equality(self, rng):
        x = rng.standard_normal((5, 2))
        scaling = Standardiser().fit(x)
        assert scaling == Standardiser().fit(x)
        assert scaling != Standardiser().fit(x + 1e-15)
        assert scaling != Standardiser().fit(np.concatenate([x, x]))  # other counts
        assert scaling != Standardiser()
        assert Standardiser() == Standardiser()
        assert scaling != "Standardiser"

    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    @pytest.mark.parametrize("fitted", [False, True])
    def test_pickles_and_copies(self, protocol, fitted, rng):
        scaling = Standardiser()
        if fitted:
            scaling.fit(rng.standard_normal((5, 2)))
        data = pickle.dumps(scaling, protocol)
        assert b"peephole.scaling" not in data  # an internal place
        for twin in (pickle.loads(data), copy.copy(scaling), copy.deepcopy(scaling)):
            assert twin == scaling
            twin.partial_fit(np.ones((3, 2)))
            assert twin != scaling

    def test_fit_forgets(self, rng):
        x = rng.standard_normal((5, 2))
        scaling = Standardiser().fit(rng.standard_normal((4, 3)))
        assert scaling.features == 3
        assert scaling.fit(x) is scaling
        assert scaling == Standardiser().fit(x)

"""DataFrames with a time index, in and out; and static features."""

import numpy as np
import peephole
import pytest
from peephole import losses
from support.refusals import refused

pd = pytest.importorskip("pandas")

T = 8
INDICES = {
    "days": pd.date_range("2024-01-28", periods=T + 4, name="day"),
    "hours without a frequency": pd.DatetimeIndex(
        pd.date_range("2024-01-01", periods=T + 4, freq="h").to_numpy()
    ),
    "ends of months": pd.date_range("2024-01-31", periods=T + 4, freq="ME"),
    "with a time zone": pd.date_range("2024-03-30", periods=T + 4, freq="D", tz="Europe/Berlin"),
    "quarters": pd.period_range("2020Q1", periods=T + 4, freq="Q"),
    "integers": pd.RangeIndex(10, 10 + 3 * (T + 4), 3),
    "durations": pd.timedelta_range("1h", periods=T + 4, freq="30min"),
}


def frame(rng, index=INDICES["days"], columns=("sales", "price")):
    return pd.DataFrame(rng.standard_normal((T, len(columns))), index[:T], list(columns))


def network(outputs=2, readout="all", **options):
    options = {"seed": 0, "dtype": "float64", **options}
    return peephole.Network(2, 5, outputs, readout=readout, **options)


class TestPredict:
    def test_all(self, rng):
        net, x = network(), frame(rng)
        y, state = net.predict(x, return_state=True)
        assert y.index.equals(x.index)
        np.testing.assert_array_equal(y, net.predict(x.to_numpy()))
        assert state[0][0].shape == (5,)
        many = net.predict([x, x[:3]])
        assert [f.index.equals(s.index) for f, s in zip(many, [x, x[:3]], strict=True)] == [1, 1]
        np.testing.assert_array_equal(many[1], y[:3])

    def test_last(self, rng):
        net, x = network(readout="last"), frame(rng)
        y = net.predict(x)
        assert y.index.equals(x.index[-1:])
        np.testing.assert_array_equal(y.to_numpy()[0], net.predict(x.to_numpy()))
        assert net.predict([x, x[:3]]).shape == (2, 2)

    def test_batches(self, rng):
        x = frame(rng)
        (y,) = network().predict(iter([[x, x]]))
        assert y[1].index.equals(x.index)

    def test_arrays_stay_arrays(self, rng):
        x = frame(rng)
        assert type(network().predict(x.to_numpy())) is np.ndarray
        assert type(network().predict([x.to_numpy(), x])[0]) is np.ndarray


def test_fit_and_score(rng):
    """A frame is a single sequence; the same weights as from arrays."""
    x, y = frame(rng), frame(rng)
    of_frames, of_arrays = network(), network()
    of_frames.fit(x, y, epochs=2, seed=0, progress=False)
    of_arrays.fit(x.to_numpy(), y.to_numpy(), epochs=2, seed=0, progress=False)
    for name, value in of_arrays.parameters.items():
        np.testing.assert_array_equal(of_frames.parameters[name], value)
    assert of_frames.score(x, y) == of_arrays.score(x.to_numpy(), y.to_numpy())
    of_frames.fit([x, x[:4]], [y, y[:4]], epochs=1, progress=False)


def test_windows(rng):
    x = frame(rng)
    found = peephole.windows(x, 3, stride=2)
    np.testing.assert_array_equal(found, peephole.windows(x.to_numpy(), 3, stride=2))
    assert len(found) == len(x.index[2::2])  # the last step of each, as the docstring says


@pytest.mark.parametrize("name", INDICES)
class TestGenerate:
    def test_times_after_x(self, name, rng):
        index = INDICES[name]
        net, x = network(), frame(rng, index)
        y = net.generate(x, 4)
        assert y.index.equals(index[T:])
        assert y.index.name == index.name
        assert list(y.columns) == ["sales", "price"]
        np.testing.assert_array_equal(y, net.generate(x.to_numpy(), 4))

    def test_future(self, name, rng):
        index = INDICES[name]
        net, x = network(1), frame(rng, index)
        future = pd.DataFrame({"sales": rng.standard_normal(3)}, index[T : T + 3])
        y = net.generate(x, 4, future=future, columns=[1])
        assert list(y.columns) == ["price"]
        expected = net.generate(x.to_numpy(), 4, future=future.to_numpy(), columns=[1])
        np.testing.assert_array_equal(y, expected)
        late = pd.DataFrame({"sales": np.zeros(3)}, index[T + 1 :])
        with refused(ValueError, "future", "expected the index"):
            net.generate(x, 4, future=late, columns=[1])


def test_generate_samples_and_many(rng):
    net, loss = peephole.Network(1, 5, 2, seed=0), losses.GaussianNLL()
    x = frame(rng, columns=["a"])
    y = net.generate(x, 3, loss=loss, samples=5, seed=0)
    assert y.index.names == ["sample", "day"]
    expected = net.generate(x.to_numpy(), 3, loss=loss, samples=5, seed=0)
    np.testing.assert_array_equal(y.to_numpy().reshape(5, 3, 1), expected)
    assert y.loc[4].index.equals(INDICES["days"][T : T + 3])
    first, second = net.generate([x, x[:4]], 3, loss=loss)
    assert second.index.equals(INDICES["days"][4:7])
    np.testing.assert_array_equal(first, net.generate(x.to_numpy(), 3, loss=loss))


def test_generate_labels(rng):
    net, x = network(head="softmax"), frame(rng)
    y = net.generate(x, 3)
    assert list(y.columns) == ["label"]
    np.testing.assert_array_equal(y["label"], net.generate(x.to_numpy(), 3))


@pytest.mark.parametrize(
    "index",
    [
        ["a", "b", "c"],
        pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-05"]),
        pd.to_datetime(["2024-01-01", "2024-01-02"]),
        [1, 2, 4],
        [1],
    ],
)
def test_indices_without_a_distance(index):
    with refused(ValueError, "x", "equal distances"):
        network().generate(pd.DataFrame(np.zeros((len(index), 2)), index), 2)


def test_empty_frames():
    with refused(ValueError, "x", "at least one step"):
        network().generate(pd.DataFrame(np.zeros((0, 2))), 2)


def test_standardiser(rng):
    x = frame(rng)
    x.iloc[2, 0] = np.nan
    scaling = peephole.Standardiser(missing="forward", indicators=True).fit(x)
    found = scaling.transform(x)
    assert list(found.columns) == ["sales", "price", "sales_missing", "price_missing"]
    assert found.index.equals(x.index)
    np.testing.assert_array_equal(found, scaling.transform(x.to_numpy()))
    back = scaling.inverse_transform(found[["sales", "price"]])
    np.testing.assert_allclose(back.drop(x.index[2]), x.drop(x.index[2]))
    assert list(back.columns) == ["sales", "price"]
    first, _ = scaling.transform([x, x[:2]])
    assert first.equals(found)
    with refused(TypeError, "x", "real numbers"):
        scaling.transform(x.astype(str))


class TestStatic:
    def test_forms(self, rng):
        x, static = rng.standard_normal((3, 5, 2)), rng.standard_normal((3, 4))
        found = peephole.with_static(x, static)
        assert found.shape == (3, 5, 6)
        np.testing.assert_array_equal(found[..., :2], x)
        assert (found[..., 2:] == static[:, None]).all()
        ragged = peephole.with_static([x[0], x[1, :2], x[2]], static)
        np.testing.assert_array_equal(ragged[1], found[1, :2])
        np.testing.assert_array_equal(peephole.with_static(x[2], static[2]), found[2])
        assert peephole.with_static(x.astype("float32"), static).dtype == np.float32
        assert peephole.with_static(np.ones((1, 2, 1), int), static[:1]).dtype == np.float64

    @pytest.mark.parametrize(
        ("error", "argument", "x", "static"),
        [
            (ValueError, "static", np.zeros((3, 5, 2)), np.zeros((2, 4))),
            (ValueError, "static", np.zeros((3, 5, 2)), np.zeros(4)),
            (ValueError, "static", np.zeros((5, 2)), np.zeros((1, 4))),
            (ValueError, "static", [np.zeros((5, 2))], np.zeros((2, 4))),
            (ValueError, "x", np.zeros(5), np.zeros(4)),
            (ValueError, "x[0]", [np.zeros(5)], np.zeros((1, 4))),
            (TypeError, "static", np.zeros((5, 2)), ["a"]),
            (TypeError, "x", np.full((5, 2), "a"), np.zeros(4)),
        ],
    )
    def test_bad_input(self, error, argument, x, static):
        with refused(error, argument):
            peephole.with_static(x, static)

"""The data of the tasks is right. How well networks learn it is measured when the tasks run."""

import numpy as np
import pytest

from bench.tasks import adding, counting, forecasting, spikes
from bench.tasks.__main__ import TASKS
from bench.tasks.__main__ import main as run_tasks


@pytest.mark.parametrize("n", [1, 2, 5])
def test_word(n):
    x, y = counting.word(n)
    letters = ["S", *"a" * n, *"b" * n, *"c" * n]
    assert ["Sabc"[k] for k in x.argmax(axis=1)] == letters
    legal = [{"Sabc"[k] for k in np.flatnonzero(row)} for row in y]  # S: the end
    expected = [{"a"}, *[{"a", "b"}] * n, *[{"b"}] * (n - 1), {"c"}, *[{"c"}] * (n - 1), {"S"}]
    assert legal == expected


class RightUpTo:
    """Predicts the right symbols up to some n."""

    def __init__(self, longest):
        self.longest = longest

    def predict(self, x):
        n = (len(x) - 1) // 3
        return counting.word(n)[1] * (0.9 if n <= self.longest else 0.1)


@pytest.mark.parametrize("n", [0, 7, 30])
def test_longest_accepted(n):
    assert counting.longest_accepted(RightUpTo(n), searched=20) == min(n, 20)


def test_sums(rng):
    x, y = adding.sequences(50, rng, steps=10)
    assert x.shape == (50, 10, 2)
    assert (x[:, :5, 1].sum(axis=1) == 1).all()
    assert (x[:, 5:, 1].sum(axis=1) == 1).all()
    np.testing.assert_allclose((x[..., 0] * x[..., 1]).sum(axis=1, keepdims=True), y, rtol=1e-6)


def test_intervals(rng):
    x, y = spikes.sequences(50, rng)
    for sequence, intervals in zip(x[..., 0], y[..., 0], strict=True):
        times = np.flatnonzero(sequence)
        measured = np.round(intervals[~np.isnan(intervals)] * spikes.LONGEST)
        assert np.flatnonzero(~np.isnan(intervals)).tolist() == times[1:].tolist()
        np.testing.assert_array_equal(measured, np.diff(times))
        assert ((measured >= spikes.SHORTEST) & (measured <= spikes.LONGEST)).all()


@pytest.mark.parametrize("changes", [False, True])
def test_inputs_are_before_the_forecast(changes):
    values = np.arange(40.0) ** 2
    series = forecasting.Series(values, 4, 6, 8, 30, changes, 1)
    origins, x, y = forecasting.cut(series, 20, 30)
    assert origins.tolist() == [20, 21, 22, 23, 24]
    for t, read, wanted in zip(origins, x[..., 0], y, strict=True):
        seasonal = [values[t - 4 + k % 4] for k in range(6)]
        told = values[t - 8 : t] - values[t - 12 : t - 4] if changes else values[t - 8 : t]
        np.testing.assert_array_equal(forecasting.naive(series, t), seasonal)
        np.testing.assert_array_equal(read, told)
        np.testing.assert_array_equal(wanted + (seasonal if changes else 0), values[t : t + 6])


def test_runs_by_name(monkeypatch, capsys):
    monkeypatch.setattr(adding, "EPOCHS", 1)
    monkeypatch.setattr(adding, "TRAINING", 50)
    assert run_tasks(["adding"]) == 1  # so little training misses the mark
    assert capsys.readouterr().out.startswith("Adding problem, T = 100")
    with pytest.raises(SystemExit, match="no task is named chess; there are counting"):
        run_tasks(["chess"])
    assert len(TASKS) == 8

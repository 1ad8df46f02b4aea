"""The streams of the timing tasks are right, and how results are counted."""

import numpy as np
import pytest

from bench.tasks import timing
from bench.tasks import timing_data as data

RANDOM_STREAMS = [data.spike_delays, data.timed_spikes]


def spikes(values):
    """The steps of the spikes, counted from 1."""
    return np.flatnonzero(values == 1) + 1


def test_spike_delays(rng):
    x, y = data.spike_delays(20, 6, rng)
    assert x.shape == y.shape == (20, 60, 1)
    assert set(np.unique(x)) == {0, 1}
    for read, asked in zip(x[..., 0], y[..., 0], strict=True):
        times = spikes(read)
        delays = np.diff(times, prepend=0)
        assert set(delays) <= {10, 11}
        assert 60 - times[-1] < 11  # no spike is missing at the end
        np.testing.assert_array_equal(np.flatnonzero(~np.isnan(asked)) + 1, times)
        np.testing.assert_array_equal(asked[times - 1], delays - 10)


def test_timed_spikes(rng):
    x, y = data.timed_spikes(20, 6, rng)
    assert x.shape == y.shape == (20, 60, 1)
    assert set(np.unique(y)) == {0, 1}
    for read, asked in zip(x[..., 0], y[..., 0], strict=True):
        times = spikes(asked)
        assert 60 - times[-1] < 11
        begin = 0
        for end in times:  # the input says how long the delay to the next spike is
            np.testing.assert_array_equal(read[begin:end], end - begin - 10)
            begin = end


@pytest.mark.parametrize("streams", RANDOM_STREAMS)
def test_both_offsets_occur_and_seeds_repeat(streams):
    draws = [streams(20, 6, np.random.default_rng(seed)) for seed in (3, 3, 4)]
    for same, other in zip(draws[0], draws[1], strict=True):
        np.testing.assert_array_equal(same, other)
    assert (draws[0][0] != draws[2][0]).any()
    offsets = draws[0][1] if streams is data.spike_delays else draws[0][0]
    assert {0, 1} <= set(np.unique(offsets))


def test_regular_spikes(rng):
    x, y = data.regular_spikes(5, 3, rng)
    assert x.shape == y.shape == (1, 30, 1)
    assert not x.any()
    assert spikes(y[0, :, 0]).tolist() == [10, 20, 30]
    assert y.sum() == 3


@pytest.mark.parametrize(
    ("form", "period"),  # t = 1..10
    [
        (data.cosine, [np.sin(np.pi * t / 10) ** 2 for t in range(1, 11)]),
        (data.triangle, [0.8, 0.6, 0.4, 0.2, 0, 0.2, 0.4, 0.6, 0.8, 1]),
        (data.rectangle, [0, 0, 0, 0, 0, 1, 1, 1, 1, 0]),
    ],
)
def test_waves(form, period, rng):
    x, y = data.wave(form)(5, 3, rng)
    assert not x.any()
    np.testing.assert_allclose(y[0, :, 0], np.tile(period, 3), atol=1e-6)


class Answers:
    """A network that predicts y."""

    def __init__(self, y):
        self.y = y

    def predict(self, x):
        return self.y


def test_steps_right():
    y = np.full((2, 8, 1), np.nan)
    y[:, ::2] = 1
    answers = np.zeros_like(y)
    answers[:, ::2] = 0.6
    answers[:, 1] = 5  # no target: no error
    assert timing.steps_right(Answers(answers), None, y, 0.49) == 8
    answers[0, 6] = 0.5
    assert timing.steps_right(Answers(answers), None, y, 0.49) == 6
    answers[1, 0] = 1.5
    assert timing.steps_right(Answers(answers), None, y, 0.49) == 0


def test_the_network_with_the_least_loss_is_tested():
    tried = []

    def train_one(seed):
        tried.append(seed)
        return seed, seed / 2**32

    assert timing.best(train_one, 7) == min(tried)
    assert len(set(tried)) == timing.NETWORKS
    first = tuple(tried)
    tried.clear()
    timing.best(train_one, 7)
    assert tuple(tried) == first


@pytest.mark.parametrize("task", timing.TASKS, ids=lambda task: task.name)
def test_trains(task):
    phases = tuple((1, 2) for _ in timing.PHASES)
    nets = [timing.train(task, form, 0, phases)[0] for form in timing.PEEPHOLES.values()]
    x, y = task.streams(2, 3, np.random.default_rng(0))
    assert all(0 <= timing.steps_right(net, x, y, task.tolerance) <= 30 for net in nets)
    assert [net.options["peephole"] for net in nets] == ["none", "diagonal", "diagonal"]
    assert [net.options["output_peephole"] for net in nets] == ["previous", "current", "previous"]


def test_table(monkeypatch, capsys):
    """Main prints what was measured; the mark is a seed with peepholes that solves the task."""
    monkeypatch.setattr(timing, "TASKS", timing.TASKS[:1])
    monkeypatch.setattr(timing, "accepted", lambda peepholes, seed: 10 + 2 * seed)
    whole = timing.TEST_PERIODS * data.PERIOD
    of_first_seed = {"none": whole, "current": 37, "previous": 36}

    def result(task, peepholes, seed):
        kind = peepholes.get("peephole") or peepholes.get("output_peephole", "previous")
        return of_first_seed[kind] if seed == 0 else 20

    monkeypatch.setattr(timing, "result", result)
    assert not timing.main()
    counted, delays = capsys.readouterr().out.splitlines()[4:6]
    assert counted.split(" | ")[1].strip() == "1 of 5; 14 (10–18)"
    cells = [cell.strip(" |") for cell in delays.split(" | ")]
    assert cells == [
        timing.TASKS[0].name,
        "1 of 5; 20 (20–10,000)",
        "0 of 5; 20 (20–37)",
        "0 of 5; 20 (20–36)",
    ]
    of_first_seed["previous"] = whole
    assert timing.main()
    monkeypatch.setattr(timing, "accepted", lambda peepholes, seed: 17)
    assert not timing.main()

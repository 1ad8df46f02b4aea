"""`validation_share`: what is held out, of windows, labels and forecasts."""

import numpy as np
import peephole
import pytest
from peephole import losses
from peephole.training.data.batches import read_data
from peephole.training.hold_out import hold_out
from support.fitting import network, quiet
from support.refusals import refused

STEPS, LENGTH = 300, 20


@pytest.fixture
def series(rng):
    return np.cumsum(rng.standard_normal((STEPS, 3)), axis=0)


def split(x, y, share=0.25, shuffle=None, readout="last", labels=False):
    net = peephole.Network(
        x[0].shape[-1],
        4,
        4 if labels else 1,
        head="softmax" if labels else "identity",
        readout=readout,
        dtype="float64",
    )
    loss = losses.CrossEntropy() if labels else losses.MeanSquaredError()
    data = read_data(net, loss, x, y)
    (_, trained), (_, held) = hold_out(data, share, shuffle, np.random.default_rng(0))
    return trained, held


def as_list(windows):
    return [window.copy() for window in windows]


def as_fortran(windows):
    return np.asfortranarray(windows)


FORMS = {
    "view": lambda w: w,
    "slice of a view": lambda w: w[:-1],
    "reversed view": lambda w: w[::-1],
    "every other step": lambda w: w[:, ::2],
    "copy": np.ascontiguousarray,
    "float32": lambda w: w.astype(np.float32),
    "list of copies": as_list,
    "list of views": list,
    "by columns": as_fortran,
}


class TestWindows:
    @pytest.mark.parametrize("stride", [1, 3, 7, LENGTH - 2])
    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("kind", ["values", "labels"])
    def test_no_step_is_in_both_parts(self, kind, form, stride, series, rng):
        time = np.arange(STEPS, dtype=float)
        whole = np.concatenate([series, time[:, None]], axis=1)
        x = FORMS[form](peephole.windows(whole, LENGTH, stride=stride))
        y = rng.integers(0, 4, len(x)) if kind == "labels" else rng.standard_normal(len(x))
        trained, held = split(x, y, labels=kind == "labels")
        assert held[-1] == len(x) - 1
        assert len(held) == round(len(x) / 4)

        def steps(rows):
            return {int(t) for k in rows for t in x[k][:, 3]}

        assert not steps(trained) & steps(held)
        # No more is left out than those that reach into what is held out.
        left_out, of_held = steps([trained[-1] + 1]), steps(held)
        assert min(left_out) <= max(of_held)
        assert max(left_out) >= min(of_held)

    def test_none_is_left_out_where_windows_touch(self, series):
        x = peephole.windows(series, LENGTH, stride=LENGTH)
        trained, held = split(x, np.zeros(len(x)))
        assert len(trained) + len(held) == len(x)

    def test_one_target_per_step(self, series):
        x, y = (peephole.windows(s, LENGTH) for s in (series[:-1], series[1:, :1]))
        trained, held = split(x, y, readout="all")
        assert held[0] - trained[-1] == LENGTH

    def test_forecasts_longer_than_the_inputs(self, series):
        """Targets of 40 steps after windows of 20 leave a gap for the targets."""
        x = peephole.windows(series[:-40], LENGTH)
        y = peephole.windows(series[LENGTH:, 0], 40)[..., 0]
        net = peephole.Network(3, 4, 40, readout="last", dtype="float64")
        data = read_data(net, losses.MeanSquaredError(), x, y)
        (_, trained), (_, held) = hold_out(data, 0.25, None, np.random.default_rng(0))
        assert held[0] - trained[-1] == 40

    def test_only_windows_of_the_same_series_are_left_out(self, rng):
        """Copies of windows of three series: the cut is near the start of the third."""
        series = [rng.standard_normal((50, 2)) for _ in range(3)]
        x = np.concatenate([peephole.windows(s, LENGTH) for s in series])  # 31 of each
        trained, held = split(x, np.zeros(93), share=26 / 93)
        assert held[0] == 67
        assert trained[-1] == 61

    @pytest.mark.parametrize(
        "x",
        [
            np.zeros((40, LENGTH, 2)),
            np.ones((40, 1, 2)),
            np.broadcast_to(np.arange(40.0)[:, None, None], (40, LENGTH, 2)),
            np.random.default_rng(0).standard_normal((LENGTH, 40, 2)).transpose(1, 0, 2),
            np.random.default_rng(0).integers(0, 2, (40, 3, 2)).astype(float),
        ],
        ids=["zeros", "one step", "broadcast", "time first", "few values"],
    )
    def test_others_are_not_windows(self, x):
        trained, held = split(x, np.zeros(len(x)))
        np.testing.assert_array_equal(trained, np.arange(30))
        np.testing.assert_array_equal(held, np.arange(30, 40))

    def test_nothing_would_be_left(self, series):
        x = peephole.windows(series[:30], LENGTH)
        with refused(ValueError, "validation_share", "windows"):
            split(x, np.zeros(len(x)))

    def test_a_random_walk_cannot_be_predicted(self, rng):
        """Windows of noise and their sums: no better on what is held out than the mean."""
        walk = np.cumsum(rng.standard_normal(400))
        x = peephole.windows(walk[:-1], LENGTH).astype(np.float64)
        y = walk[LENGTH:]
        net = peephole.Network(1, 8, 1, readout="last", seed=0, dtype="float64")
        trained, held = split(x, y)
        history = quiet(net, x, y, epochs=1, validation_share=0.25)
        twin = peephole.Network(1, 8, 1, readout="last", seed=0, dtype="float64")
        same = quiet(twin, x[trained], y[trained], epochs=1, validation_data=(x[held], y[held]))
        assert history.validation["loss"] == pytest.approx(same.validation["loss"], rel=0.2)


class TestLabels:
    @pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
    def test_are_stratified(self, share, rng):
        sizes = [100, 40, 10, 2]
        labels = rng.permutation(np.repeat(np.arange(4), sizes))
        x = rng.standard_normal((152, 5, 2))
        trained, held = split(x, labels, share, labels=True)
        np.testing.assert_array_equal(np.sort([*trained, *held]), np.arange(152))
        assert len(held) == round(share * 152)
        counts = np.bincount(labels[held], minlength=4)
        np.testing.assert_allclose(counts, share * np.array(sizes), atol=1.01)
        assert np.bincount(labels[trained], minlength=4).min() > 0

    def test_are_drawn(self, rng):
        labels, x = np.arange(80) % 4, rng.standard_normal((80, 5, 2))
        _, held = split(x, labels, labels=True)
        assert held.min() < 40
        assert held.max() < 79 or len(set(np.diff(held))) > 1

    def test_labels_that_occur_once(self, rng):
        """As many labels as sequences: some are held out too."""
        trained, held = split(rng.standard_normal((4, 5, 2)), np.arange(4), 0.5, labels=True)
        assert len(trained) == len(held) == 2

    def test_in_order_if_asked(self, rng):
        labels, x = np.arange(80) % 4, rng.standard_normal((80, 5, 2))
        _, held = split(x, labels, shuffle=False, labels=True)
        np.testing.assert_array_equal(held, np.arange(60, 80))


def test_windows_are_shuffled_only_if_asked(series):
    x = peephole.windows(series, LENGTH)
    trained, held = split(x, np.zeros(len(x)), shuffle=True)
    assert len(trained) + len(held) == len(x)
    assert held[0] < len(x) // 2


def test_a_users_loss_is_of_forecasts(rng):
    """Its targets are not known to be labels: the last sequences are held out."""
    x, y = rng.standard_normal((20, 7, 3)), np.arange(20.0)
    seen = []

    def loss(y_pred, y_true, lengths):
        seen.extend(y_true.tolist())
        return float(np.square(y_pred).mean()), 2 * y_pred / y_pred.size

    quiet(network("identity", "last"), x, y, loss=loss, epochs=1, validation_share=0.25)
    assert seen[-5:] == [15, 16, 17, 18, 19]
    assert sorted(seen[:15]) == list(range(15))

"""Errors and warnings of validation: values that are not finite, weights of 0, NaN."""

import math
import warnings
from collections import deque

import numpy as np
import pytest
from peephole import schedules
from peephole.training import EarlyStopping
from support.fitting import INPUTS, OUTPUTS, N, T, network, quiet, values_of
from support.refusals import refused


@pytest.fixture
def data(rng):
    return rng.standard_normal((N, T, INPUTS)), rng.standard_normal((N, OUTPUTS))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", ["array", "list", "share"])
def test_a_bad_value_is_named(form, bad, data):
    x, y = data
    wrong = x.copy()
    wrong[N - 2, 4, 1] = bad
    net = network("identity", "last")
    before = values_of(net)
    options, name = {"validation_data": (wrong, y)}, "validation_data: x"
    if form == "list":
        options = {"validation_data": (list(wrong), y)}
    elif form == "share":
        x, options, name = wrong, {"validation_share": 0.25}, "x"
    with refused(ValueError, name, f"got {bad} in sequence {N - 2}, step 4"):
        quiet(net, x, y, early_stopping=2, **options)
    np.testing.assert_equal(values_of(net), before)


def test_a_value_that_is_infinite_as_float32(data):
    x, y = data
    wrong = x.copy()
    wrong[3, 0, 0] = 1e300
    net = network("identity", "last", dtype="float32")
    with refused(ValueError, "validation_data: x", "sequence 3, step 0"):
        quiet(net, x, y, validation_data=(wrong, y))


def test_padding_may_hold_anything(data):
    x, y = data
    held, lengths = x.copy(), np.full(N, T)
    lengths[3], held[3, 4:] = 4, np.nan
    history = quiet(network("identity", "last"), x, y, validation_data=(held, y, lengths))
    assert np.isfinite(history.validation["loss"]).all()


def test_a_loss_that_overflows(data):
    x, y = data
    net = network("identity", "last", dtype="float32")
    expected = r"the validation loss is inf \(batch 1 of 3\): .* overflows"
    with pytest.raises(FloatingPointError, match=expected):
        quiet(net, x, y, validation_data=(x, np.full_like(y, 1e30)))


def test_a_users_loss_that_is_nan(data):
    x, y = data

    def loss(y_pred, y_true, lengths):
        return (math.nan if len(y_true) == 1 else 1.0), np.zeros_like(y_pred)

    with pytest.raises(FloatingPointError, match=r"nan in validation \(batch 1 of 1\)"):
        quiet(
            network("identity", "last"), x[:10], y[:10], loss=loss, validation_data=(x[:1], y[:1])
        )


@pytest.mark.parametrize("sized", [True, False])
def test_a_bad_batch_is_named(sized, data):
    """Rows of a batch from an iterable are numbered within the batch."""
    x, y = data
    wrong = x.copy()
    wrong[5, 2, 0] = np.nan
    batches = [(x, y), (x, y), (wrong, y)]
    held, place = (deque(batches), "batch 3 of 3") if sized else (lambda: iter(batches), "batch 3")
    with pytest.raises(FloatingPointError) as caught:
        quiet(network("identity", "last"), x, y, validation_data=held)
    expected = f"the validation loss is nan ({place}): x holds nan in sequence 5"
    assert str(caught.value) == expected


class TestWeightsOfZero:
    def test_of_the_data(self, data):
        with refused(ValueError, "sample_weight"):
            quiet(network("identity", "last"), *data, sample_weight=np.zeros(N))

    def test_of_validation_data(self, data):
        x, y = data
        with refused(ValueError, "validation_data: sample_weight"):
            quiet(network("identity", "last"), x, y, validation_data=(x, y, None, np.zeros(N)))

    @pytest.mark.parametrize("part", ["sequences held out", "sequences to train on"])
    def test_of_a_part(self, part, data):
        weights = (np.arange(N) < N // 2).astype(float)
        if part == "sequences to train on":
            weights = 1 - weights
        with refused(ValueError, "sample_weight", part):
            quiet(network("identity", "last"), *data, sample_weight=weights, validation_share=0.5)

    def test_but_in_padding(self, rng):
        x, y = rng.standard_normal((N, T, INPUTS)), rng.standard_normal((N, T, OUTPUTS))
        weights = np.zeros((N, T))
        weights[:, 4:] = 1
        with refused(ValueError, "sample_weight"):
            quiet(network("identity", "all"), x, y, lengths=np.full(N, 4), sample_weight=weights)

    def test_of_one_batch_is_no_fault(self, data):
        x, y = data
        batches = [(x, y, None, np.zeros(N)), (x, y, None, np.ones(N))]
        net, other = network("identity", "last"), network("identity", "last")
        quiet(net, lambda: batches, None)
        quiet(other, lambda: batches[1:], None)
        np.testing.assert_equal(values_of(net), values_of(other))


class TestNotFinite:
    """An epoch whose value is NaN or infinite does not count, and there is a warning."""

    def train(self, data, epochs=6, **options):
        x, y = data
        nothing = np.full_like(y, np.nan)
        net = network("identity", "last")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            held = {"validation_data": (x, nothing), "missing": "skip"}
            history = quiet(net, x, y, epochs=epochs, **{**held, **options})
        return history, [str(w.message) for w in caught]

    def test_early_stopping(self, data):
        history, said = self.train(data, early_stopping=2)
        assert len(history) == 6
        assert history.stopped is history.best_epoch is None
        assert said == ["early_stopping: validation loss is NaN; such epochs do not count"] * 6

    def test_a_metric_that_is_nan_at_times(self, data):
        values = iter([math.nan, 1.0, math.nan, math.nan, math.nan, 0.5, 0.5, 0.5])
        history, said = self.train(
            data,
            epochs=20,
            validation_data=data,
            metrics={"own": lambda y_pred, y_true: next(values)},
            early_stopping=EarlyStopping(2, "own", maximise=True),
        )
        assert (len(history), history.best_epoch, history.stopped) == (7, 2, "early")
        assert len(said) == 4

    @pytest.mark.parametrize("value", [math.inf, -math.inf])
    @pytest.mark.parametrize("maximise", [True, False])
    def test_a_metric_that_is_always_infinite(self, value, maximise, data):
        history, said = self.train(
            data,
            validation_data=data,
            metrics={"own": lambda y_pred, y_true: value},
            early_stopping=EarlyStopping(2, "own", maximise=maximise),
        )
        assert len(history) == 6
        assert history.stopped is history.best_epoch is None
        expected = f"early_stopping: validation own is {value}; such epochs do not count"
        assert said == [expected] * 6

    @pytest.mark.parametrize("value", [math.inf, -math.inf])
    def test_better(self, value):
        for maximise in (True, False):
            rule = EarlyStopping(maximise=maximise)
            assert not rule.better(value, math.nan)
            assert not rule.better(value, 1.0)

    def test_plateau(self, data):
        schedule = schedules.ReduceOnPlateau(0.5, patience=0)
        history, said = self.train(data, schedule=schedule)
        assert set(history.learning_rate) == {1e-3}
        assert len(said) == 6
        assert all(text.startswith("schedule: the loss") for text in said)

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_plateau_after(self, value):
        schedule = schedules.ReduceOnPlateau(0.5, patience=0)
        for _ in range(3):
            with pytest.warns(RuntimeWarning, match="NaN" if math.isnan(value) else f"{value}"):
                schedule.observe(value)
        schedule.observe(1.0)
        assert schedule.factor(0) == 1
        schedule.observe(1.0)
        assert schedule.factor(0) == 0.5

    def test_no_warning_if_nothing_depends_on_it(self, data):
        history, said = self.train(data, metrics=["accuracy", "mse", "rmse", "mae", "r2"])
        assert said == []
        assert np.isnan(history.validation["r2"]).all()

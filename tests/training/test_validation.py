"""What is held out: validation, metrics, early stopping."""

import math

import numpy as np
import peephole
import pytest
from peephole import metrics
from peephole.training import Callback, EarlyStopping
from peephole.training.data.batches import read_data
from peephole.training.hold_out import hold_out
from support.fitting import (
    INPUTS,
    OUTPUTS,
    N,
    T,
    classification,
    network,
    quiet,
    ragged,
    targets,
    values_of,
)
from support.refusals import refused


class TestScores:
    @pytest.mark.parametrize("head", ["softmax", "identity"])
    @pytest.mark.parametrize("readout", ["last", "all"])
    def test_loss_and_metrics(self, head, readout, rng):
        """Those of the network after the epoch, on what predict says."""
        x, held = ragged(rng), ragged(rng, 9)
        y, wanted = targets(rng, x, head, readout), targets(rng, held, head, readout)
        net = network(head, readout)
        measured = {"own": lambda y_pred, y_true: len(y_pred) + y_true.sum() * 0}
        if head == "softmax":
            measured["accuracy"] = metrics.accuracy
        else:
            measured |= {name: metrics.BY_NAME[name] for name in ("mse", "rmse", "mae", "r2")}
        history = quiet(
            net, x, y, epochs=2, validation_data=(held, wanted), metrics=measured
        ).validation
        y_pred = net.predict(held)
        if readout == "all":
            y_pred, wanted = np.concatenate(y_pred), np.concatenate(wanted)
        last = {name: values[-1] for name, values in history.items()}
        assert {name: len(values) for name, values in history.items()} == dict.fromkeys(last, 2)
        if head == "softmax":
            loss = -np.log(y_pred[np.arange(len(wanted)), wanted]).mean()
            assert last["accuracy"] == (y_pred.argmax(axis=1) == wanted).mean()
        else:
            error = y_pred - wanted
            loss = np.square(error).mean()
            assert last["mse"] == pytest.approx(loss, rel=1e-12)
            assert last["rmse"] == pytest.approx(math.sqrt(loss), rel=1e-12)
            assert last["mae"] == pytest.approx(np.abs(error).mean(), rel=1e-12)
            r2 = 1 - np.square(error).sum(axis=0) / (wanted.var(axis=0) * len(wanted))
            assert last["r2"] == pytest.approx(r2.mean(), rel=1e-12)
        assert last["loss"] == pytest.approx(loss, rel=1e-12)
        assert last["own"] == len(wanted)

    def test_changes_nothing(self, rng):
        x, y = classification(rng)
        net, twin = network(), network()
        quiet(net, x, y, validation_data=(x, y), metrics="accuracy")
        quiet(twin, x, y)
        np.testing.assert_equal(values_of(net), values_of(twin))

    def test_in_chunks(self, rng):
        x, y = rng.standard_normal((6, T, INPUTS)), rng.standard_normal((6, T, OUTPUTS))
        net = network("identity", "all")
        history = quiet(net, x, y, tbptt=2, validation_data=(x, y), metrics=["mse"])
        error = net.predict(x) - y
        assert history.validation["mse"][-1] == pytest.approx(np.square(error).mean(), rel=1e-12)
        assert history.validation["loss"] == pytest.approx(history.validation["mse"], rel=1e-12)

    def test_lengths_weights_and_gaps(self, rng):
        x, y = rng.standard_normal((6, T, INPUTS)), rng.standard_normal((6, T, OUTPUTS))
        lengths, weights = rng.integers(1, T, 6), rng.uniform(0, 1, 6)
        y[:, 1, 2] = np.nan
        net = network("identity", "all")
        history = quiet(
            net,
            x,
            y,
            missing="skip",
            validation_data=(x, y, lengths, weights),
            metrics={"rows": lambda y_pred, y_true: float(np.isnan(y_true).sum())},
        )
        real = (np.arange(T) < lengths[:, None])[..., None] & ~np.isnan(y)
        w = np.broadcast_to(weights[:, None, None], y.shape)[real]
        error = (net.predict(x) - y)[real]
        expected = (w * error**2).sum() / w.sum()
        assert history.validation["loss"][-1] == pytest.approx(expected, rel=1e-12)
        gaps = (np.arange(T) < lengths[:, None])[..., None] & np.isnan(y)
        assert history.validation["rows"] == [gaps.sum()] * 2

    def test_accuracy_of_a_sigmoid_head(self):
        y_pred, y_true = np.array([[0.9, 0.2], [0.4, 0.7]]), np.array([[1.0, 1.0], [0.0, 1.0]])
        assert metrics.accuracy(y_pred, y_true) == 0.75

    def test_r2_of_a_constant_target(self):
        assert metrics.r2(np.zeros((3, 1)), np.ones((3, 1))) == 0
        assert metrics.r2(np.ones((3, 1)), np.ones((3, 1))) == 1


class TestHeldOutShare:
    def split(self, net, n, share, shuffle, time=T):
        x = np.zeros((n, time, INPUTS))
        y = np.zeros((n, time, OUTPUTS) if net.readout == "all" else (n, OUTPUTS))
        data = read_data(net, peephole.losses.MeanSquaredError(), x, y)
        return hold_out(data, share, shuffle, np.random.default_rng(0))

    def test_last_sequences(self):
        (_, train), (_, held) = self.split(network("identity", "last"), 10, 0.25, False)
        np.testing.assert_array_equal(train, np.arange(8))
        np.testing.assert_array_equal(held, [8, 9])

    def test_random_sequences(self):
        (_, train), (_, held) = self.split(network("identity", "last"), 100, 0.3, True)
        np.testing.assert_array_equal(np.sort(np.concatenate([train, held])), np.arange(100))
        assert len(held) == 30
        assert held.max() < 99 or held.min() < 70

    def test_last_steps_of_one_series(self):
        (train, _), (held, rows) = self.split(network("identity", "all"), 1, 0.2, False, time=50)
        assert train.lengths == [40]
        assert held.lengths == [10]
        assert held.take(rows).x.shape == (1, 10, INPUTS)

    @pytest.mark.parametrize(
        ("head", "readout", "drawn", "options"),
        [
            ("softmax", "last", True, {}),
            ("identity", "last", False, {}),
            ("softmax", "all", True, {}),
            ("identity", "all", False, {}),
            ("identity", "all", True, {"validation_shuffle": True}),
            ("softmax", "last", False, {"validation_shuffle": False}),
        ],
    )
    def test_forecasts_are_not_shuffled(self, head, readout, drawn, options, rng):
        """x has the number of each sequence, so the two halves differ."""
        n = 40
        x = np.broadcast_to(np.arange(n)[:, None, None] / n, (n, T, INPUTS))
        y = targets(rng, x, head, readout)
        seen = []

        def see(y_pred, y_true):
            seen.append(len(y_pred))
            return 0.0

        net = network(head, readout)
        history = quiet(net, x, y, epochs=1, validation_share=0.5, metrics={"seen": see}, **options)
        last = network(head, readout)
        expected = quiet(last, x[:20], y[:20], epochs=1, validation_data=(x[20:], y[20:]))
        same = history.validation["loss"] == pytest.approx(expected.validation["loss"], rel=1e-6)
        assert same != drawn
        assert seen == [20 * (T if readout == "all" else 1)]

    def test_is_the_seeds(self, rng):
        x, y = classification(rng)
        histories = [quiet(network(), x, y, seed=s, validation_share=0.3) for s in (1, 1, 2)]
        assert histories[0] == histories[1] != histories[2]


class TestEarlyStopping:
    def test_returns_to_the_best(self, rng):
        """Random labels: memorising them makes the held-out loss grow."""
        x, y = classification(rng, 40)
        net, kept = network(), []
        history = quiet(
            net,
            x,
            y,
            epochs=200,
            learning_rate=0.05,
            validation_data=classification(rng, 40),
            early_stopping=5,
            callbacks=lambda run: kept.append(values_of(run.net)),
        )
        losses = history.validation["loss"]
        assert history.stopped == "early"
        assert len(history) == len(losses) == history.best_epoch + 5 < 200
        assert losses[history.best_epoch - 1] == min(losses)
        np.testing.assert_equal(values_of(net), kept[history.best_epoch - 1])
        assert (kept[-1]["head.bias"] != kept[history.best_epoch - 1]["head.bias"]).any()

    def test_without_returning(self, rng):
        x, y = classification(rng, 40)
        net, kept = network(), []
        rule = EarlyStopping(2, restore=False)
        held = classification(rng, 40)
        quiet(
            net,
            x,
            y,
            epochs=200,
            learning_rate=0.05,
            validation_data=held,
            early_stopping=rule,
            callbacks=lambda run: kept.append(values_of(run.net)),
        )
        np.testing.assert_equal(values_of(net), kept[-1])

    def test_of_a_metric(self, rng):
        x, y = classification(rng, 40)
        values = iter([0.1, 0.3, 0.2, 0.3, 0.25, 0.9])
        history = quiet(
            network(),
            x,
            y,
            epochs=50,
            validation_data=(x, y),
            metrics={"mine": lambda y_pred, y_true: next(values)},
            early_stopping=EarlyStopping(3, "mine", maximise=True),
        )
        assert history.best_epoch == 2
        assert len(history) == 5

    def test_rule(self):
        assert EarlyStopping().better(1.0, 2.0)
        assert not EarlyStopping().better(2.0, 1.0)
        assert EarlyStopping(monitor="accuracy").better(2.0, 1.0)
        assert not EarlyStopping(min_delta=0.5).better(1.6, 2.0)
        assert EarlyStopping().better(1.0, math.nan)
        assert not EarlyStopping().better(math.nan, 1.0)


@pytest.mark.parametrize(
    ("error", "argument", "options"),
    [
        (ValueError, "validation_share", {"validation_share": 0.0}),
        (ValueError, "validation_share", {"validation_share": 1.0}),
        (ValueError, "validation_share", {"validation_share": 0.99}),
        (TypeError, "validation_share", {"validation_share": "0.1"}),
        (
            ValueError,
            "validation_share",
            {"validation_share": 0.5, "validation_data": ([], [])},
        ),
        (TypeError, "validation_data", {"validation_data": np.zeros((3, T, INPUTS))}),
        (
            ValueError,
            "validation_data: x",
            {"validation_data": (np.zeros((3, T, 9)), [0, 0, 0])},
        ),
        (
            ValueError,
            "validation_data: y",
            {"validation_data": (np.zeros((3, T, INPUTS)), [0, 0, 9])},
        ),
        (ValueError, "metrics", {"metrics": "accuracy"}),
        (ValueError, "metrics", {"metrics": "r2", "validation_share": 0.5}),
        (ValueError, "metrics", {"metrics": ["f1"], "validation_share": 0.5}),
        (TypeError, "metrics", {"metrics": {"f1": 3}, "validation_share": 0.5}),
        (ValueError, "early_stopping", {"early_stopping": 3}),
        (ValueError, "early_stopping", {"early_stopping": 0, "validation_share": 0.5}),
        (TypeError, "early_stopping", {"early_stopping": "3", "validation_share": 0.5}),
        (
            ValueError,
            "early_stopping",
            {"early_stopping": EarlyStopping(monitor="f1"), "validation_share": 0.5},
        ),
        (TypeError, "callbacks", {"callbacks": "print"}),
        (TypeError, "callbacks", {"callbacks": [3]}),
        (TypeError, "callbacks", {"callbacks": Callback}),
        (TypeError, "progress", {"progress": 1}),
        (TypeError, "shuffle", {"shuffle": "no"}),
        (TypeError, "bucketing", {"bucketing": None}),
        (ValueError, "optimiser", {"optimiser": "lion"}),
        (TypeError, "optimiser", {"optimiser": 3}),
        (TypeError, "optimiser", {"optimiser": lambda parameters, learning_rate: None}),
        (ValueError, "clip_value", {"clip_value": 0.0}),
        (ValueError, "tbptt", {"tbptt": 0}),
        (ValueError, "resume", {"resume": True}),
        (ValueError, "checkpoint_every", {"checkpoint_every": -1.0}),
    ],
)
def test_bad_input(error, argument, options):
    net = network()
    before = values_of(net)
    with refused(error, argument):
        quiet(net, np.zeros((N, T, INPUTS)), np.zeros(N, int), **options)
    np.testing.assert_equal(values_of(net), before)

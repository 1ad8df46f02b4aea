"""What a training reports while it runs: callbacks, the log, the progress bar."""

import logging

import numpy as np
import pytest
from peephole.training import Callback
from support.fitting import N, classification, network, quiet, values_of


class TestCallbacks:
    def test_see_the_run(self, rng):
        x, y = classification(rng)
        steps, epochs = [], []

        class Watch(Callback):
            def on_step(self, run):
                steps.append((run.step, run.epoch, run.loss, run.gradient_norm))

            def on_epoch(self, run):
                epochs.append((run.epoch, len(run.history), run.optimiser.steps))

        net = network()
        history = quiet(net, x, y, epochs=2, callbacks=[Watch(), lambda run: None])
        assert [(step, epoch) for step, epoch, *_ in steps] == [(k + 1, k // 3) for k in range(6)]
        assert epochs == [(1, 1, 3), (2, 2, 6)]
        sizes = np.array([5, 5, 2] * 2)
        means = (sizes * [loss for *_, loss, _ in steps]).reshape(2, 3).sum(axis=1) / N
        assert history.loss == pytest.approx(means, rel=1e-12)
        norms = np.reshape([norm for *_, norm in steps], (2, 3)).mean(axis=1)
        assert history.gradient_norm == pytest.approx(norms, rel=1e-12)

    @pytest.mark.parametrize("when", ["on_step", "on_epoch"])
    def test_stop(self, when, rng):
        x, y = classification(rng)

        class Stop(Callback):
            pass

        setattr(Stop, when, lambda self, run: run.step >= 3 and run.stop())
        history = quiet(network(), x, y, epochs=9, callbacks=[Callback(), Stop()])
        assert history.stopped == "callback"
        assert len(history) == (0 if when == "on_step" else 1)

    def test_errors_come_through(self, rng):
        x, y = classification(rng)
        net = network()
        before = values_of(net)

        def fail(run):
            raise RuntimeError("mine")

        with pytest.raises(RuntimeError, match="mine"):
            quiet(net, x, y, callbacks=fail)
        assert (net.parameters["head.bias"] != before["head.bias"]).any()


class TestWhatIsShown:
    def test_log(self, rng, caplog):
        x, y = classification(rng)
        with caplog.at_level(logging.INFO, "peephole"):
            history = quiet(network(), x, y, validation_data=(x, y), metrics="accuracy")
        assert len(caplog.messages) == 2
        assert caplog.messages[1].startswith(f"epoch 2/2: loss {history.loss[1]:.6g}, validation")
        assert "validation accuracy" in caplog.messages[1]
        caplog.clear()
        quiet(network(), x, y)
        assert not caplog.messages

    def test_bar(self, rng, capsys):
        x, y = classification(rng)
        net = network()
        options = {"validation_data": (x, y), "metrics": "accuracy"}
        net.fit(x, y, epochs=3, batch_size=4, seed=0, progress=True, **options)
        err = capsys.readouterr().err
        for text in ("epoch 3/3", "9/9", "loss", "validation accuracy", "<00:00"):
            assert text in err

    @pytest.mark.parametrize("progress", [None, False])
    def test_quiet(self, progress, rng, capsys):
        """When asked, and where there is no terminal."""
        x, y = classification(rng)
        network().fit(x, y, epochs=1, seed=0, progress=progress)
        assert capsys.readouterr() == ("", "")

    def test_bar_of_a_stream(self, rng, capsys):
        x, y = classification(rng)
        network().fit(lambda: [(x, y)], epochs=2, progress=True)
        assert "2step" in capsys.readouterr().err

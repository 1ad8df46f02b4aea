"""Whatever ends a training, the checkpoint has its last finished step."""

import os
import pickle
import signal
import threading

import numpy as np
import peephole
import pytest
from peephole.training import Callback, History, TrainingInterrupted, load_checkpoint, loop
from support.fitting import OUTPUTS, N, StopAfter, network, quiet, ragged, values_of


@pytest.fixture
def data(rng):
    return ragged(rng), rng.integers(0, OUTPUTS, N)


class Raise(Callback):
    def __init__(self, error):
        self.error = error

    def on_step(self, run):
        if run.step == 4:
            raise self.error


class Own(BaseException):
    pass


@pytest.mark.parametrize(
    "error", [SystemExit(3), GeneratorExit(), MemoryError(), ValueError(), Own()]
)
def test_any_exception(error, data, tmp_path):
    net, again, twin = network(), network(), network()
    with pytest.raises(type(error)) as caught:
        quiet(net, *data, epochs=5, checkpoint=tmp_path / "run", callbacks=Raise(error))
    assert caught.value is error
    np.testing.assert_equal(values_of(load_checkpoint(tmp_path / "run")), values_of(net))
    quiet(again, *data, epochs=5, checkpoint=tmp_path / "run", resume=True)
    quiet(twin, *data, epochs=5)
    np.testing.assert_equal(values_of(again), values_of(twin))


def test_an_error_of_saving_does_not_hide_it(data, tmp_path, caplog):
    class Spoil(Callback):
        def on_step(self, run):
            run.history.loss = object()  # no JSON
            raise SystemExit

    with pytest.raises(SystemExit):
        quiet(network(), *data, checkpoint=tmp_path / "run", callbacks=Spoil())
    assert "no checkpoint was written after SystemExit" in caplog.text


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
class TestHandlers:
    @pytest.fixture(autouse=True)
    def handler(self):
        def stop(number, frame):
            raise SystemExit(number)

        before = signal.signal(signal.SIGTERM, stop)
        yield stop
        signal.signal(signal.SIGTERM, before)

    @pytest.mark.parametrize("place", ["step", "count", "move", "clip"])
    def test_anywhere_in_a_step(self, place, data, tmp_path, monkeypatch):
        """A handler that raises waits until the step is whole."""
        owner, name = {
            "step": (peephole.optim.Optimiser, "step"),
            "count": (loop.Trainer, "_count"),
            "move": (loop.Trainer, "_move"),
            "clip": (loop.Trainer, "_clip"),
        }[place]
        function, calls = getattr(owner, name), []

        def signalling(*arguments, **named):
            calls.append(None)
            if len(calls) == 4:
                signal.raise_signal(signal.SIGTERM)
            return function(*arguments, **named)

        net, twin = network(), network()
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, signalling)
            with pytest.raises(SystemExit):
                quiet(net, *data, epochs=5, checkpoint=tmp_path / "run")
        quiet(twin, *data, epochs=5, callbacks=StopAfter(3 if place == "clip" else 4))
        np.testing.assert_equal(values_of(net), values_of(twin))
        np.testing.assert_equal(values_of(load_checkpoint(tmp_path / "run")), values_of(twin))
        quiet(net, *data, epochs=5, checkpoint=tmp_path / "run", resume=True)
        quiet(twin := network(), *data, epochs=5)
        np.testing.assert_equal(values_of(net), values_of(twin))

    def test_are_restored(self, data, handler):
        quiet(network(), *data)
        assert signal.getsignal(signal.SIGTERM) is handler

    def test_set_during_the_training_stay(self, data):
        def other(number, frame):
            pass

        quiet(network(), *data, callbacks=lambda run: signal.signal(signal.SIGTERM, other))
        assert signal.getsignal(signal.SIGTERM) is other

    def test_outside_the_main_thread(self, data, handler):
        seen = []

        def train():
            quiet(
                network(),
                *data,
                callbacks=lambda run: seen.append(signal.getsignal(signal.SIGTERM)),
            )

        thread = threading.Thread(target=train)
        thread.start()
        thread.join()
        assert seen == [handler] * 2


def test_training_interrupted_is_pickled():
    error = TrainingInterrupted("interrupted after step 3", History(loss=[1.0]))
    same = pickle.loads(pickle.dumps(error))
    assert type(same) is TrainingInterrupted
    assert str(same) == str(error)
    assert same.history == error.history

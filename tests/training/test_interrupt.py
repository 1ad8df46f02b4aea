"""Ctrl-C and SIGKILL: the last finished step is kept."""

import os
import pickle
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import peephole
import pytest
from peephole.training import Callback, TrainingInterrupted, load_checkpoint
from support.fitting import OUTPUTS, N, StopAfter, network, quiet, ragged, values_of

# How many times a training is killed.
KILLS = 3
# Beyond the 200 ms of Ctrl-C: a busy machine may let a process wait.
SLACK = 1.0

SCRIPT = """
    import sys
    import numpy as np
    import peephole

    path, final = sys.argv[1:]
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((64, 20, 3)), rng.integers(0, 4, 64)
    net = peephole.Network(3, 16, 4, head="softmax", readout="last", seed=0)
    print("begin", flush=True)
    net.fit(
        x, y, epochs=60, batch_size=4, seed=1, progress=False, validation_share=0.2,
        checkpoint=path, checkpoint_every=0.002, resume=True,
    )
    net.save(final)
"""


def start(folder, script=SCRIPT, *arguments):
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    environment = {**os.environ, "PEEPHOLE_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, env=environment, text=True)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_at_random_moments(tmp_path):
    """The final weights are those of a training that was not killed."""
    check_kills(tmp_path, KILLS, random.Random(0))


def check_kills(folder, kills, chance):
    path, final = folder / "run", folder / "final"
    whole = start(folder, SCRIPT, folder / "other", folder / "whole")
    whole.stdout.readline()
    training_begins = time.perf_counter()
    whole.communicate()
    assert whole.returncode == 0
    seconds = time.perf_counter() - training_begins
    killed = 0
    while killed < kills:
        path.unlink(missing_ok=True)
        final.unlink(missing_ok=True)
        process = start(folder, SCRIPT, path, final)
        process.stdout.readline()
        time.sleep(chance.uniform(0, seconds))
        process.kill()
        process.wait()
        process.stdout.close()
        if final.exists():
            continue  # it was faster
        killed += 1
        if path.exists():
            load_checkpoint(path)
        again = start(folder, SCRIPT, path, final)
        again.communicate()
        assert again.returncode == 0
        np.testing.assert_equal(
            values_of(peephole.load(final)), values_of(peephole.load(folder / "whole"))
        )


class TestInterrupt:
    @pytest.fixture(autouse=True)
    def heard(self):
        """A suite that a script runs in the background inherits that Ctrl-C is ignored."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        yield
        signal.signal(signal.SIGINT, before)

    def test_at_the_end_of_the_step(self, rng, tmp_path):
        """Ctrl-C while a step is noted: the step is whole, and resumed from."""
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        path, weights = tmp_path / "run", []

        class Press(Callback):
            def on_step(self, run):
                if run.step == 7:
                    weights.append(values_of(run.net))
                    signal.raise_signal(signal.SIGINT)

        net, twin = network(), network()
        with pytest.raises(TrainingInterrupted, match="after step 7, in epoch 3 of 5") as caught:
            quiet(net, x, y, epochs=5, checkpoint=path, callbacks=Press())
        assert isinstance(caught.value, KeyboardInterrupt)
        assert len(caught.value.history) == 2
        assert caught.value.history.stopped == "interrupted"
        np.testing.assert_equal(values_of(net), weights[0])
        np.testing.assert_equal(values_of(load_checkpoint(path)), weights[0])
        assert np.isfinite(net.predict(x)).all()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        history = quiet(net, x, y, epochs=5, checkpoint=path, resume=True)
        assert history == quiet(twin, x, y, epochs=5)
        np.testing.assert_equal(values_of(net), values_of(twin))

    @pytest.mark.parametrize("place", ["step", "settle", "clip_norm", "forward"])
    def test_anywhere_in_a_step(self, place, rng, monkeypatch):
        """During a step's update it waits for the end; otherwise the step does not count."""
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        net, twin, calls = network(), network(), []

        def pressing(function):
            def call(*arguments, **named):
                calls.append(None)
                if len(calls) == 4:
                    signal.raise_signal(signal.SIGINT)
                return function(*arguments, **named)

            return call

        from peephole.training import loop

        owner, name = {
            "step": (peephole.optim.Optimiser, "step"),
            "settle": (loop.Trainer, "_move"),
            "clip_norm": (loop.Trainer, "_clip"),
            "forward": (loop, "forward"),
        }[place]
        monkeypatch.setattr(owner, name, pressing(getattr(owner, name)))
        with pytest.raises(TrainingInterrupted) as caught:
            quiet(net, x, y, epochs=5)
        monkeypatch.undo()
        steps = 4 if place in ("step", "settle") else 3
        assert f"after step {steps}," in str(caught.value)
        quiet(twin, x, y, epochs=5, callbacks=StopAfter(steps))
        np.testing.assert_equal(values_of(net), values_of(twin))

    def test_from_outside(self, tmp_path):
        """Within 200 ms of a signal, for steps far shorter than that."""
        script = """
            import time
            import numpy as np
            import peephole

            net = peephole.Network(3, 16, 1, seed=0)
            x, y = np.zeros((64, 20, 3)), np.zeros((64, 20))
            steps = []
            try:
                net.fit(
                    x, y, epochs=10**6, progress=False,
                    callbacks=lambda run: steps.append(time.time()) or run.epoch == 3
                    and print("running", flush=True),
                )
            except peephole.training.TrainingInterrupted as stop:
                print(time.time(), len(stop.history), np.isfinite(net.predict(x)).all())
        """
        with start(tmp_path, script) as process:
            assert process.stdout.readline() == "running\n"
            time.sleep(0.2)
            pressed = time.time()
            process.send_signal(signal.SIGINT)
            try:
                out, _ = process.communicate(timeout=30)
            finally:
                process.kill()
        stopped, epochs, finite = out.split()
        assert float(stopped) - pressed < 0.2 + SLACK
        assert int(epochs) >= 3
        assert finite == "True"

    def test_stays_ignored(self, rng):
        """As with `nohup`, and in background jobs of shells."""
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        history = quiet(network(), x, y, callbacks=lambda run: signal.raise_signal(signal.SIGINT))
        assert history.stopped is None
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN

    def test_leaves_others_handlers_alone(self, rng):
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        pressed = []
        before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
        try:
            quiet(network(), x, y, callbacks=lambda run: signal.raise_signal(signal.SIGINT))
        finally:
            signal.signal(signal.SIGINT, before)
        assert pressed == [signal.SIGINT] * 2


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_interruptions_can_be_pickled(protocol):
    history = peephole.training.History(
        loss=[1.0], validation={"mae": [2.0]}, stopped="interrupted"
    )
    again = pickle.loads(pickle.dumps(TrainingInterrupted("at step 3", history), protocol))
    assert str(again) == "at step 3"
    assert again.history == history
    assert again.history.stopped == "interrupted"

"""Training that is interrupted goes on as if it had not been; nothing is lost on the way."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import peephole
import pytest
from fitting import INPUTS, OUTPUTS, N, network, quiet, ragged, targets, values_of
from peephole import schedules
from peephole.training import Callback, EarlyStopping, TrainingInterrupted, load_checkpoint
from refusals import refused

# How many times a training is killed here; 50 were tried when this was written.
KILLS = 4
# Beyond the 200 ms of Ctrl-C: a busy machine may let a process wait.
SLACK = 1.0


class StopAfter(Callback):
    def __init__(self, step):
        self.step = step

    def on_step(self, run):
        if run.step == self.step:
            run.stop()


def every_kind(rng):
    """(id, network, x, y, options of fit): each kind of state that a training carries."""
    x = ragged(rng)
    series = rng.standard_normal((6, 12, INPUTS))
    labels, values = targets(rng, x, "softmax", "last"), rng.standard_normal((6, 12, OUTPUTS))
    held = {"validation_data": (x, labels), "metrics": "accuracy"}
    stream = [(series[k : k + 2], values[k : k + 2]) for k in (0, 2, 4)]
    return {
        "adam": (network, x, labels, {}),
        "nesterov": (
            network,
            x,
            labels,
            {
                "optimiser": lambda p, rate: peephole.optim.SGD(p, rate, 0.9, nesterov=True),
                "schedule": schedules.WarmUp(4, schedules.Cosine()),
                "bucketing": True,
            },
        ),
        "validation": (
            network,
            x,
            labels,
            {
                "optimiser": "adamw",
                "schedule": schedules.ReduceOnPlateau(0.5, patience=0),
                "early_stopping": EarlyStopping(2),
                **held,
            },
        ),
        "held-out share": (network, x, labels, {"validation_share": 0.3, "seed": None}),
        "chunks": (
            lambda: network("identity", "all", num_layers=2),
            series,
            values,
            {"tbptt": 5, "batch_size": 2},
        ),
        "stateful": (
            lambda: network("identity", "all"),
            series,
            values,
            {"stateful": True, "tbptt": 5, "batch_size": 3, "optimiser": "rmsprop"},
        ),
        "stream": (
            lambda: network("identity", "all"),
            lambda: iter(stream),
            None,
            {"stateful": True, "batch_size": 2},
        ),
        "masked": (
            lambda: network(masks={"weight_hh_l0": np.eye(20, 5, dtype=bool)}),
            x,
            labels,
            {},
        ),
    }


KINDS = list(every_kind(np.random.default_rng(0)))


class TestResume:
    @pytest.mark.parametrize("step", [1, 2, 3, 4, 7])
    @pytest.mark.parametrize("kind", KINDS)
    def test_as_if_uninterrupted(self, kind, step, rng, tmp_path):
        """The same weights, bit for bit, and the same history, from any step."""
        make, x, y, options = every_kind(rng)[kind]
        path = tmp_path / "run.safetensors"
        options = {"epochs": 4, "learning_rate": 0.05, **options}
        whole = make()
        seed = 1
        if "seed" in options:  # a fresh one: the file's is what counts
            seed = options.pop("seed")
            stopped = make()
            quiet(stopped, x, y, seed=seed, checkpoint=path, callbacks=StopAfter(step), **options)
            kept = path.read_bytes()
            quiet(whole, x, y, checkpoint=path, resume=True, **options)
            path.write_bytes(kept)
            expected = quiet(whole, x, y, checkpoint=path, resume=True, **options)
        else:
            expected = quiet(whole, x, y, seed=seed, **options)
            stopped = make()
            quiet(stopped, x, y, seed=seed, checkpoint=path, callbacks=StopAfter(step), **options)
        again = make()
        history = quiet(again, x, y, seed=99, checkpoint=path, resume=True, **options)
        np.testing.assert_equal(values_of(again), values_of(whole))
        assert history == expected
        assert len(history.seconds) == len(history)

    def test_of_nothing_is_a_beginning(self, rng, tmp_path):
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        net, twin = network(), network()
        quiet(net, x, y, checkpoint=tmp_path / "run", resume=True)
        quiet(twin, x, y)
        np.testing.assert_equal(values_of(net), values_of(twin))

    def test_of_the_end_changes_nothing(self, rng, tmp_path):
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        options = {"validation_data": (x, y), "early_stopping": 1, "epochs": 30}
        options |= {"checkpoint": tmp_path / "run", "learning_rate": 0.3}
        net, again = network(), network()
        history = quiet(net, x, y, **options)
        assert history.stopped == "early"
        assert quiet(again, x, y, resume=True, **options) == history
        np.testing.assert_equal(values_of(again), values_of(net))

    def test_more_epochs(self, rng, tmp_path):
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        net, twin = network(), network()
        quiet(net, x, y, epochs=2, checkpoint=tmp_path / "run")
        quiet(net, x, y, epochs=5, checkpoint=tmp_path / "run", resume=True)
        quiet(twin, x, y, epochs=5)
        np.testing.assert_equal(values_of(net), values_of(twin))

    def test_the_file_has_the_network(self, rng, tmp_path):
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        net = network(masks={"weight_hh_l0": np.eye(20, 5, dtype=bool)})
        quiet(net, x, y, checkpoint=tmp_path / "run")
        loaded = load_checkpoint(tmp_path / "run")
        np.testing.assert_equal(values_of(loaded), values_of(net))
        assert loaded.masks.keys() == net.masks.keys()

    @pytest.mark.parametrize(
        ("says", "options"),
        [
            ("batch_size", {"batch_size": 4}),
            ("optimiser", {"optimiser": "sgd"}),
            ("tbptt", {"tbptt": 2}),
            ("learning_rate", {"learning_rate": 0.5}),
            ("loss", {"loss": lambda y, t, n: (0.0, 0 * y)}),
            ("data", {"validation_share": 0.5}),
        ],
    )
    def test_other_settings(self, says, options, rng, tmp_path):
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        quiet(network(), x, y, checkpoint=tmp_path / "run")
        net = network()
        before = values_of(net)
        with refused(ValueError, "resume", f"{says} to be that of"):
            quiet(net, x, y, checkpoint=tmp_path / "run", resume=True, **options)
        np.testing.assert_equal(values_of(net), before)

    @pytest.mark.parametrize(
        "other",
        [
            network("sigmoid"),
            network(dtype="float32"),
            network(masks={"bias_l0": np.arange(20) > 3}),
        ],
    )
    def test_other_models(self, other, rng, tmp_path):
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        quiet(network(), x, y, checkpoint=tmp_path / "run")
        before = values_of(other)
        with refused(ValueError, "resume"):
            quiet(other, x, y, checkpoint=tmp_path / "run", resume=True)
        np.testing.assert_equal(values_of(other), before)

    def test_other_files(self, rng, tmp_path):
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        net = network()
        net.save(tmp_path / "model")
        quiet(net, x, y, checkpoint=tmp_path / "cut")
        data = (tmp_path / "cut").read_bytes()
        (tmp_path / "cut").write_bytes(data[: len(data) // 2])
        (tmp_path / "text").write_text("not at all")
        before = values_of(net)
        for name in ("model", "cut", "text"):
            with pytest.raises(ValueError, match=f"{name}: not a"):
                load_checkpoint(tmp_path / name)
            with pytest.raises(ValueError, match=f"{name}: not a"):
                quiet(net, x, y, checkpoint=tmp_path / name, resume=True)
        np.testing.assert_equal(values_of(net), before)

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda notes, tensors: notes.pop("position"),
            lambda notes, tensors: notes["position"].update(page=3),
            lambda notes, tensors: notes.update(history=[]),
            lambda notes, tensors: tensors.pop("optimiser/m/bias_l0"),
            lambda notes, tensors: tensors.pop("bias_l0"),
            lambda notes, tensors: tensors.update({"head.weight": np.zeros((9, 9))}),
            lambda notes, tensors: tensors.update({"optimiser/v/bias_l0": np.zeros(3)}),
        ],
    )
    def test_spoilt_files(self, spoil, rng, tmp_path):
        """They are refused with a ValueError, and the network is as it was."""
        from safetensors import safe_open
        from safetensors.numpy import save_file

        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        path = tmp_path / "run"
        quiet(network(), x, y, checkpoint=path)
        with safe_open(path, framework="np") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        notes = json.loads(metadata["notes"])
        spoil(notes, tensors)
        save_file(tensors, path, {**metadata, "notes": json.dumps(notes)})
        net = network()
        before = values_of(net)
        with pytest.raises(ValueError, match="run: not a checkpoint"):
            quiet(net, x, y, checkpoint=path, resume=True)
        np.testing.assert_equal(values_of(net), before)


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
    """The weights in the end are those of the training that nobody killed."""
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
    assert not (folder / ".run.tmp").exists(), "what a killed training left is used up by the next"


class TestFullDisk:
    @pytest.fixture
    def small_disk(self, tmp_path):
        """A file system of 64 KiB."""
        if os.name != "posix" or os.geteuid() != 0:
            pytest.skip("only root may mount a small file system")
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
        if subprocess.run(mount, capture_output=True).returncode != 0:
            pytest.skip("cannot mount a tmpfs here")
        yield tmp_path
        subprocess.run(["umount", str(tmp_path)], check=True)

    def test_the_old_checkpoint_is_intact(self, small_disk, rng):
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        path = small_disk / "run"
        net, twin = network(), network()
        quiet(net, x, y, epochs=2, checkpoint=path)
        old = path.read_bytes()
        (small_disk / "ballast").write_bytes(bytes(64 * 1024 - 4096 * (len(old) // 4096 + 2)))
        with pytest.raises(OSError, match=r"checkpoint: No space left.*one before") as caught:
            quiet(net, x, y, epochs=4, checkpoint=path, checkpoint_every=0.0, resume=True)
        assert caught.value.filename == str(path)
        assert path.read_bytes() == old
        assert sorted(p.name for p in small_disk.iterdir()) == ["ballast", "run"]
        (small_disk / "ballast").unlink()
        quiet(net, x, y, epochs=4, checkpoint=path, resume=True)
        quiet(twin, x, y, epochs=4)
        np.testing.assert_equal(values_of(net), values_of(twin))

    def test_no_such_folder(self, rng, tmp_path):
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        with pytest.raises(FileNotFoundError, match="checkpoint: there is no such folder"):
            quiet(network(), x, y, checkpoint=tmp_path / "none" / "run")


def test_is_written_every_so_often(rng, tmp_path):
    x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
    path, times = tmp_path / "run", []

    class Watch(Callback):
        def on_step(self, run):
            if path.exists() and path.stat().st_mtime_ns not in times:
                times.append(path.stat().st_mtime_ns)
            time.sleep(0.01)

    quiet(network(), x, y, epochs=4, checkpoint=path, checkpoint_every=0.0, callbacks=Watch())
    assert len(times) >= 10
    path.unlink()
    times.clear()
    quiet(network(), x, y, epochs=4, checkpoint=path, checkpoint_every=60, callbacks=Watch())
    assert not times
    assert path.exists(), "written at the end"


class TestInterrupt:
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
        with pytest.raises(TrainingInterrupted, match=r"after step 7 \(epoch 3, batch 2") as caught:
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
        """In a step's update it waits for its end; elsewhere the step has not been."""
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
        assert f"after step {steps} " in str(caught.value)
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
        process = start(tmp_path, script)
        assert process.stdout.readline() == "running\n"
        time.sleep(0.2)
        pressed = time.time()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
        stopped, epochs, finite = out.split()
        assert float(stopped) - pressed < 0.2 + SLACK
        assert int(epochs) >= 3
        assert finite == "True"

    def test_leaves_others_handlers_alone(self, rng):
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        pressed = []
        before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
        try:
            quiet(network(), x, y, callbacks=lambda run: signal.raise_signal(signal.SIGINT))
        finally:
            signal.signal(signal.SIGINT, before)
        assert pressed == [signal.SIGINT] * 2

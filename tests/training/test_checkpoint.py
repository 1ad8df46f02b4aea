"""Checkpoints: a resumed training continues as if it had not been interrupted."""

import json
import os
import subprocess
import time

import numpy as np
import peephole
import pytest
from peephole import schedules
from peephole.training import Callback, EarlyStopping, load_checkpoint
from support.fitting import (
    INPUTS,
    OUTPUTS,
    N,
    StopAfter,
    network,
    quiet,
    ragged,
    targets,
    values_of,
)
from support.refusals import refused


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
            {"stateful": True},
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
        if "seed" in options:  # a random one: that of the file is used
            seed = options.pop("seed")
            stopped = make()
            quiet(stopped, x, y, seed=seed, checkpoint=path, callbacks=StopAfter(step), **options)
            kept = path.read_bytes()
            expected = quiet(whole, x, y, seed=seed, checkpoint=path, resume=True, **options)
            path.write_bytes(kept)
        else:
            expected = quiet(whole, x, y, seed=seed, **options)
            stopped = make()
            quiet(stopped, x, y, seed=seed, checkpoint=path, callbacks=StopAfter(step), **options)
        again = make()
        history = quiet(again, x, y, seed=seed, checkpoint=path, resume=True, **options)
        np.testing.assert_equal(values_of(again), values_of(whole))
        assert history == expected
        assert len(history.seconds) == len(history)

    def test_without_a_file_the_training_starts(self, rng, tmp_path):
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
            ("validation_share", {"validation_share": 0.5}),
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
    def test_damaged_files(self, spoil, rng, tmp_path):
        """They are refused with a ValueError, and the network is unchanged."""
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
        with pytest.raises(ValueError, match="run: not a valid checkpoint"):
            quiet(net, x, y, checkpoint=path, resume=True)
        np.testing.assert_equal(values_of(net), before)


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
        with pytest.raises(
            OSError, match=r"checkpoint: .*No space left.*previous checkpoint"
        ) as caught:
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


def test_is_written_periodically(rng, tmp_path):
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

"""Where checkpoints can be written, and the weights of the best epoch in them."""

import os
from pathlib import Path

import numpy as np
import pytest
from peephole.training import load_checkpoint
from support.fitting import INPUTS, OUTPUTS, N, network, quiet, ragged, values_of
from support.refusals import refused


class TestBest:
    def test_weights_of_the_best_epoch(self, tmp_path, rng):
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        kept = []
        options = {"validation_data": (x, rng.permutation(y)), "epochs": 12, "learning_rate": 0.1}
        net = network()
        history = quiet(
            net,
            x,
            y,
            checkpoint=tmp_path / "run",
            callbacks=lambda run: kept.append(values_of(run.net)),
            **options,
        )
        losses = history.validation["loss"]
        assert history.best_epoch == 1 + int(np.argmin(losses)) < 12
        best = load_checkpoint(tmp_path / "run", best=True)
        np.testing.assert_equal(values_of(best), kept[history.best_epoch - 1])
        np.testing.assert_equal(values_of(load_checkpoint(tmp_path / "run")), kept[-1])
        np.testing.assert_equal(values_of(net), kept[-1])

    def test_no_best_weights(self, tmp_path, rng):
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        quiet(network(), x, y, checkpoint=tmp_path / "run")
        with refused(ValueError, "best"):
            load_checkpoint(tmp_path / "run", best=True)


class TestPlace:
    """Where no checkpoint can be written, no training starts."""

    @pytest.fixture
    def start(self, rng):
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)

        def start(path, **options):
            net = network()
            before = values_of(net)
            try:
                quiet(net, x, y, checkpoint=path, **options)
            except BaseException:
                np.testing.assert_equal(values_of(net), before)
                raise

        return start

    @pytest.mark.skipif(os.name != "posix", reason="links and pipes")
    def test_links_to_no_file(self, tmp_path, start):
        (tmp_path / "loop").symlink_to("loop")
        with pytest.raises(OSError, match="checkpoint:"):
            start(tmp_path / "loop")
        read, write = os.pipe()
        try:
            with pytest.raises(OSError, match="not a regular file"):
                start(f"/dev/fd/{write}")
        finally:
            os.close(read)
            os.close(write)

    def test_an_earlier_training_stays(self, tmp_path, start):
        start(tmp_path / "run")
        before = (tmp_path / "run").read_bytes()
        with refused(ValueError, "checkpoint", "resume=True"):
            start(tmp_path / "run")
        assert (tmp_path / "run").read_bytes() == before
        start(tmp_path / "run", resume=True)

    def test_any_other_file_stays(self, tmp_path, start):
        (tmp_path / "notes").write_text("text")
        with refused(ValueError, "checkpoint", "exists"):
            start(tmp_path / "notes")
        assert (tmp_path / "notes").read_text() == "text"

    def test_an_empty_file_is_none(self, tmp_path, start):
        (tmp_path / "run").touch()
        start(tmp_path / "run")

    @pytest.mark.parametrize("resume", [False, True])
    def test_folders(self, resume, tmp_path, start):
        with pytest.raises(FileNotFoundError, match="checkpoint: there is no such folder"):
            start(tmp_path / "none" / "run", resume=resume)
        with pytest.raises(IsADirectoryError, match="checkpoint: not a regular file"):
            start(tmp_path, resume=resume)

    @pytest.mark.skipif(os.name != "posix", reason="POSIX files")
    @pytest.mark.parametrize("resume", [False, True])
    def test_pipes_and_devices(self, resume, tmp_path, start):
        """Opening a pipe does not block."""
        os.mkfifo(tmp_path / "pipe")
        for path in (tmp_path / "pipe", "/dev/null"):
            with pytest.raises(OSError, match="checkpoint: not a regular file"):
                start(path, resume=resume)
        with pytest.raises(OSError, match="not a regular file"):
            load_checkpoint(tmp_path / "pipe")

    @pytest.mark.skipif(not Path("/proc/version").exists(), reason="there is no /proc")
    @pytest.mark.parametrize("name", ["version", "none"])
    def test_a_folder_without_new_files(self, name, start):
        """Files cannot be made there, not even by root."""
        with pytest.raises(OSError, match="checkpoint: no file can be written here: cannot write"):
            start(f"/proc/{name}", callbacks=lambda run: pytest.fail("the training has started"))

    def test_the_check_leaves_nothing(self, tmp_path, start):
        with refused(ValueError, "x"):
            quiet(network(), np.zeros((2, 3, INPUTS + 1)), [0, 0], checkpoint=tmp_path / "run")
        assert list(tmp_path.iterdir()) == []

    def test_long_names(self, tmp_path, start):
        start(tmp_path / ("n" * 255))
        load_checkpoint(tmp_path / ("n" * 255))

"""Memory use does not grow when a network is trained, used, saved and loaded many times."""

import gc
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import peephole
import pytest

# 10,000 cycles leave 0.4 MiB.
CYCLES, WARM_UP = 200, 50
MOST = 1 << 20


def resident():
    """Bytes of this process in memory."""
    import resource

    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def grown(folder, cycles, warm_up):
    """Bytes by which memory grows in these cycles, after some others for warm-up."""
    os.fsync = lambda file: None  # this test does not measure disks
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 6, 2), np.float32), rng.integers(0, 2, 8)
    net = peephole.Network(2, 4, 2, head="softmax", readout="last", seed=0)
    for cycle in range(warm_up + cycles):
        if cycle == warm_up:
            before = resident()
        net.fit(
            x,
            y,
            epochs=2,
            batch_size=4,
            seed=cycle,
            progress=False,
            validation_share=0.25,
            early_stopping=5,
            checkpoint=folder / "run",
        )
        (folder / "run").unlink()
        net.save(folder / "net")
        net = peephole.load(folder / "net")
        net.predict(x)
        net.score(x, y)
    return resident() - before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_does_not_grow(tmp_path):
    """In a process of its own: what other tests left free in the heap would be counted."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        assert process.submit(grown, tmp_path, CYCLES, WARM_UP).result() < MOST

"""peephole.torch.LSTM under DistributedDataParallel: the example of the documentation."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "train_distributed.py"


def train(processes, output, epochs):
    """The weights after training on this number of processes, and the losses of its epochs."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    script = [str(EXAMPLE), f"--epochs={epochs}", f"--output={output}"]
    done = subprocess.run(
        [sys.executable, *launcher, *script],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    losses = [float(line.split()[-1]) for line in done.stdout.splitlines() if "loss" in line]
    return torch.load(output, weights_only=True), losses


@pytest.mark.skipif(
    not torch.distributed.is_available() or not torch.distributed.is_gloo_available(),
    reason="this torch has no gloo",
)
def test_two_processes_train_as_one(tmp_path):
    (one, losses), (two, _) = (train(n, tmp_path / f"{n}.pt", epochs=3) for n in (1, 2))
    assert len(losses) == 3 and losses[2] < losses[0]
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=1e-12)

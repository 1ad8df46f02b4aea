"""The programs of the pages in docs run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def programs():
    """The blocks of Python, with the page and number of each."""
    found = []
    for page in sorted(DOCS.glob("**/*.md")):
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        found += [pytest.param(code, id=f"{page.stem}-{k}") for k, code in enumerate(blocks)]
    return found


PROGRAMS = programs()


@pytest.mark.parametrize("code", PROGRAMS)
def test_program(code, tmp_path):
    """As a file of its own, which processes that it starts can import."""
    for package in ("dask", "distributed"):
        if "import dask" in code:
            pytest.importorskip(package)
    if "import pandas" in code:
        pytest.importorskip("pandas")
    run(code, tmp_path)


def test_there_are_programs():
    assert len(PROGRAMS) >= 3


# What the page says of ragged sequences, and of the threads of Dask's workers.
BAG = """
import dask
import dask.bag
import numpy as np
import peephole
from dask.distributed import Client, LocalCluster


def predict(part, net):
    return net.predict(list(part))


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((n, 3)).astype("float32") for n in rng.integers(1, 20, 40)]
    net = peephole.Network(3, 8, 2, readout="last", seed=0)
    expected = net.predict(x)
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster) as client:
        assert set(client.run(peephole.num_threads).values()) == {1}
        bag = dask.bag.from_sequence(x, npartitions=4)
        y = bag.map_partitions(predict, dask.delayed(net)).compute()
    assert np.array_equal(np.stack(y), expected)
"""


def test_bag(tmp_path):
    pytest.importorskip("dask")
    pytest.importorskip("distributed")
    run(BAG, tmp_path)


def run(code, folder):
    (folder / "program.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "program.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr

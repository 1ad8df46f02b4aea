"""Plots and the progress bar in notebooks, and pictures elsewhere."""

import json
import logging
import os
import subprocess
import sys

import numpy as np
import peephole
import pytest
from matplotlib import pyplot
from peephole.training import progress

PNG = b"\x89PNG\r\n\x1a\n"
CELLS = [
    """
import numpy as np
import peephole

net = peephole.Network(2, 4, 1, seed=0)
x = np.random.default_rng(0).standard_normal((8, 5, 2))
history = net.fit(x, x[..., :1], epochs=2, seed=0)
""",
    "history.plot()",
    "peephole.plot.gates(net, x[0])",
    "history.plot().show()",
    # The same once pyplot is in use, which has formatters of its own.
    "import matplotlib.pyplot\nhistory.plot()",
]


# In a process of its own: the sockets of nbclient give warnings, which are errors here.
RUN = """
import json, sys
import nbclient, nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

notebook = nbformat.v4.new_notebook(
    cells=[nbformat.v4.new_code_cell(code) for code in json.load(sys.stdin)]
)
manager = AsyncKernelManager()
# This Python, whatever kernels are installed.
manager._kernel_spec = KernelSpec(
    argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
)
nbclient.NotebookClient(notebook, km=manager, timeout=300).execute()
json.dump([cell.outputs for cell in notebook.cells], sys.stdout)
"""


@pytest.fixture(scope="module")
def outputs():
    """The outputs of each cell, after a run by nbclient."""
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(CELLS),
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "MPLBACKEND"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("cell", range(1, len(CELLS)))
def test_a_notebook_shows_each_figure_once(outputs, cell):
    pictures = [o["data"]["image/png"] for o in outputs[cell] if "image/png" in o.get("data", {})]
    assert len(pictures) == 1
    assert len(pictures[0]) > 5_000


def test_a_notebook_shows_the_progress(outputs):
    shown = "".join(output["text"] for output in outputs[0])
    assert "epoch 2/2" in shown
    assert "loss" in shown


def test_a_figure_as_png_and_shown_without_a_window(monkeypatch):
    figure = peephole.plot.history(peephole.training.History([2.0, 1.0], [1.0, 1.0], [0.1, 0.1]))
    assert figure._repr_png_().startswith(PNG)
    assert pyplot.get_fignums() == [], "pyplot must not hold it"
    pyplot.switch_backend("agg")
    shown = []
    manager = type(pyplot.figure().canvas.manager)
    monkeypatch.setattr(manager, "show", lambda self: shown.append(self))
    pyplot.close("all")
    try:
        figure.show()
        assert pyplot.gcf() is figure
        figure.show()
    finally:
        pyplot.close("all")
    assert len(shown) == 2


def test_matplotlib_is_imported_only_for_plots():
    code = "import peephole.plot, sys; assert not any('matplotlib' in name for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_terminal_or_a_notebook_gets_a_bar_and_nothing_else_does(monkeypatch, capsys):
    for notebook, expected in ((False, False), (True, True)):
        monkeypatch.setattr(progress, "in_notebook", lambda notebook=notebook: notebook)
        monkeypatch.setattr(progress, "_widget", lambda: None)
        with progress.Bar(3, 0, None) as bar:
            bar.step(0.5)
        assert ("loss 0.5" in capsys.readouterr().err) == expected
        with progress.Bar(3, 0, False) as bar:
            bar.step(0.5)
        assert capsys.readouterr().err == ""


def test_each_epoch_is_logged(caplog):
    net = peephole.Network(1, 2, 1, seed=0)
    with caplog.at_level(logging.INFO, logger="peephole.training"):
        net.fit(np.zeros((2, 3, 1)), np.zeros((2, 3)), epochs=2)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert lines[1].startswith("epoch 2/2: loss ")

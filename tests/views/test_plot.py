"""peephole.plot: figures show the right values."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import peephole
import pytest
from matplotlib.figure import Figure
from peephole.inspection import gate_activities
from support.refusals import refused

PNG = b"\x89PNG\r\n\x1a\n"
STEPS = 12


@pytest.fixture
def x(rng):
    return rng.standard_normal((STEPS, 2))


@pytest.fixture
def lstm():
    return peephole.LSTM(2, 8, dtype="float64", seed=0)


@pytest.fixture
def trained(rng):
    net = peephole.Network(2, 3, 1, seed=0)
    x = rng.standard_normal((8, 5, 2))
    return net.fit(x, x[..., :1], epochs=3, seed=0, progress=False)


def panel(figure, title):
    (found,) = [axes for axes in figure.axes if axes.get_title().startswith(title)]
    return found


def curves(axes):
    """{label: values} of the labelled lines."""
    lines = axes.get_lines()
    return {line.get_label(): line.get_ydata() for line in lines if line.get_label()[:1] != "_"}


def test_gates_shows_the_activities(lstm, x, tmp_path):
    figure = peephole.plot.gates(lstm, x, units=[5, 0])
    assert isinstance(figure, Figure)
    activities = gate_activities(lstm, x)
    panels = {
        "input gate": activities.i,
        "forget gate": activities.f,
        "cell input": activities.g,
        "output gate": activities.o,
        "cell state": activities.c,
        "output  $h$": activities.h,
        **{f"peephole of ${gate}$": told for gate, told in activities.peepholes.items()},
    }
    assert len(figure.axes) == len(panels) == 10
    for title, values in panels.items():
        shown = curves(panel(figure, title))
        assert list(shown) == ["unit 5", "unit 0"]
        np.testing.assert_array_equal(shown["unit 5"], values[:, 5])
        np.testing.assert_array_equal(shown["unit 0"], values[:, 0])
    path = tmp_path / "gates.png"
    figure.savefig(path)
    assert path.read_bytes()[:8] == PNG


def test_gates_chooses_the_units_that_vary_most(lstm, x):
    spread = gate_activities(lstm, x).h.std(axis=0)
    shown = {int(name.split()[1]) for name in curves(peephole.plot.gates(lstm, x).axes[0])}
    assert len(shown) == 4
    assert min(spread[list(shown)]) >= max(spread[list(set(range(8)) - shown)])


def test_gates_of_any_layer_and_direction(x):
    net = peephole.Network(2, [5, 3], 1, bidirectional=True, dtype="float64", seed=0)
    figure = peephole.plot.gates(net, x, units=[2], layer=0, reverse=True)
    expected = gate_activities(net, x, layer=0, reverse=True).c[:, 2]
    np.testing.assert_array_equal(curves(panel(figure, "cell state"))["unit 2"], expected)
    assert figure.legends[0].get_title().get_text() == "layer 0, reverse"


def test_gates_without_peepholes(x):
    none = peephole.plot.gates(peephole.LSTM(2, 3, peephole="none", seed=0), x)
    assert len(none.axes) == 6
    some = peephole.plot.gates(peephole.LSTM(2, 3, peephole_gates="ifo", seed=0), x)
    assert [text.get_text() for axes in some.axes for text in axes.texts] == ["no peephole of $g$"]


def test_one_step_can_be_seen(lstm, x):
    figure = peephole.plot.gates(lstm, x[:1])
    assert panel(figure, "cell state").get_lines()[0].get_marker() == "o"


def test_history(trained, tmp_path):
    figure = trained.plot()
    assert [axes.get_title() for axes in figure.axes] == ["loss", "gradient norm"]
    ((_, losses),) = curves(figure.axes[0]).items()
    np.testing.assert_array_equal(losses, trained.loss)
    assert figure.axes[0].get_xlabel() == "epoch"
    figure.savefig(tmp_path / "history.png")


def test_history_over_magnitudes_is_logarithmic(trained):
    assert replace(trained, loss=[1.0, 0.5, 0.3]).plot().axes[0].get_yscale() == "linear"
    assert replace(trained, loss=[1.0, 0.1, 0.001]).plot().axes[0].get_yscale() == "log"
    assert replace(trained, loss=[1.0, 0.1, 0.0]).plot().axes[0].get_yscale() == "linear"


def test_history_with_validation(trained):
    validation = {"loss": [3.0, 1.0, 2.0], "accuracy": [0.1, 0.5, 0.4]}
    rates = [0.3, 0.2, 0.1]
    history = replace(trained, validation=validation, best_epoch=2, learning_rate=rates)
    figure = history.plot()
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["loss", "gradient norm", "learning rate", "accuracy"]
    shown = curves(figure.axes[0])
    np.testing.assert_array_equal(shown["validation"], [3.0, 1.0, 2.0])
    np.testing.assert_array_equal(shown["best: epoch 2"], [1.0])
    np.testing.assert_array_equal(curves(figure.axes[3])["validation"], [0.1, 0.5, 0.4])


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("model", None, TypeError),
        ("units", [8], ValueError),
        ("units", [-1], ValueError),
        ("units", [], ValueError),
        ("units", range(7), ValueError),
        ("units", 3, TypeError),
        ("units", "01", TypeError),
    ],
)
def test_bad_input(lstm, x, argument, value, error):
    with refused(error, argument):
        peephole.plot.gates(**{"model": lstm, "x": x, argument: value})


def test_unit_that_is_no_int(lstm, x):
    with refused(TypeError, "units[1]"):
        peephole.plot.gates(lstm, x, units=[0, 1.5])


def test_history_of_something_else():
    with refused(TypeError, "history"):
        peephole.plot.history([1.0])


def test_needs_matplotlib_only_to_draw():
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import peephole\n"
        "peephole.plot.gates(peephole.LSTM(1, 1, seed=0), [[1.0]])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 1
    assert 'ImportError: peephole.plot needs matplotlib: pip install "peephole[plot]"' in (
        result.stderr
    )


def test_importing_peephole_does_not_import_matplotlib():
    code = "import sys, peephole; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0

"""Pictures of a training and of what gates do; `pip install "peephole[plot]"` brings matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole.inspection import Activities, gate_activities, stack_of
from peephole.options import integer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from peephole.lstm import LSTM
    from peephole.network import Network
    from peephole.training.history import History

__all__ = ["gates", "history"]

# M. Okabe, K. Ito, "Color universal design", 2008: told apart by the colour-blind, too.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")
_FIRST_SHOWN = 4  # units, where none are named: more lines than that are a thicket
_MOST_SHOWN = len(_COLOURS)
_GATES = {"i": "input gate", "f": "forget gate", "g": "cell input", "o": "output gate"}
_RANGES = {"sigmoid": (0, 1), "hard_sigmoid": (0, 1), "tanh": (-1, 1), "softsign": (-1, 1)}
_MARGIN = 0.04  # of an axis, beyond its range
_LOGARITHMIC_FROM = 20  # the largest over the smallest loss


def gates(
    model: LSTM | Network,
    x: ArrayLike,
    *,
    units: Sequence[int] | None = None,
    layer: int = -1,
    reverse: bool = False,
) -> Figure:
    """A picture of one layer at work: gates, peepholes, cell state and output over time.

    The upper row has the four gates; the row below, on one scale, what each is told through its
    peephole, P_k c, before its activation; the last one the cell state and the output. Each unit
    keeps its colour.

    Args:
        model, x, layer, reverse: As of `peephole.inspection.gate_activities`; x is (T, I).
        units: Which units to show, at most 6; None: the 4 whose output varies most.

    Returns:
        Figure: of matplotlib, to show or to save: `figure.savefig(path)`.

    Raises:
        ValueError, TypeError: For a wrong argument; the message names it.
        ImportError: Without matplotlib.
    """
    _require_matplotlib()
    activities = gate_activities(model, x, layer=layer, reverse=reverse)
    chosen = _chosen(units, activities.h)
    lstm = stack_of(model)
    names = lstm.options["activations"][layer]
    rows = 3 if activities.peepholes else 2
    figure = _figure(12.5, 2.6 * rows + 0.9)
    grid = figure.add_gridspec(rows, 4)
    first: Axes | None = None
    for column, (gate, title) in enumerate(_GATES.items()):
        axes = figure.add_subplot(grid[0, column], sharex=first)
        first = first or axes
        _lines(axes, getattr(activities, gate), chosen, f"{title}  ${gate}$")
        _limit(axes, _RANGES.get(names[gate]))
    if activities.peepholes:
        _peephole_row(figure, grid, activities, chosen, first)
    state = figure.add_subplot(grid[-1, :2], sharex=first)
    _lines(state, activities.c, chosen, "cell state  $c$")
    output = figure.add_subplot(grid[-1, 2:], sharex=first)
    _lines(output, activities.h, chosen, "output  $h$")
    for axes in (state, output):
        axes.set_xlabel("step")
    handles, labels = output.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=len(chosen),
        frameon=False,
        title=_place(lstm, layer, reverse),
    )
    return figure


def history(history: History) -> Figure:
    """A picture of a training, epoch by epoch: loss, gradient's norm, metrics.

    The validation's loss stands beside the training's, with a mark at the best epoch; the learning
    rate is shown where it changed.

    Raises:
        TypeError: For something else than what `Network.fit` returns.
        ImportError: Without matplotlib.
    """
    from peephole.training.history import History

    if not isinstance(history, History):
        raise TypeError(f"history: expected what fit returned, got {type(history).__name__}")
    _require_matplotlib()
    panels = _panels(history)
    figure = _figure(4.6 * len(panels), 3.6)
    for axes, (title, curves) in zip(
        np.atleast_1d(figure.subplots(1, len(panels))), panels.items(), strict=True
    ):
        for (label, values), colour in zip(curves.items(), _COLOURS, strict=False):
            epochs = np.arange(1, len(values) + 1)
            few = len(values) < 2  # a line of one point does not show
            axes.plot(epochs, values, color=colour, label=label, marker="o" if few else None)
        if len(curves) > 1:
            if history.best_epoch is not None:
                _mark_best(axes, history.best_epoch, curves["validation"])
            axes.legend(frameon=False)
        if title == "loss":
            _logarithmic_if_wide(axes, np.concatenate([np.asarray(v) for v in curves.values()]))
        _style(axes, title)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
    return figure


def _place(lstm: LSTM, layer: int, reverse: bool) -> str | None:
    """Which layer and direction it is, where there are several."""
    parts = [f"layer {layer % lstm.num_layers}"] if lstm.num_layers > 1 else []
    if lstm.bidirectional:
        parts.append("reverse" if reverse else "forward")
    return ", ".join(parts) or None


def _peephole_row(
    figure: Figure, grid: Any, activities: Activities, units: Sequence[int], first: Axes | None
) -> None:
    limit = max(
        float(np.abs(contribution[:, units]).max())
        for contribution in activities.peepholes.values()
    )
    limit = (limit or 1.0) * (1 + 2 * _MARGIN)
    for column, gate in enumerate(_GATES):
        axes = figure.add_subplot(grid[1, column], sharex=first)
        contribution = activities.peepholes.get(gate)
        if contribution is None:
            axes.set_axis_off()
            axes.text(0.5, 0.5, f"no peephole of ${gate}$", ha="center", transform=axes.transAxes)
            continue
        axes.axhline(0, color="#555555", linewidth=0.8)
        _lines(axes, contribution, units, f"peephole of ${gate}$:  $P_{gate}\\,c$")
        axes.set_ylim(-limit, limit)


def _chosen(units: Sequence[int] | None, h: NDArray[Any]) -> list[int]:
    size = h.shape[1]
    if units is None:
        return sorted(np.argsort(-h.std(axis=0), kind="stable")[:_FIRST_SHOWN].tolist())
    if isinstance(units, str) or not isinstance(units, (Sequence, np.ndarray, range)):
        raise TypeError(f"units: expected a sequence of ints, got {units!r}")
    chosen = [integer(unit, f"units[{k}]") for k, unit in enumerate(units)]
    if not 1 <= len(chosen) <= _MOST_SHOWN:
        raise ValueError(f"units: expected 1 to {_MOST_SHOWN} units, got {len(chosen)}")
    for unit in chosen:
        if not 0 <= unit < size:
            raise ValueError(f"units: expected units in 0..{size - 1}, got {unit}")
    return chosen


def _lines(axes: Axes, values: NDArray[Any], units: Sequence[int], title: str) -> None:
    few = len(values) < 2
    for unit, colour in zip(units, _COLOURS, strict=False):
        axes.plot(
            values[:, unit],
            color=colour,
            linewidth=1.6,
            marker="o" if few else None,
            label=f"unit {unit}",
        )
    _style(axes, title)


def _limit(axes: Axes, limits: tuple[int, int] | None) -> None:
    if limits:
        margin = _MARGIN * (limits[1] - limits[0])
        axes.set_ylim(limits[0] - margin, limits[1] + margin)


def _style(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.01)


def _panels(history: History) -> dict[str, dict[str, list[float]]]:
    """{title: {label: one value an epoch}}; what is of a validation is with what it validates."""
    panels = {
        "loss": {"training": history.loss},
        "gradient norm": {"training": history.gradient_norm},
        "learning rate": {"training": history.learning_rate},
    }
    if len(set(history.learning_rate)) < 2:
        del panels["learning rate"]
    for name, values in history.validation.items():
        panels.setdefault(name, {})["validation"] = values
    return panels


def _mark_best(axes: Axes, epoch: int, values: Sequence[float]) -> None:
    colour, label = _COLOURS[1], f"best: epoch {epoch}"
    axes.plot(epoch, values[epoch - 1], "o", color=colour, markersize=6, label=label)


def _logarithmic_if_wide(axes: Axes, values: NDArray[Any]) -> None:
    if values.size and values.min() > 0 and values.max() > _LOGARITHMIC_FROM * values.min():
        axes.set_yscale("log")


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Of no window system, and known to nobody: it goes when the caller lets it go.
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _require_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'peephole.plot needs matplotlib: pip install "peephole[plot]" ({error})'
        ) from error

"""Plots of the gates of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import integer
from peephole.models.lstm import LSTM
from peephole.models.network import Network
from peephole.views.figures import COLOURS, new_figure, require_matplotlib, style
from peephole.views.inspection import Activities, gate_activities, stack_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DEFAULT_UNITS = 4  # shown if none are named; more lines would be hard to read
_MAX_UNITS = len(COLOURS)
_GATES = {"i": "input gate", "f": "forget gate", "g": "cell input", "o": "output gate"}
_RANGES = {"sigmoid": (0, 1), "hard_sigmoid": (0, 1), "tanh": (-1, 1), "softsign": (-1, 1)}
_MARGIN = 0.04  # of an axis, beyond its range


def gates(
    model: LSTM | Network,
    x: ArrayLike,
    *,
    units: Sequence[int] | None = None,
    layer: int = -1,
    reverse: bool = False,
) -> Figure:
    """Plots the gates, peepholes, cell state and output of one layer over time.

    The first row has the four gates; the second row, on one scale, what each receives through its
    peephole, P_k c, before its activation; the last row the cell state and the output. A unit has
    the same colour everywhere.

    Args:
        model, x, layer, reverse: As in `peephole.inspection.gate_activities`; x is (T, I).
        units: The units to show, at most 6; None: the 4 whose output varies most, or with a
            projection whose cell state does. With a projection, the output shown is its first
            values, as many as there are units.

    Returns:
        Figure: A matplotlib figure. A notebook shows it as the last value of a cell; otherwise
            `figure.show()` or `figure.savefig(path)`.

    Raises:
        ValueError, TypeError: If an argument is wrong; the message names it.
        ImportError: Without matplotlib.
    """
    require_matplotlib()
    activities = gate_activities(model, x, layer=layer, reverse=reverse)
    lstm = stack_of(model)
    projected = lstm.projection_size is not None
    chosen = _chosen(units, activities.c if projected else activities.h)
    names = lstm.options["activations"][layer]
    rows = 3 if activities.peepholes else 2
    figure = new_figure(12.5, 2.6 * rows + 0.9)
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
    if projected:  # its values are not of single units
        count = min(len(chosen), activities.h.shape[1])
        _lines(output, activities.h, range(count), "projected output  $h$", "value")
    else:
        _lines(output, activities.h, chosen, "output  $h$")
    for axes in (state, output):
        axes.set_xlabel("step")
    if projected:
        output.legend(frameon=False)
    handles, labels = state.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=len(chosen),
        frameon=False,
        title=_place(lstm, layer, reverse),
    )
    return figure


def _place(lstm: LSTM, layer: int, reverse: bool) -> str | None:
    """The layer and direction, if there are several."""
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


def _chosen(units: Sequence[int] | None, values: NDArray[Any]) -> list[int]:
    size = values.shape[1]
    if units is None:
        return sorted(np.argsort(-values.std(axis=0), kind="stable")[:_DEFAULT_UNITS].tolist())
    if isinstance(units, str) or not isinstance(units, (Sequence, np.ndarray, range)):
        raise TypeError(f"units: expected a sequence of ints, got {units!r}")
    chosen = [integer(unit, f"units[{k}]") for k, unit in enumerate(units)]
    if not 1 <= len(chosen) <= _MAX_UNITS:
        raise ValueError(f"units: expected 1 to {_MAX_UNITS} units, got {len(chosen)}")
    for unit in chosen:
        if not 0 <= unit < size:
            raise ValueError(f"units: expected units in 0..{size - 1}, got {unit}")
    return chosen


def _lines(
    axes: Axes, values: NDArray[Any], units: Sequence[int], title: str, kind: str = "unit"
) -> None:
    few = len(values) < 2
    for unit, colour in zip(units, COLOURS, strict=False):
        axes.plot(
            values[:, unit],
            color=colour,
            linewidth=1.6,
            marker="o" if few else None,
            label=f"{kind} {unit}",
        )
    style(axes, title)


def _limit(axes: Axes, limits: tuple[int, int] | None) -> None:
    if limits:
        margin = _MARGIN * (limits[1] - limits[0])
        axes.set_ylim(limits[0] - margin, limits[1] + margin)

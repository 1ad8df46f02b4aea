"""The demo's picture: gates, peepholes and cells during one utterance, and the probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from peephole.models.network import Network
from peephole.views.figures import new_figure
from peephole.views.inspection import gate_activities

_GATES = {"i": "input gate  i", "f": "forget gate  f", "o": "output gate  o", "g": "cell input  g"}


def picture(
    net: Network,
    utterance: NDArray[Any],
    speaker: int,
    probabilities: NDArray[Any],
    frame_ms: float,
) -> Figure:
    """Four gates, what each receives through its peephole, cells, and probabilities (T, O)."""
    activities = gate_activities(net, utterance)
    # Sorted by what the units contribute to the speaker's logit after the last frame.
    order = np.argsort(net.parameters["head.weight"][speaker] * activities.h[-1])
    figure = new_figure(13, 9.5)
    grid = figure.add_gridspec(3, 4)
    extent = (0.0, len(utterance) * frame_ms, 0.0, float(len(order)))

    def heatmap(place: Any, values: NDArray[Any], title: str, limit: float, signed: bool) -> Any:
        axes = figure.add_subplot(place)
        image = axes.imshow(
            values[:, order].T,
            aspect="auto",
            origin="lower",
            extent=extent,
            interpolation="nearest",
            cmap="RdBu_r" if signed else "viridis",
            vmin=-limit if signed else 0,
            vmax=limit,
        )
        axes.set_title(title, fontsize=11)
        axes.set_yticks([])
        return axes, image

    # One scale for all peepholes, so that the gates can be compared.
    limit = max(float(np.abs(received).max()) for received in activities.peepholes.values())
    for column, (gate, title) in enumerate(_GATES.items()):
        axes, image = heatmap(grid[0, column], getattr(activities, gate), title, 1.0, gate == "g")
        if gate in "og":
            figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02)
        received = activities.peepholes[gate]
        below, image = heatmap(
            grid[1, column], received, f"peephole of {gate}:  $P_{gate}\\,c$", limit, True
        )
        if column == 0:
            axes.set_ylabel(f"{len(order)} units")
            below.set_ylabel(f"{len(order)} units")
    figure.colorbar(image, ax=below, fraction=0.05, pad=0.02)
    largest = max(1.0, float(np.abs(activities.c).max()))
    axes, image = heatmap(grid[2, :2], activities.c, "cell state  c", largest, True)
    figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02)
    axes.set_ylabel(f"{len(order)} units")
    last = figure.add_subplot(grid[2, 2:], sharex=axes)
    for bottom in (axes, last):
        bottom.set_xlabel("time (ms)")
    _plot_probabilities(last, probabilities, speaker, frame_ms)
    figure.suptitle(
        f"Speaker {speaker + 1} says /ae/: the units, sorted by how much they support speaker "
        f"{speaker + 1}",
        fontsize=13,
    )
    return figure


def _plot_probabilities(
    axes: Axes, probabilities: NDArray[Any], speaker: int, frame_ms: float
) -> None:
    # A frame's probabilities are known at its end.
    times = np.arange(1, len(probabilities) + 1) * frame_ms
    rivals = [k for k in np.argsort(-probabilities.max(axis=0)) if k != speaker]
    for rank, k in enumerate(rivals):
        label = f"speaker {k + 1}" if rank < 2 else ("the others" if rank == 2 else None)
        color = ("#d1495b", "#edae49")[rank] if rank < 2 else "#c5c9cf"
        axes.plot(times, probabilities[:, k], color=color, label=label, zorder=3 - min(rank, 2))
    axes.plot(
        times,
        probabilities[:, speaker],
        color="#00798c",
        linewidth=2.5,
        label=f"speaker {speaker + 1} (true)",
        zorder=4,
    )
    axes.set_title("probability of each speaker", fontsize=11)
    axes.set_ylim(-0.02, 1.02)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="center right", fontsize=9, framealpha=0.9)

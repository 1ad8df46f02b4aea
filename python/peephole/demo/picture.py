"""The demo's picture: the gates during one utterance, and the resulting probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from peephole.models.network import Network
from peephole.views.inspection import gate_activities

_TITLES = {
    "i": "input gate  i",
    "f": "forget gate  f",
    "o": "output gate  o",
    "g": "cell input  g",
    "c": "cell state  c",
}


def picture(
    net: Network,
    utterance: NDArray[Any],
    speaker: int,
    probabilities: NDArray[Any],
    frame_ms: float,
) -> Figure:
    """Four gates, the cell state, and the speakers' probabilities (T, O), over time."""
    activities = gate_activities(net, utterance)._asdict()
    # Sorted by what the units contribute to the speaker's logit after the last frame.
    order = np.argsort(net.parameters["head.weight"][speaker] * activities["h"][-1])
    figure = Figure(figsize=(12.5, 7), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = dict(zip("ifogcp", figure.subplots(2, 3, sharex=True).flat, strict=True))
    extent = (0.0, len(utterance) * frame_ms, 0.0, float(len(order)))
    images = {}
    for name, title in _TITLES.items():
        signed = name in "gc"
        limit = max(1.0, float(np.abs(activities[name]).max()))
        images[name] = axes[name].imshow(
            activities[name][:, order].T,
            aspect="auto",
            origin="lower",
            extent=extent,
            interpolation="nearest",
            cmap="RdBu_r" if signed else "viridis",
            vmin=-limit if signed else 0,
            vmax=limit if signed else 1,
        )
        axes[name].set_title(title, fontsize=11)
        axes[name].set_yticks([])
    for name in "ogc":
        figure.colorbar(images[name], ax=axes[name], fraction=0.05, pad=0.02)
    for name in "ig":
        axes[name].set_ylabel(f"{len(order)} units")
    for name in "gcp":
        axes[name].set_xlabel("time (ms)")
    _plot_probabilities(axes["p"], probabilities, speaker, frame_ms)
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

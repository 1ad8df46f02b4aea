"""The ratios as a picture: a row for each shape, a mark for each mode, a line at the best peer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.peers import Measurement
from bench.shapes import Shape
from bench.tables import threads

# Inference and training by colour, threads by filling; the two hues differ for colour-blind eyes.
COLOURS = {False: "#0072b2", True: "#d55e00"}
MARKS = ("o", "D", "s", "^")
GREY = "#666666"


def save(measurements: Sequence[Measurement], path: Path, subtitle: str) -> None:
    """Writes the picture, in the format of the path's suffix."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    measured = [one for one in measurements if one.ratio is not None]
    shapes = list(dict.fromkeys(one.shape for one in measured))
    counts = sorted({one.threads for one in measured})
    figure, axes = pyplot.subplots(figsize=(8.5, 1.8 + 0.48 * len(shapes)), layout="constrained")
    modes = [(training, count) for training in (False, True) for count in counts]
    for offset, (training, count) in enumerate(modes):
        of_mode = [o for o in measured if (o.training, o.threads) == (training, count)]
        shift = 0.34 * ((offset + 0.5) / len(modes) - 0.5)
        axes.scatter(
            [one.ratio for one in of_mode],
            [shapes.index(one.shape) + shift for one in of_mode],
            marker=MARKS[counts.index(count) % len(MARKS)],
            s=46,
            facecolor=COLOURS[training] if count == counts[0] else "white",
            edgecolor=COLOURS[training],
            linewidth=1.6,
            zorder=3,
            label=f"{'training' if training else 'inference'}, {threads(count)}",
        )
    _dress(axes, shapes, [one.ratio for one in measured if one.ratio is not None])
    axes.set_title(subtitle, fontsize=8.5, color=GREY, loc="left", pad=8)
    title = "Time of the fastest peer over ours: right of the line, ours is faster"
    figure.suptitle(title, fontsize=12.5, x=0.012, ha="left")
    figure.legend(loc="outside lower center", ncols=len(modes), frameon=False, fontsize=9)
    figure.savefig(path, dpi=160)
    pyplot.close(figure)


def _label(shape: Shape) -> str:
    return shape.sizes if shape.name == shape.sizes else f"{shape.name}\n{shape.sizes}"


def _dress(axes: object, shapes: Sequence[Shape], ratios: Sequence[float]) -> None:
    """Rows named on the left, a logarithmic axis in plain numbers, no frame."""
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    axes.set_yticks(range(len(shapes)), [_label(s) for s in shapes], fontsize=8)
    axes.set_ylim(len(shapes) - 0.45, -0.55)
    for row in range(0, len(shapes), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="#f4f4f4", zorder=0)
    axes.axvline(1, color=GREY, linewidth=1.2, zorder=2)
    axes.set_xscale("log")
    low, high = min([*ratios, 0.9]) / 1.15, max([*ratios, 2]) * 1.15
    axes.set_xlim(low, high)
    ticks = [m * 10.0**e for e in range(-4, 5) for m in (1, 1.5, 2, 3, 5, 7)]
    ticks = [tick for tick in ticks if low <= tick <= high]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xticklabels([f"{tick:g}×" for tick in ticks], fontsize=9)
    axes.grid(axis="x", color="#dddddd", linewidth=0.7, zorder=1)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)

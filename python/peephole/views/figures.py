"""What all plots have in common. matplotlib is imported only when a plot is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peephole._fork_gate import fork_gate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# M. Okabe, K. Ito, "Color universal design", 2008: colours that colour-blind people can tell apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")


def style(axes: Axes, title: str) -> None:
    """Gives an axes its title and the common look."""
    axes.set_title(title, fontsize=11)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.01)


def new_figure(width: float, height: float) -> Figure:
    """A figure of this size in inches."""
    with fork_gate:
        from peephole.views.shown import ShownFigure

    return ShownFigure(figsize=(width, height), dpi=120, layout="constrained")


def require_matplotlib() -> None:
    """Raises ImportError with a hint if matplotlib is not installed."""
    with fork_gate:
        try:
            import matplotlib  # noqa: F401
        except ImportError as error:
            raise ImportError(
                f'peephole.plot needs matplotlib: pip install "peephole[plot]" ({error})'
            ) from error

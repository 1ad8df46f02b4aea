"""Plots of a training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from peephole.training.keep.history import History, set_plot
from peephole.views.figures import COLOURS, new_figure, require_matplotlib, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOGARITHMIC_FROM = 20  # ratio of the largest to the smallest loss


def history(history: History) -> Figure:
    """Plots a training, epoch by epoch: loss, gradient norm, metrics.

    The validation loss is plotted with the training loss, with a mark at the best epoch. The
    learning rate is plotted if it changed.

    Returns:
        Figure: A matplotlib figure. A notebook shows it as the last value of a cell; otherwise
            `figure.show()` or `figure.savefig(path)`.

    Raises:
        TypeError: If `history` is not what `Network.fit` returned.
        ImportError: Without matplotlib.
    """
    if not isinstance(history, History):
        raise TypeError(f"history: expected what fit returned, got {type(history).__name__}")
    require_matplotlib()
    panels = _panels(history)
    figure = new_figure(4.6 * len(panels), 3.6)
    for axes, (title, curves) in zip(
        np.atleast_1d(figure.subplots(1, len(panels))), panels.items(), strict=True
    ):
        for (label, values), colour in zip(curves.items(), COLOURS, strict=False):
            epochs = np.arange(1, len(values) + 1)
            few = len(values) < 2  # a line with one point is invisible
            axes.plot(epochs, values, color=colour, label=label, marker="o" if few else None)
        if len(curves) > 1:
            if history.best_epoch is not None:
                _mark_best(axes, history.best_epoch, curves["validation"])
            axes.legend(frameon=False)
        if title == "loss":
            _logarithmic_if_wide(axes, np.concatenate([np.asarray(v) for v in curves.values()]))
        style(axes, title)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
    return figure


def _panels(history: History) -> dict[str, dict[str, list[float]]]:
    """{title: {label: one value per epoch}}; validation scores go with their training scores."""
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
    colour, label = COLOURS[1], f"best: epoch {epoch}"
    axes.plot(epoch, values[epoch - 1], "o", color=colour, markersize=6, label=label)


def _logarithmic_if_wide(axes: Axes, values: NDArray[Any]) -> None:
    if values.size and values.min() > 0 and values.max() > _LOGARITHMIC_FROM * values.min():
        axes.set_yscale("log")


set_plot(history)

"""The figures that plots return. Only this module of the views imports matplotlib at once."""

from __future__ import annotations

import io
import sys
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from peephole._fork_gate import fork_gate
from peephole._notebook import in_notebook


class ShownFigure(Figure):
    """A figure that notebooks show as a cell's last value, and that `show` shows anywhere.

    pyplot does not manage it, so that the caller holds the only reference, and a notebook does not
    show it twice.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        FigureCanvasAgg(self)

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        with fork_gate:  # which imports writers of images
            self.savefig(file, format="png")
        return file.getvalue()

    def show(self, warn: bool = True) -> None:
        """Shows the figure: in a notebook below the cell, otherwise in a window, by pyplot.

        Where there is no window system, it warns as matplotlib does, unless `warn` is False.
        """
        if in_notebook():
            sys.modules["IPython"].display.display(self)
            return
        if self.canvas.manager is None:
            # pyplot makes a window for the figure that it takes for a new one.
            this: Any = lambda *_, **__: self  # noqa: E731
            with fork_gate:
                from matplotlib import pyplot

                pyplot.figure(FigureClass=this)  # imports the window system's module
        super().show(warn)

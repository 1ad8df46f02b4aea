"""The figures that plots return. Only this module of the views imports matplotlib at once."""

from __future__ import annotations

import io
import sys
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

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
            from matplotlib import pyplot

            # pyplot makes a window for the figure that it takes for a new one.
            this: Any = lambda *_, **__: self  # noqa: E731
            pyplot.figure(FigureClass=this)
        super().show(warn)

"""The progress bar, and the log.

The log has a line per epoch at level INFO, by the logger "peephole.training".
"""

from __future__ import annotations

import logging
import sys
from importlib.util import find_spec
from typing import Any

from peephole._fork_gate import fork_gate
from peephole._notebook import in_notebook
from peephole.training.keep.history import History

logger = logging.getLogger("peephole.training")


class Bar:
    """A tqdm bar over the steps of a training, with loss, validation and time left.

    show: True, False, or None to show it only in a terminal or a notebook.
    """

    def __init__(self, total: int | None, done: int, show: bool | None) -> None:
        if show is None:
            show = in_notebook() or (sys.stderr is not None and sys.stderr.isatty())
        self._bar = _bar(total, done) if show else None
        self._validation = ""

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            with fork_gate:
                self._bar.close()

    def epoch(self, epoch: int, epochs: int) -> None:
        """An epoch starts, counted from 1."""
        if self._bar is not None:
            self._bar.set_description(f"epoch {epoch}/{epochs}", refresh=False)

    def step(self, loss: float) -> None:
        """A step has been made; `loss` is the epoch's mean so far."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {loss:.4g}{self._validation}", refresh=False)
            with fork_gate:
                self._bar.update()

    def scores(self, scores: dict[str, float]) -> None:
        """An epoch has been validated."""
        self._validation = "".join(f", validation {k} {v:.4g}" for k, v in scores.items())


def _bar(total: int | None, done: int) -> Any:
    """A bar of tqdm, which imports more when it makes the first one."""
    with fork_gate:
        bar: Any = _widget() if in_notebook() else None
        if bar is None:
            from tqdm import tqdm as bar
        return bar(total=total, initial=done, unit="step", dynamic_ncols=True)


def _widget() -> Any:
    """The bar of tqdm for notebooks, or None without ipywidgets, which it needs."""
    with fork_gate:
        if find_spec("ipywidgets") is None:
            return None
        from tqdm.notebook import tqdm

        return tqdm


def log_epoch(history: History, epoch: int, epochs: int) -> None:
    """Logs one line about the last epoch, at level INFO."""
    if logger.isEnabledFor(logging.INFO):
        scores = {name: values[-1] for name, values in history.validation.items()}
        logger.info(
            "epoch %d/%d: loss %.6g%s, gradient norm %.4g, learning rate %.4g, %.2f s",
            epoch,
            epochs,
            history.loss[-1],
            "".join(f", validation {name} {value:.6g}" for name, value in scores.items()),
            history.gradient_norm[-1],
            history.learning_rate[-1],
            history.seconds[-1],
        )

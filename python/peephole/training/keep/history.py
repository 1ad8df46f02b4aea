"""The history of a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(slots=True, repr=False)
class History:
    """The history of a training: lists with one entry per epoch.

    `len(history)` is the number of finished epochs.
    """

    loss: list[float] = field(default_factory=list)
    """The mean loss over the epoch's targets, with the weights from before each step."""
    gradient_norm: list[float] = field(default_factory=list)
    """The mean of the gradient norm over the epoch's steps, before clipping."""
    learning_rate: list[float] = field(default_factory=list)
    """The learning rate of the epoch's last step."""
    seconds: list[float] = field(default_factory=list, compare=False)
    """The duration of the epoch, including validation."""
    validation: dict[str, list[float]] = field(default_factory=dict)
    """"loss" and the metrics by name, on the validation data after the epoch; empty without it."""
    best_epoch: int | None = None
    """With validation: the best epoch, from 1, by `early_stopping` or otherwise by the loss."""
    stopped: Literal["early", "callback", "interrupted"] | None = None
    """Why the training ended before the last epoch; None if it did not."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Slots have no default in the pickle protocols 0 and 1.
        return type(self), tuple(getattr(self, each.name) for each in fields(self))

    def __len__(self) -> int:
        return len(self.loss)

    def __repr__(self) -> str:
        text = f"epochs={len(self)}"
        if self.loss:
            text += f", loss={self.loss[-1]:.6g}"
        for name, values in self.validation.items():
            text += f", validation {name}={values[-1]:.6g}" if values else ""
        text += "" if self.best_epoch is None else f", best_epoch={self.best_epoch}"
        text += "" if self.stopped is None else f", stopped={self.stopped!r}"
        return f"<History {text}>"

    def as_json(self) -> dict[str, Any]:
        """The fields as plain types, for `History(**fields)`."""
        return asdict(self)

    def plot(self) -> Figure:
        """A plot of the training, as a matplotlib figure: see `peephole.plot.history`."""
        return _plot(self)


_plot: Callable[[History], Figure]


def set_plot(function: Callable[[History], Figure]) -> None:
    """Sets what `History.plot` calls. The views do this: training does not import them."""
    global _plot
    _plot = function

"""What a training went through."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(slots=True)
class History:
    """What a training went through; lists with one entry an epoch."""

    loss: list[float] = field(default_factory=list)
    """The mean loss over the epoch's targets, each under the weights of its step."""
    gradient_norm: list[float] = field(default_factory=list)
    """The mean over the epoch's steps of the gradient's norm, before clipping by it."""
    learning_rate: list[float] = field(default_factory=list)
    """That of the epoch's last step."""
    seconds: list[float] = field(default_factory=list, compare=False)
    """How long the epoch took, validation included."""
    validation: dict[str, list[float]] = field(default_factory=dict)
    """After the epoch, on what is held out: "loss" and the metrics by name; empty without."""
    best_epoch: int | None = None
    """The epoch, from 1, that did best in validation, which early stopping returns to."""
    stopped: Literal["early", "callback", "interrupted"] | None = None
    """Why there were fewer epochs than asked for."""

    def __len__(self) -> int:
        return len(self.loss)

    def as_json(self) -> dict[str, Any]:
        """Plain types, to be given to History(**...) later."""
        return asdict(self)

    def plot(self) -> Figure:
        """A picture of the training, a matplotlib figure: see `peephole.plot.history`."""
        from peephole.plot import history

        return history(self)

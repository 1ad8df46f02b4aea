"""What code of one's own sees of a training while it runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from peephole.optim import Optimiser
from peephole.training.history import History

if TYPE_CHECKING:
    from peephole.network import Network


@dataclass(slots=True)
class Run:
    """A training as it is right after a step or an epoch; to be read, and to be stopped."""

    net: Network
    optimiser: Optimiser
    history: History
    epochs: int
    """How many there are to be."""
    epoch: int = 0
    """How many are over."""
    step: int = 0
    """How many steps of the optimiser have been made, over all epochs."""
    loss: float = float("nan")
    """The last step's."""
    gradient_norm: float = float("nan")
    """The last step's, before clipping by it."""
    stopping: bool = False

    def stop(self) -> None:
        """Ends the training, after this step or epoch."""
        self.stopping = True


class Callback:
    """For a subclass to say what it does after each step or each epoch.

    What is raised there ends the training and comes out of `fit`; the network has the weights of
    the last step.
    """

    def on_step(self, run: Run) -> None:
        """After each step of the optimiser."""

    def on_epoch(self, run: Run) -> None:
        """After each epoch and its validation, when its row is in `run.history`."""


Callbacks: TypeAlias = (
    Callback | Callable[[Run], object] | Sequence["Callback | Callable[[Run], object]"]
)


class _OfEpochs(Callback):
    def __init__(self, function: Callable[[Run], object]) -> None:
        self._function = function

    def on_epoch(self, run: Run) -> None:
        self._function(run)


def callbacks_of(callbacks: Callbacks) -> list[Callback]:
    """The argument `callbacks` of `Network.fit`; a function is one for epochs."""
    if not isinstance(callbacks, Sequence):
        callbacks = [callbacks]
    for callback in callbacks:
        if isinstance(callback, type) or not (isinstance(callback, Callback) or callable(callback)):
            raise TypeError(
                f"callbacks: expected Callback objects or functions of the run, got {callback!r}"
            )
    return [c if isinstance(c, Callback) else _OfEpochs(c) for c in callbacks]


def watches_steps(callback: Callback) -> bool:
    """Whether it does anything after a step."""
    return type(callback).on_step is not Callback.on_step

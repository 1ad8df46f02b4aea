"""User code that runs during a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from peephole.optim import Optimiser
from peephole.training.keep.history import History
from peephole.training.protocol import NetworkLike


@dataclass(slots=True)
class Run:
    """The current state of a training, passed to callbacks after a step or an epoch."""

    net: NetworkLike
    """The `Network` that is trained."""
    optimiser: Optimiser
    """The optimiser, whose `learning_rate` may be set if there is no schedule."""
    history: History
    """The `History` of the finished epochs; `fit` returns it."""
    epochs: int
    """The number of epochs requested."""
    epoch: int = 0
    """The number of epochs finished."""
    step: int = 0
    """The number of optimiser steps made, over all epochs."""
    loss: float = float("nan")
    """The loss of the last step."""
    gradient_norm: float = float("nan")
    """The gradient norm of the last step, before clipping."""
    stopping: bool = False
    """Whether `stop` has been called."""

    def stop(self) -> None:
        """Ends the training after the current step or epoch."""
        self.stopping = True


class Callback:
    """Base class for callbacks after each step or each epoch.

    An exception raised in a callback ends the training and is raised by `fit`; the network has the
    weights of the last step.
    """

    def on_step(self, run: Run) -> None:
        """Called after each step of the optimiser."""

    def on_epoch(self, run: Run) -> None:
        """Called after each epoch and its validation, when `run.history` has its row."""


Callbacks: TypeAlias = (
    Callback | Callable[[Run], object] | Sequence["Callback | Callable[[Run], object]"]
)


class _EpochFunction(Callback):
    def __init__(self, function: Callable[[Run], object]) -> None:
        self._function = function

    def on_epoch(self, run: Run) -> None:
        self._function(run)


def callbacks_of(callbacks: Callbacks) -> list[Callback]:
    """The argument `callbacks` of `Network.fit` as a list; a function is called after epochs."""
    if not isinstance(callbacks, Sequence):
        callbacks = [callbacks]
    for callback in callbacks:
        if isinstance(callback, type) or not (isinstance(callback, Callback) or callable(callback)):
            raise TypeError(
                f"callbacks: expected Callback objects or functions of the run, got {callback!r}"
            )
    return [c if isinstance(c, Callback) else _EpochFunction(c) for c in callbacks]


def watches_steps(callback: Callback) -> bool:
    """Whether the callback overrides `on_step`."""
    return type(callback).on_step is not Callback.on_step

"""The arguments of `Network.fit`, with the checks that need no data."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from numpy.typing import ArrayLike

from peephole import optim
from peephole._checks import at_least_one, flag, fraction, not_negative, path_text, positive
from peephole._types import Seed
from peephole.losses import Loss
from peephole.metrics import Metrics
from peephole.optim import Optimiser
from peephole.parameters import Parameters
from peephole.schedules import Schedule, schedule_of
from peephole.training.callbacks import Callbacks, callbacks_of
from peephole.training.early_stopping import EarlyStopping
from peephole.training.loss import Function

OptimiserChoice: TypeAlias = (
    Literal["adam", "adamw", "sgd", "rmsprop"] | Callable[[Parameters, float], Optimiser]
)

_OPTIMISERS: dict[str, type[Optimiser]] = {
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "sgd": optim.SGD,
    "rmsprop": optim.RMSprop,
}


_BATCH_SIZE = 32


@dataclass(frozen=True)
class FitArguments:
    """The arguments of `Network.fit`; see there.

    Raises ValueError or TypeError that names the argument.
    """

    lengths: ArrayLike | None
    epochs: int
    batch_size: int | None
    learning_rate: float
    clip_norm: float | None
    clip_value: float | None
    seed: Seed
    progress: bool | None
    loss: str | Loss | Function | None
    sample_weight: Any
    missing: Literal["error", "skip"]
    optimiser: OptimiserChoice
    schedule: Schedule | Callable[[int], float] | None
    shuffle: bool | None
    bucketing: bool
    tbptt: int | None
    stateful: bool
    recompute: bool
    validation_data: Any
    validation_share: float | None
    validation_shuffle: bool | None
    metrics: Metrics
    early_stopping: int | EarlyStopping | None
    callbacks: Callbacks
    checkpoint: str | os.PathLike[str] | None
    checkpoint_every: float
    resume: bool

    def __post_init__(self) -> None:
        at_least_one(self.epochs, "epochs")
        if self.batch_size is not None:
            at_least_one(self.batch_size, "batch_size")
        for name in ("bucketing", "stateful", "recompute", "resume"):
            flag(getattr(self, name), name)
        for name in ("progress", "shuffle", "validation_shuffle"):
            if getattr(self, name) is not None:
                flag(getattr(self, name), name)
        positive(self.learning_rate, "learning_rate")
        for name in ("clip_norm", "clip_value"):
            if getattr(self, name) is not None:
                positive(getattr(self, name), name)
        if self.tbptt is not None:
            at_least_one(self.tbptt, "tbptt")
        if self.missing not in ("error", "skip"):
            raise ValueError(f'missing: expected "error" or "skip", got {self.missing!r}')
        if self.checkpoint is not None:
            path_text(self.checkpoint, "checkpoint")
        not_negative(self.checkpoint_every, "checkpoint_every")
        schedule_of(self.schedule)
        callbacks_of(self.callbacks)
        self._check_optimiser()
        self._check_together()

    def _check_optimiser(self) -> None:
        if isinstance(self.optimiser, str):
            if self.optimiser not in _OPTIMISERS:
                raise ValueError(
                    f"optimiser: expected one of {', '.join(_OPTIMISERS)}, got {self.optimiser!r}"
                )
        elif not callable(self.optimiser):
            raise TypeError(
                "optimiser: expected a name or a function (parameters, learning_rate) -> "
                f"Optimiser, got {self.optimiser!r}"
            )

    def _check_together(self) -> None:
        if self.stateful and (self.shuffle or self.bucketing):
            name = "shuffle" if self.shuffle else "bucketing"
            raise ValueError(f"{name}: expected none with stateful=True, got True")
        if self.resume and self.checkpoint is None:
            raise ValueError("resume: allowed only with a checkpoint")
        if self.validation_share is not None:
            if self.validation_data is not None:
                raise ValueError("validation_share: allowed only without validation_data")
            if not 0 < fraction(self.validation_share, "validation_share") < 1:
                raise ValueError(
                    "validation_share: expected a number between 0 and 1, "
                    f"got {self.validation_share}"
                )
        if self.validation_data is not None and not (
            isinstance(self.validation_data, (tuple, list)) and 2 <= len(self.validation_data) <= 4
        ):
            raise TypeError(
                "validation_data: expected (x, y), (x, y, lengths) or (x, y, lengths, "
                f"sample_weight), got {type(self.validation_data).__name__}"
            )
        if self.early_stopping is not None and not self.validates:
            raise ValueError(
                "early_stopping: allowed only with validation_data or validation_share"
            )

    @property
    def sequences_per_step(self) -> int:
        """`batch_size`, or the default."""
        return _BATCH_SIZE if self.batch_size is None else self.batch_size

    @property
    def validates(self) -> bool:
        """Whether there is validation data."""
        return self.validation_data is not None or self.validation_share is not None

    def make_optimiser(self, parameters: Parameters) -> Optimiser:
        """The optimiser that the argument names."""
        if isinstance(self.optimiser, str):
            return _OPTIMISERS[self.optimiser](parameters, self.learning_rate)
        optimiser = self.optimiser(parameters, self.learning_rate)
        if not isinstance(optimiser, Optimiser):
            raise TypeError(
                f"optimiser: expected to return an Optimiser, got {type(optimiser).__name__}"
            )
        return optimiser

    def stopping(self) -> EarlyStopping | None:
        """The rule of early stopping; an int is its patience."""
        if self.early_stopping is None or isinstance(self.early_stopping, EarlyStopping):
            return self.early_stopping
        return EarlyStopping(at_least_one(self.early_stopping, "early_stopping"))

    def settings(self) -> dict[str, Any]:
        """The settings that must be the same when a training is resumed."""
        names = ("batch_size", "tbptt", "stateful", "bucketing", "missing", "learning_rate")
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name in names}
        kind = self.optimiser if isinstance(self.optimiser, str) else "a function"
        plain["batch_size"] = self.sequences_per_step
        return plain | {"optimiser": kind, "shuffle": self.shuffle is not False}

"""The arguments of `Network.fit`, with the checks that need no data."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from numpy.typing import ArrayLike

from peephole._checks import at_least_one, flag, fraction, not_negative, path_text, positive
from peephole._sequences import gives_batches
from peephole._types import Seed
from peephole.losses import Loss
from peephole.metrics import Metrics
from peephole.optim import Optimiser
from peephole.parameters import Parameters
from peephole.schedules import Schedule, schedule_of
from peephole.training.callbacks import Callbacks, callbacks_of
from peephole.training.class_weight import ClassWeight
from peephole.training.data.checks import require_missing
from peephole.training.early_stopping import EarlyStopping
from peephole.training.loss import Function
from peephole.training.optimisers import OptimiserChoice, check_optimiser, optimiser_of

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
    class_weight: ClassWeight
    missing: Literal["error", "skip"]
    optimiser: OptimiserChoice
    frozen: str | Sequence[str]
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
        require_missing(self.missing)
        if self.checkpoint is not None:
            path_text(self.checkpoint, "checkpoint")
        not_negative(self.checkpoint_every, "checkpoint_every")
        schedule_of(self.schedule)
        callbacks_of(self.callbacks)
        check_optimiser(self.optimiser)
        if not isinstance(self.frozen, (str, Sequence)):
            raise TypeError(f"frozen: expected names of parameters, got {self.frozen!r}")
        self._check_together()

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
        data = self.validation_data
        in_memory = isinstance(data, (tuple, list)) and 2 <= len(data) <= 4
        if (
            data is not None
            and not in_memory
            and (isinstance(data, dict) or not gives_batches(data))
        ):
            raise TypeError(
                "validation_data: expected (x, y), (x, y, lengths) or (x, y, lengths, "
                f"sample_weight), or an iterable of them, got {type(data).__name__}"
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
        """The optimiser over the parameters that are not frozen."""
        frozen = (self.frozen,) if isinstance(self.frozen, str) else tuple(self.frozen)
        try:
            trained = parameters.without(*frozen)
        except (TypeError, ValueError) as error:
            raise type(error)(str(error).replace("patterns", "frozen", 1)) from None
        return optimiser_of(self.optimiser, trained, self.learning_rate)

    def stopping(self) -> EarlyStopping | None:
        """The rule of early stopping; an int is its patience."""
        if self.early_stopping is None or isinstance(self.early_stopping, EarlyStopping):
            return self.early_stopping
        return EarlyStopping(at_least_one(self.early_stopping, "early_stopping"))

    def settings(self) -> dict[str, Any]:
        """The settings that must be the same when a training is resumed."""
        names = {"batch_size", "clip_norm", "clip_value", "tbptt", "stateful", "bucketing"}
        names |= {"missing", "validation_share", "validation_shuffle"}
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name in names}
        plain["batch_size"] = self.sequences_per_step
        rule = self.stopping() or EarlyStopping()
        monitored = {name: getattr(rule, name) for name in ("monitor", "maximise", "min_delta")}
        return plain | {
            "shuffle": self.shuffle is not False,
            "metrics": sorted(self._metrics()),
            "early_stopping": monitored,
        }

    def _metrics(self) -> list[str]:
        return [self.metrics] if isinstance(self.metrics, str) else [str(m) for m in self.metrics]

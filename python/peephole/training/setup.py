"""The setup of a training, and its position in an epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peephole.losses import Loss
from peephole.schedules import Schedule
from peephole.training.callbacks import Callback
from peephole.training.data.sources import Source
from peephole.training.early_stopping import Best
from peephole.training.keep.checkpoint import Checkpoint
from peephole.training.loss import Custom
from peephole.training.validation import Validation


@dataclass(frozen=True)
class Setup:
    """All that a training needs, checked."""

    source: Source
    loss: Loss | Custom
    learning_rate: float
    schedule: Schedule | None
    clip_norm: float | None
    clip_value: float | None
    tbptt: int | None
    per_step: bool  # whether there is a target per step
    stateful: bool
    recompute: bool
    validation: Validation | None
    best: Best | None
    callbacks: list[Callback]
    checkpoint: Checkpoint | None
    settings: dict[str, Any]  # must be the same when the training is resumed
    seed: int
    progress: bool | None


@dataclass
class Position:
    """The position of a training in an epoch, and sums over the epoch so far."""

    batch: int = 0  # batches done
    piece: int = 0  # pieces of the next batch done
    steps: int = 0
    loss: float = 0.0  # Σ mean loss · weight
    weight: float = 0.0
    norm: float = 0.0

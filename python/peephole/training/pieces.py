"""Runs a batch through the network: at once or, for long sequences, in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole import _core as core
from peephole._types import StateArrays
from peephole.training.data.batches import Batch
from peephole.training.data.sources import Source, batch_text


def count_pieces(time: int, per_step: bool, tbptt: int | None) -> int:
    """The optimiser steps for a batch of sequences of up to `time` steps."""
    return max(1, -(-time // tbptt)) if tbptt is not None and per_step else 1


def piece(batch: Batch, number: int, tbptt: int | None) -> Batch:
    """A piece of a batch, `tbptt` steps long; the whole batch for None."""
    if tbptt is None or not batch.per_step:
        return batch
    return batch.steps(number * tbptt, min((number + 1) * tbptt, batch.x.shape[1]))


def forward(
    model: core.Network,
    batch: Batch,
    state: StateArrays | None,
    tbptt: int | None,
    seed: int | None,
    recompute: bool,
) -> tuple[Batch, tuple[NDArray[Any], NDArray[Any], StateArrays, core.Tape]]:
    """Runs a piece; returns the part that the gradient goes through, and the forward pass of it.

    If only the last step has a target, the steps more than `tbptt` before it are run without a
    tape, only for their state.
    """
    if tbptt is not None and not batch.per_step and batch.x.shape[1] > tbptt:
        before, batch = batch.split_last(tbptt)
        _, state = model.lstm(before.x, state, before.lengths)
    return batch, model.forward(batch.x, state, batch.lengths, seed, recompute)


def require_size(batch: Batch, state: StateArrays, name: str, place: str) -> None:
    """Raises ValueError unless the sequences of a batch can continue those that led to `state`."""
    before, now = len(state[0][0]), len(batch.lengths)
    if before != now:
        raise ValueError(
            f"{name}: expected batches of {before} sequences, as before, since stateful=True "
            f"carries their state over, got {now} sequences ({place})"
        )


def with_reset(batch: Batch, state: StateArrays) -> StateArrays:
    """The state at the start of a batch, from that at the end of the one before it."""
    if batch.reset is None:
        return state
    kept = ~batch.reset[:, None]
    return tuple((np.where(kept, h, 0), np.where(kept, c, 0)) for h, c in state)


def without_gradient(
    model: core.Network, source: Source, tbptt: int | None, stateful: bool
) -> Iterator[tuple[int, Batch, NDArray[Any], NDArray[Any]]]:
    """(number of the batch, counted from 1, piece, y, logits) for all pieces of an epoch."""
    state: StateArrays | None = None
    batches = source.epoch(np.random.default_rng(0), 0)  # nothing is random in validation
    for number, batch in enumerate(batches, start=1):
        if not stateful:
            state = None
        elif state is not None:
            require_size(batch, state, "validation_data", batch_text(source, number))
            state = with_reset(batch, state)
        for k in range(count_pieces(batch.x.shape[1], batch.per_step, tbptt)):
            part = piece(batch, k, tbptt)
            y, logits, state = model.evaluate(part.x, state, part.lengths)
            yield number, part, y, logits

"""Runs a batch through the network: at once or, for long sequences, in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from peephole import _core as core
from peephole._types import StateArrays
from peephole.training.data.batches import Batch


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


def without_gradient(
    model: core.Network, batches: Iterator[Batch], tbptt: int | None, stateful: bool
) -> Iterator[tuple[Batch, NDArray[Any], NDArray[Any]]]:
    """(piece, y, logits) for all pieces of some batches."""
    state = None
    for batch in batches:
        if not stateful:
            state = None
        for number in range(count_pieces(batch.x.shape[1], batch.per_step, tbptt)):
            part = piece(batch, number, tbptt)
            y, logits, state = model.evaluate(part.x, state, part.lengths)
            yield part, y, logits

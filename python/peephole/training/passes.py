"""How a batch goes through the network: at once, or for long sequences in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from peephole import _core as core
from peephole.lstm import StateArrays
from peephole.training.data import Batch


def pieces_of(time: int, per_step: bool, tbptt: int | None) -> int:
    """How many steps of the optimiser a batch of sequences up to `time` long takes."""
    return max(1, -(-time // tbptt)) if tbptt is not None and per_step else 1


def piece(batch: Batch, number: int, tbptt: int | None) -> Batch:
    """One of a batch's pieces, `tbptt` steps long; None: all of it."""
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
    """Runs a piece, and returns what of it the gradient goes through with `model.forward`'s answer.

    Where only the last step has a target, what is more than `tbptt` steps before it is run without
    a tape, for its state.
    """
    if tbptt is not None and not batch.per_step and batch.x.shape[1] > tbptt:
        before, batch = batch.split_last(tbptt)
        _, state = model.lstm(before.x, state, before.lengths)
    return batch, model.forward(batch.x, state, batch.lengths, seed, recompute)


def without_gradient(
    model: core.Network, batches: Iterator[Batch], tbptt: int | None, stateful: bool
) -> Iterator[tuple[Batch, NDArray[Any], NDArray[Any]]]:
    """(piece, y, logits) of all pieces of some batches."""
    state = None
    for batch in batches:
        if not stateful:
            state = None
        for number in range(pieces_of(batch.x.shape[1], batch.per_step, tbptt)):
            part = piece(batch, number, tbptt)
            y, logits, state = model.evaluate(part.x, state, part.lengths)
            yield part, y, logits

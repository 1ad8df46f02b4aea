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
    begins: NDArray[np.bool_] | None = None,
) -> tuple[
    Batch,
    tuple[NDArray[Any], NDArray[Any], StateArrays, core.Tape],
    NDArray[np.bool_] | None,
]:
    """Runs a piece; returns the part that the gradient goes through, and the forward pass of it.

    If only the last step has a target, the steps more than `tbptt` before it are run without a
    tape, only for their state.

    `begins` (B,) is True for the sequences whose row of `state` is the model's initial state; None:
    for none of them or, without `state`, for all. The third result says the same of the pass that
    has a tape.
    """
    if tbptt is not None and not batch.per_step and batch.x.shape[1] > tbptt:
        all_begin = state is None
        before, batch = batch.split_last(tbptt)
        # The head is needed for nothing here, but lstm does not read x after a dense layer.
        run = model.lstm if model.options["input_dense_size"] is None else model
        _, state = run(before.x, state, before.lengths)
        empty = before.lengths == 0
        begins = empty if all_begin else None if begins is None else begins & empty
    return batch, model.forward(batch.x, state, batch.lengths, seed, recompute), begins


def require_size(batch: Batch, state: StateArrays, name: str, place: str) -> None:
    """Raises ValueError unless the sequences of a batch can continue those that led to `state`."""
    before, now = len(state[0][0]), len(batch.lengths)
    if before != now:
        raise ValueError(
            f"{name}: expected batches of {before} sequences, as before, since stateful=True "
            f"carries their state over, got {now} sequences ({place})"
        )


def with_reset(model: core.Network, batch: Batch, state: StateArrays) -> StateArrays:
    """The state at the start of a batch, from that at the end of the one before it."""
    if batch.reset is None:
        return state
    kept = ~batch.reset[:, None]
    zeros = [(np.zeros_like(h), np.zeros_like(c)) for h, c in state]
    return tuple(
        (np.where(kept, h, h0), np.where(kept, c, c0))
        for (h, c), (h0, c0) in zip(state, _learned_states(model) or zeros, strict=True)
    )


def _initial_names(model: core.Network) -> list[tuple[str, str]]:
    """The names of the learned h0 and c0 of each layer and direction; empty if none is learned."""
    names = [name for name in model.parameters.names if name.startswith("h0_")]
    return [(name, f"c{name[1:]}") for name in names]


def _learned_states(model: core.Network) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """h0 and c0, each (H,), of each layer and direction; empty if none is learned."""
    view = model.parameters.view
    return [(np.array(view(h)), np.array(view(c))) for h, c in _initial_names(model)]


def add_initial_gradients(
    model: core.Network,
    begins: NDArray[np.bool_] | None,
    dstate: StateArrays,
    gradients: dict[str, NDArray[Any]],
) -> None:
    """Adds to the gradients of a learned initial state those of the sequences that begin.

    The core adds up the gradients of a pass without a given state only. In a pass that is given the
    states of some sequences, the others begin at the learned state, too.
    """
    if begins is None or not begins.any():
        return
    for (h, c), (dh, dc) in zip(_initial_names(model), dstate, strict=False):
        gradients[h] += dh[begins].sum(axis=0)
        gradients[c] += dc[begins].sum(axis=0)


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
            state = with_reset(model, batch, state)
        for k in range(count_pieces(batch.x.shape[1], batch.per_step, tbptt)):
            part = piece(batch, k, tbptt)
            y, logits, state = model.evaluate(part.x, state, part.lengths)
            yield number, part, y, logits

"""How many steps the optimiser makes: one for each piece of a batch that has a term of the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._sequences import Sequences, real_steps
from peephole.losses import Loss
from peephole.training.data.batches import Data
from peephole.training.data.checks import parts
from peephole.training.loss import Custom


def pieces_with_terms(
    data: Data, rows: NDArray[np.intp], loss: Loss | Custom, tbptt: int | None
) -> NDArray[np.bool_]:
    """(len(rows), P): for each sequence, which of its pieces of `tbptt` steps have a term.

    P = 1 for one target per sequence, or without `tbptt`.
    """
    longest = int(data.lengths[rows].max(initial=1))
    size = longest if tbptt is None or not data.targets.per_step else tbptt
    result = np.zeros((len(rows), -(-longest // size)), np.bool_)
    done = 0
    for chosen in parts(rows):
        counted = _counted(data, chosen, loss)
        if counted.ndim == 1:
            counted = counted[:, None]
        for k, start in enumerate(range(0, counted.shape[1], size)):
            part = counted[:, start : start + size]
            result[done : done + len(chosen), k] = part.any(axis=1)
        done += len(chosen)
    return result


def _counted(data: Data, rows: NDArray[np.intp], loss: Loss | Custom) -> NDArray[np.bool_]:
    """(n,), or per step (n, T): True for each target that has a term of weight above 0."""
    targets = data.targets.take(rows)
    shape = targets.shape[: 2 if data.targets.per_step else 1]
    counted = np.ones(shape, np.bool_)
    if data.targets.per_step:
        counted = real_steps(data.lengths[rows], shape[1])
    if isinstance(loss, Loss):
        counted = counted & _safely(loss, targets, counted)
    if data.weights is not None:
        weights: NDArray[Any]
        if isinstance(data.weights, Sequences):
            weights = data.weights.take(rows)
        else:
            weights = data.weights[rows]
            weights = weights[:, None] if data.targets.per_step else weights
        counted = counted & (weights > 0)
    return counted


def _safely(loss: Loss, targets: NDArray[Any], real: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What counts; labels in padding may be anything."""
    if loss.labels:
        targets = np.where(real, targets, 0)
    return loss.counts(targets)

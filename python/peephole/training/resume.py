"""A training's state as a snapshot, and a training continued from one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from peephole._types import StateArrays
from peephole.schedules import FunctionSchedule
from peephole.training.callbacks import Run
from peephole.training.data.sources import MemorySource
from peephole.training.keep.checkpoint import Snapshot, under
from peephole.training.keep.history import History
from peephole.training.keep.tensors import carried, check_tensors, weights_of
from peephole.training.pieces import count_pieces
from peephole.training.setup import Position, Setup


class Place(NamedTuple):
    """Where a training is in an epoch."""

    position: Position
    carry: StateArrays | None  # into the next piece or, if stateful, the next batch
    random: Mapping[str, Any]  # the state of the random generator at the start of the epoch


def snapshot(run: Run, setup: Setup, place: Place, factor: float | None) -> Snapshot:
    """The state of a training; `factor` is the schedule's in the last step."""
    notes = {
        "settings": setup.settings,
        "seed": setup.seed,
        "random": place.random,
        "epoch": run.epoch,
        "step": run.step,
        "position": asdict(place.position),
        "history": run.history.as_json(),
        "schedule": {} if setup.schedule is None else setup.schedule.state(),
        "factor": factor,
        "best": None if setup.best is None else setup.best.state(),
    }
    tensors = {f"optimiser/{k}": v for k, v in run.optimiser.state().items()}
    if setup.best is not None:
        tensors |= {f"best/{name}": value for name, value in setup.best.weights.items()}
    for k, (h, c) in enumerate(place.carry or ()):
        tensors |= {f"carry/h/{k}": h, f"carry/c/{k}": c}
    return Snapshot(notes, tensors)


def restore(run: Run, setup: Setup, saved: Snapshot, random: np.random.Generator) -> Place:
    """Continues a training from a snapshot, and returns its place in the epoch.

    Everything is checked first: after a ValueError network and optimiser are unchanged. The notes
    are expected to have the form that `check_notes` checks, and the settings to be the same.
    """
    notes, tensors = saved.notes, saved.tensors
    check_tensors(run.net, saved)
    optimiser_state = under("optimiser/", tensors)
    if optimiser_state.keys() != (mine := run.optimiser.state()).keys():
        raise ValueError(
            f"expected the state of an optimiser {sorted(mine)}, got {sorted(optimiser_state)}"
        )
    carry = carried(under("carry/", tensors)) or None
    place = Place(Position(**notes["position"]), carry, notes["random"])
    _check_history(setup, notes)
    _check_place(run, setup, place, random)
    _restore_schedule(run, setup, notes)
    run.optimiser.set_state(optimiser_state)
    run.history = History(**notes["history"])
    run.epoch, run.step = notes["epoch"], notes["step"]
    if setup.best is not None and notes["best"] is not None:
        setup.best.set_state(notes["best"], under("best/", tensors))
    if run.history.stopped == "early" and (setup.best is None or not setup.best.exhausted):
        run.history.stopped = None  # there is more patience now
    for name, value in weights_of(tensors).items():
        run.net.parameters[name] = value
    return place


def _check_history(setup: Setup, notes: dict[str, Any]) -> None:
    scores: set[str] = set()
    if setup.validation is not None and notes["epoch"]:
        scores = {"loss", *setup.validation.metrics}
    if (found := notes["history"]["validation"].keys()) != scores:
        raise ValueError(f"history: expected {sorted(scores)} of validation, got {sorted(found)}")
    if (notes["best"] is None) != (setup.best is None):
        raise ValueError("best: expected in a training with validation only")


def _check_place(run: Run, setup: Setup, place: Place, random: np.random.Generator) -> None:
    position, source = place.position, setup.source
    begun = position.piece > 0 or (setup.stateful and position.batch > 0)
    if (place.carry is not None) != begun:
        raise ValueError(f"carry: expected {'a' if begun else 'no'} state in {position}")
    if not isinstance(source, MemorySource):
        return
    if position.batch > (source.batches or 0):
        raise ValueError(f"position: expected at most {source.batches} batches, got {position}")
    now = random.bit_generator.state
    random.bit_generator.state = place.random
    batch = next(source.epoch(random, position.batch), None)
    random.bit_generator.state = now
    if batch is None:
        pieces, rows = 1, None
    else:
        pieces = count_pieces(batch.x.shape[1], batch.per_step, setup.tbptt)
        rows = len(batch.lengths)
    if position.piece >= pieces:
        raise ValueError(f"position: expected at most {pieces} pieces of the batch, got {position}")
    if place.carry is not None and rows not in (None, len(place.carry[0][0])):
        raise ValueError(f"carry: expected {rows} sequences, got {len(place.carry[0][0])}")


def _restore_schedule(run: Run, setup: Setup, notes: dict[str, Any]) -> None:
    """Changes the training's own copy of the schedule only."""
    schedule, step, factor = setup.schedule, notes["step"], notes["factor"]
    if (schedule is None or step == 0) != (factor is None):
        raise ValueError("factor: expected in a training with a schedule only")
    if schedule is None:
        return
    try:
        schedule.set_state(notes["schedule"])
    except Exception as error:  # the schedule may be the user's
        raise ValueError(f"schedule: expected the state of this one, got: {error}") from None
    if factor is not None and isinstance(schedule, FunctionSchedule):
        now = schedule.factor(step - 1)
        if now != factor:
            raise ValueError(
                f"expected a schedule that gives {factor} for step {step - 1}, got {now}"
            )

"""The training loop: steps, epochs, and checkpoints of them."""

from __future__ import annotations

import copy
import math
import time
from typing import Any

import numpy as np

from peephole import _core as core
from peephole._types import StateArrays
from peephole.training.callbacks import Run, watches_steps
from peephole.training.data.batches import Batch
from peephole.training.data.sources import batch_text
from peephole.training.faults import describe
from peephole.training.interrupt import Interruptions, TrainingInterrupted
from peephole.training.keep.checkpoint import Snapshot
from peephole.training.keep.history import History
from peephole.training.optimisers import require_own
from peephole.training.pieces import (
    add_initial_gradients,
    count_pieces,
    forward,
    piece,
    require_size,
    with_reset,
)
from peephole.training.progress import Bar, log_epoch, logger
from peephole.training.resume import Place, restore, snapshot
from peephole.training.setup import Position, Setup


class Trainer:
    """Runs the training that a Setup describes."""

    def __init__(self, run: Run, setup: Setup, random: np.random.Generator) -> None:
        self._run, self._setup, self._random = run, setup, random
        self._model = run.net._core
        options = self._model.options
        self._draws = any(options[k] for k in ("dropout", "recurrent_dropout", "zoneout"))
        self._position = Position()
        # Into the next piece or, if stateful, the next batch.
        self._carry: StateArrays | None = None
        self._epoch_random = random.bit_generator.state  # at the start of the epoch
        self._steps: int | None = None  # in the whole training; None: not known, or not needed
        if setup.schedule is not None or setup.progress is not False:
            steps = setup.source.steps(copy.deepcopy(random), run.epochs, setup.loss, setup.tbptt)
            self._steps = None if steps is None else max(steps, 1)
        self._factor: float | None = None  # of the schedule, in the last step
        if setup.schedule is not None:
            setup.schedule.factor(0, self._steps)  # raises if the schedule needs a number of steps
        self._watchers = [c for c in setup.callbacks if watches_steps(c)]
        # With an infinite bound the norm is computed, but nothing is clipped.
        self._max_norm = math.inf if setup.clip_norm is None else setup.clip_norm

    def train(self) -> History:
        """Trains up to the last epoch, or until stopped."""
        run, setup = self._run, self._setup
        bar = Bar(self._steps, run.step, setup.progress)
        with bar, Interruptions() as self._interruptions:
            try:
                while run.epoch < run.epochs and run.history.stopped is None and not run.stopping:
                    self._epoch(bar)
                self._save()
            except KeyboardInterrupt:
                self._save()
                run.history.stopped = "interrupted"
                epoch = min(run.epoch + 1, run.epochs)
                message = (
                    f"interrupted after step {run.step}, in epoch {epoch} of {run.epochs}; "
                    "the weights are those of that step"
                )
                logger.info(message)
                raise TrainingInterrupted(message, run.history) from None
            except BaseException as error:  # SystemExit of a signal handler, too
                self._save_after(error)
                raise
        if run.stopping and run.history.stopped is None:
            run.history.stopped = "callback"
        if setup.best is not None:
            setup.best.restore(run.net.parameters)
        return run.history

    def _epoch(self, bar: Bar) -> None:
        run, begin = self._run, time.perf_counter()
        bar.epoch(run.epoch + 1, run.epochs)
        self._random.bit_generator.state = self._epoch_random
        for batch in self._setup.source.epoch(self._random, self._position.batch):
            self._continue_state(batch)
            for number in range(self._position.piece, self._pieces(batch)):
                self._step(batch, number, bar)
                if run.stopping:
                    return
            self._save_if_due()
        self._end_epoch(bar, begin)

    def _noise_seed(self) -> int | None:
        """The seed of dropout etc. in the next step; it is the same in a resumed training."""
        if not self._draws:
            return None
        words = np.random.SeedSequence([self._setup.seed, self._run.step])
        return int(words.generate_state(1, np.uint64)[0])

    def _pieces(self, batch: Batch) -> int:
        return count_pieces(batch.x.shape[1], batch.per_step, self._setup.tbptt)

    def _step(self, whole: Batch, number: int, bar: Bar) -> None:
        """One piece of a batch: forward, backward, update."""
        setup, model, optimiser = self._setup, self._model, self._run.optimiser
        require_own(optimiser, self._run.net.parameters)  # a callback may have replaced it
        part, (y, logits, state, tape), begins = forward(
            model,
            piece(whole, number, setup.tbptt),
            self._carry,
            setup.tbptt,
            self._noise_seed(),
            setup.recompute,
            whole.reset if number == 0 and self._carry is not None else None,
        )
        # Values that are not finite are reported below, with the step.
        with np.errstate(over="ignore", invalid="ignore"):
            try:
                value = part.evaluate(setup.loss, y, logits)
            except FloatingPointError as error:
                raise FloatingPointError(self._fault(str(error))) from None
        norm = math.nan
        if value.weight:
            if setup.loss.of_logits:
                results = model.backward(tape, None, None, value.gradient, False)
            else:
                results = model.backward(tape, value.gradient, None, None, False)
            _, dstate, gradients = results
            add_initial_gradients(model, begins, dstate, gradients)
            gradients = optimiser.trained(gradients)
            norm = self._clip(gradients)
            if not (math.isfinite(value.mean) and math.isfinite(norm)):
                symptom, cause = describe(
                    value.mean, norm, self._run.net.parameters, part, gradients
                )
                raise FloatingPointError(self._fault(symptom, cause))
        with self._interruptions.held():
            if value.weight:
                self._set_learning_rate()
                optimiser.step(gradients)
                self._count(value.mean, value.weight, norm)
            self._move(state, last=number + 1 == self._pieces(whole))
        if value.weight:
            bar.step(self._position.loss / self._position.weight)
            for callback in self._watchers:
                callback.on_step(self._run)

    def _continue_state(self, batch: Batch) -> None:
        """Checks that a batch can continue the previous one, and resets what does not."""
        if not self._setup.stateful or self._carry is None:
            return
        require_size(batch, self._carry, "x", self._place())
        if self._position.piece == 0:
            self._carry = with_reset(self._model, batch, self._carry)

    def _clip(self, gradients: dict[str, Any]) -> float:
        """Clips the gradients; returns their norm before."""
        if self._setup.clip_value is None:
            return core.clip_norm(gradients, self._max_norm)
        norm = core.clip_norm(gradients, math.inf)
        core.clip_value(gradients, self._setup.clip_value)
        core.clip_norm(gradients, self._max_norm)
        return norm

    def _set_learning_rate(self) -> None:
        if self._setup.schedule is not None:
            self._factor = float(self._setup.schedule.factor(self._run.step, self._steps))
            self._run.optimiser.learning_rate = self._setup.learning_rate * self._factor

    def _count(self, loss: float, weight: float, norm: float) -> None:
        run, position = self._run, self._position
        run.step += 1
        run.loss, run.gradient_norm = loss, norm
        position.steps += 1
        position.loss += loss * weight
        position.weight += weight
        position.norm += norm

    def _move(self, state: StateArrays, last: bool) -> None:
        """Moves on to the next piece, or the next batch."""
        self._position.piece += 1
        self._carry = state
        if last:
            self._position.batch += 1
            self._position.piece = 0
            if not self._setup.stateful:
                self._carry = None

    def _end_epoch(self, bar: Bar, begin: float) -> None:
        run, setup, position = self._run, self._setup, self._position
        scores = {} if setup.validation is None else setup.validation.scores(self._model)
        with self._interruptions.held():
            history = run.history
            loss = position.loss / position.weight if position.weight else math.nan
            if setup.schedule is not None:
                setup.schedule.observe(scores.get("loss", loss))
            history.loss.append(loss)
            history.gradient_norm.append(position.norm / max(position.steps, 1))
            history.learning_rate.append(run.optimiser.learning_rate)
            history.seconds.append(time.perf_counter() - begin)
            for name, score in scores.items():
                history.validation.setdefault(name, []).append(score)
            run.epoch += 1
            if setup.best is not None:
                if setup.best.observe(run.epoch, scores, run.net.parameters):
                    history.stopped = "early"
                history.best_epoch = setup.best.epoch
            self._position, self._carry = Position(), None
            self._epoch_random = self._random.bit_generator.state
        bar.scores(scores)
        log_epoch(history, run.epoch, run.epochs)
        for callback in setup.callbacks:
            callback.on_epoch(run)
        self._save_if_due()

    def _fault(self, symptom: str, cause: str = "") -> str:
        step = f"{symptom} at step {self._run.step + 1} ({self._place()})"
        return f"{step}{cause and ': ' + cause}; the weights are those from before this step"

    def _place(self) -> str:
        """The place in the training, for messages."""
        batch = batch_text(self._setup.source, self._position.batch + 1)
        part = f", part {self._position.piece + 1}" if self._setup.tbptt is not None else ""
        return f"epoch {self._run.epoch + 1}, {batch}{part}"

    def _save_if_due(self) -> None:
        if self._setup.checkpoint is not None and self._setup.checkpoint.is_due():
            self._save()

    def _save(self) -> None:
        if self._setup.checkpoint is not None:
            self._setup.checkpoint.write(self._run.net, self._snapshot())

    def _save_after(self, error: BaseException) -> None:
        """Saves after `error`, which the caller raises again even if saving fails."""
        try:
            self._save()
        except Exception as second:
            if isinstance(error, OSError):  # most likely the same one
                return
            logger.warning("no checkpoint was written after %r: %s", error, second)

    def _snapshot(self) -> Snapshot:
        place = Place(self._position, self._carry, self._epoch_random)
        return snapshot(self._run, self._setup, place, self._factor)

    def restore(self, saved: Snapshot) -> None:
        """Continues from a snapshot; everything is checked before anything is changed."""
        place = restore(self._run, self._setup, saved, self._random)
        self._position, self._carry, self._epoch_random = place
        self._factor = saved.notes["factor"]

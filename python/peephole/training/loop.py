"""The training itself: steps, epochs, and what is kept of them."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from peephole import _core as core
from peephole.losses import Loss
from peephole.lstm import StateArrays
from peephole.schedules import Schedule
from peephole.training.callbacks import Callback, Run, watches_steps
from peephole.training.checkpoint import Checkpoint, Snapshot, under
from peephole.training.data import Batch
from peephole.training.faults import describe
from peephole.training.history import History
from peephole.training.interrupt import Interruptions, TrainingInterrupted
from peephole.training.loss import Custom
from peephole.training.passes import forward, piece, pieces_of
from peephole.training.progress import Bar, log_epoch, logger
from peephole.training.sources import Source
from peephole.training.validation import Best, Validation


@dataclass(frozen=True)
class Plan:
    """What a training is made of, all of it checked."""

    source: Source
    loss: Loss | Custom
    learning_rate: float
    schedule: Schedule | None
    clip_norm: float | None
    clip_value: float | None
    tbptt: int | None
    per_step: bool  # whether there is a target for each step
    stateful: bool
    recompute: bool
    validation: Validation | None
    best: Best | None
    callbacks: list[Callback]
    checkpoint: Checkpoint | None
    settings: dict[str, Any]  # what a training that is resumed must share
    seed: int
    progress: bool | None

    @property
    def steps_of_an_epoch(self) -> int | None:
        """How many there are at most; None: not known."""
        source = self.source
        if source.batches is None:
            return None
        if self.tbptt is None:
            return source.batches
        if source.longest is None:
            return None
        return source.batches * pieces_of(source.longest, self.per_step, self.tbptt)


@dataclass
class Position:
    """Where in an epoch a training is: how much of it is done, and sums over that."""

    batch: int = 0
    piece: int = 0  # of the batch after these
    steps: int = 0
    loss: float = 0.0  # Σ mean loss · weight
    weight: float = 0.0
    norm: float = 0.0


class Trainer:
    """Carries out a Plan."""

    def __init__(self, run: Run, plan: Plan, random: np.random.Generator) -> None:
        self._run, self._plan, self._random = run, plan, random
        self._model = run.net._core
        options = self._model.options
        self._draws = any(options[k] for k in ("dropout", "recurrent_dropout", "zoneout"))
        self._position = Position()
        self._carry: StateArrays | None = None  # into the next piece or, stateful, batch
        self._epoch_random = random.bit_generator.state  # when the epoch began
        of_an_epoch = plan.steps_of_an_epoch
        self._steps = None if of_an_epoch is None else run.epochs * of_an_epoch
        if plan.schedule is not None:
            plan.schedule.factor(0, self._steps)  # raises for one that lacks its steps
        self._watchers = [c for c in plan.callbacks if watches_steps(c)]
        # An infinite bound still measures the norm, and never clips.
        self._max_norm = math.inf if plan.clip_norm is None else plan.clip_norm

    def train(self) -> History:
        """Up to the last epoch, or until stopped."""
        run, plan = self._run, self._plan
        bar = Bar(self._steps, run.step, plan.progress)
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
            except Exception:
                with contextlib.suppress(OSError):  # which may be what was raised
                    self._save()
                raise
        if run.stopping and run.history.stopped is None:
            run.history.stopped = "callback"
        if plan.best is not None:
            plan.best.restore(run.net.parameters)
        return run.history

    def _epoch(self, bar: Bar) -> None:
        run, begin = self._run, time.perf_counter()
        bar.epoch(run.epoch + 1, run.epochs)
        self._random.bit_generator.state = self._epoch_random
        for batch in self._plan.source.epoch(self._random, self._position.batch):
            for number in range(self._position.piece, self._pieces(batch)):
                self._step(batch, number, bar)
                if run.stopping:
                    return
            self._save_if_due()
        self._end_epoch(bar, begin)

    def _noise_seed(self) -> int | None:
        """Of dropout and the like in the next step; a training that is resumed draws the same."""
        if not self._draws:
            return None
        words = np.random.SeedSequence([self._plan.seed, self._run.step])
        return int(words.generate_state(1, np.uint64)[0])

    def _pieces(self, batch: Batch) -> int:
        return pieces_of(batch.x.shape[1], batch.per_step, self._plan.tbptt)

    def _step(self, whole: Batch, number: int, bar: Bar) -> None:
        """One piece of a batch: forward, backward, update."""
        plan, model, optimiser = self._plan, self._model, self._run.optimiser
        part, (y, logits, state, tape) = forward(
            model,
            piece(whole, number, plan.tbptt),
            self._carry,
            plan.tbptt,
            self._noise_seed(),
            plan.recompute,
        )
        # What is not finite here is reported below, with the step.
        with np.errstate(over="ignore", invalid="ignore"):
            value = part.evaluate(plan.loss, y, logits)
        norm = math.nan
        if value.weight:
            if plan.loss.of_logits:
                gradients = model.backward(tape, None, None, value.gradient, False)[2]
            else:
                gradients = model.backward(tape, value.gradient, None, None, False)[2]
            norm = self._clip(gradients)
            if not (math.isfinite(value.mean) and math.isfinite(norm)):
                symptom, cause = describe(
                    value.mean, norm, self._run.net.parameters, part, gradients
                )
                raise FloatingPointError(
                    f"{symptom} at step {self._run.step + 1} ({self._place()}): {cause}; "
                    "the weights are those from before this step"
                )
        with self._interruptions.held():
            if value.weight:
                self._set_learning_rate()
                optimiser.step(gradients)
                self._note(value.mean, value.weight, norm)
            self._move(state, last=number + 1 == self._pieces(whole))
        if value.weight:
            bar.step(self._position.loss / self._position.weight)
            for callback in self._watchers:
                callback.on_step(self._run)

    def _clip(self, gradients: dict[str, Any]) -> float:
        """Clips them, and returns the norm that they had."""
        if self._plan.clip_value is None:
            return core.clip_norm(gradients, self._max_norm)
        norm = core.clip_norm(gradients, math.inf)
        core.clip_value(gradients, self._plan.clip_value)
        core.clip_norm(gradients, self._max_norm)
        return norm

    def _set_learning_rate(self) -> None:
        if self._plan.schedule is not None:
            factor = self._plan.schedule.factor(self._run.step, self._steps)
            self._run.optimiser.learning_rate = self._plan.learning_rate * factor

    def _note(self, loss: float, weight: float, norm: float) -> None:
        run, position = self._run, self._position
        run.step += 1
        run.loss, run.gradient_norm = loss, norm
        position.steps += 1
        position.loss += loss * weight
        position.weight += weight
        position.norm += norm

    def _move(self, state: StateArrays, last: bool) -> None:
        """On to the next piece, or the next batch."""
        self._position.piece += 1
        self._carry = state
        if last:
            self._position.batch += 1
            self._position.piece = 0
            if not self._plan.stateful:
                self._carry = None

    def _end_epoch(self, bar: Bar, begin: float) -> None:
        run, plan, position = self._run, self._plan, self._position
        scores = {} if plan.validation is None else plan.validation.scores(self._model)
        with self._interruptions.held():
            history = run.history
            loss = position.loss / position.weight if position.weight else math.nan
            if plan.schedule is not None:
                plan.schedule.observe(scores.get("loss", loss))
            history.loss.append(loss)
            history.gradient_norm.append(position.norm / max(position.steps, 1))
            history.learning_rate.append(run.optimiser.learning_rate)
            history.seconds.append(time.perf_counter() - begin)
            for name, score in scores.items():
                history.validation.setdefault(name, []).append(score)
            run.epoch += 1
            if plan.best is not None:
                if plan.best.observe(run.epoch, scores, run.net.parameters):
                    history.stopped = "early"
                history.best_epoch = plan.best.epoch
            self._position, self._carry = Position(), None
            self._epoch_random = self._random.bit_generator.state
        bar.scores(scores)
        log_epoch(history, run.epoch, run.epochs)
        for callback in plan.callbacks:
            callback.on_epoch(run)
        self._save_if_due()

    def _place(self) -> str:
        """Where the training is, for messages."""
        batches = self._plan.source.batches
        number = f"{self._position.batch + 1}" + ("" if batches is None else f" of {batches}")
        part = f", part {self._position.piece + 1}" if self._plan.tbptt is not None else ""
        return f"epoch {self._run.epoch + 1}, batch {number}{part}"

    def _save_if_due(self) -> None:
        if self._plan.checkpoint is not None and self._plan.checkpoint.is_due():
            self._save()

    def _save(self) -> None:
        if self._plan.checkpoint is not None:
            self._plan.checkpoint.write(self._run.net, self._snapshot())

    def _snapshot(self) -> Snapshot:
        run, plan = self._run, self._plan
        notes = {
            "settings": plan.settings,
            "seed": plan.seed,
            "random": self._epoch_random,
            "epoch": run.epoch,
            "step": run.step,
            "position": asdict(self._position),
            "history": run.history.as_json(),
            "schedule": {} if plan.schedule is None else plan.schedule.state(),
            "best": None if plan.best is None else plan.best.state(),
        }
        tensors = {f"optimiser/{k}": v for k, v in run.optimiser.state().items()}
        if plan.best is not None:
            tensors |= {f"best/{name}": value for name, value in plan.best.weights.items()}
        for k, (h, c) in enumerate(self._carry or ()):
            tensors |= {f"carry/h/{k}": h, f"carry/c/{k}": c}
        return Snapshot(notes, tensors)

    def restore(self, snapshot: Snapshot) -> None:
        """Goes on from a snapshot; the network is changed last, when all else has proved right."""
        run, plan, notes, tensors = self._run, self._plan, snapshot.notes, snapshot.tensors
        weights = {name: tensors[name] for name in run.net.parameters}
        for name, value in weights.items():
            if value.shape != run.net.parameters.shape(name):
                raise ValueError(f"{name} of {value.shape}")
        run.optimiser.set_state(under("optimiser/", tensors))
        run.history = History(**notes["history"])
        run.epoch, run.step = notes["epoch"], notes["step"]
        self._epoch_random = notes["random"]
        self._position = Position(**notes["position"])
        h, c = under("carry/h/", tensors), under("carry/c/", tensors)
        self._carry = tuple((h[str(k)], c[str(k)]) for k in range(len(h))) or None
        if plan.schedule is not None:
            plan.schedule.set_state(notes["schedule"])
        if plan.best is not None and notes["best"] is not None:
            plan.best.set_state(notes["best"], under("best/", tensors))
        for name, value in weights.items():
            run.net.parameters[name] = value

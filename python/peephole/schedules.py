"""Learning rates that change from step to step.

A schedule gives a factor for each step, counted from 0, by which the learning rate of
`Network.fit` is multiplied. The steps are those of the optimiser: one per batch, or with `tbptt`
one per piece of a batch. Any function step -> factor is a schedule, too. In a custom loop::

    schedule = peephole.schedules.WarmUp(100, peephole.schedules.Cosine(10_000))
    optimiser.learning_rate = 1e-3 * schedule.factor(optimiser.steps)
"""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from peephole._checks import at_least_one, at_least_zero, fraction, positive
from peephole._keywords import call_text, explains_keywords

__all__ = ["Constant", "Cosine", "OneCycle", "ReduceOnPlateau", "Schedule", "Step", "WarmUp"]


class Schedule(ABC):
    """Base class of the schedules."""

    _attributes: ClassVar[Mapping[str, str]] = {"factor": "ratio"}  # `factor` is a method

    def __repr__(self) -> str:
        return call_text(self, self._attributes)

    @abstractmethod
    def factor(self, step: int, steps: int | None = None) -> float:
        """The factor at `step`, counted from 0, in a training of `steps` steps."""

    def observe(self, loss: float) -> None:
        """Observes an epoch's validation loss (without validation, its training loss)."""

    def state(self) -> dict[str, Any]:
        """What `observe` has changed, for JSON."""
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continues from what `state` returned."""


class Constant(Schedule):
    """A constant learning rate."""

    def factor(self, step: int, steps: int | None = None) -> float:
        """See Schedule."""
        return 1.0


class Cosine(Schedule):
    """Half a cosine from 1 to `floor` (I. Loshchilov, F. Hutter, ICLR 2017, arXiv:1608.03983).

    Args:
        steps: The length of the cosine in steps; None: the whole training.
        floor: The last factor, in 0..1, which it keeps afterwards.
    """

    @explains_keywords
    def __init__(self, steps: int | None = None, floor: float = 0.0) -> None:
        self.steps = None if steps is None else at_least_one(steps, "steps")
        self.floor = fraction(floor, "floor")

    def factor(self, step: int, steps: int | None = None) -> float:
        """See Schedule."""
        total = _known(self.steps or steps)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(step / total, 1))) / 2


class Step(Schedule):
    """Multiplies the learning rate by `factor` after every `every` steps.

    Args:
        every: 1 or more steps.
        factor: Above 0.
    """

    @explains_keywords
    def __init__(self, every: int, factor: float = 0.1) -> None:
        self.every = at_least_one(every, "every")
        self.ratio = positive(factor, "factor")

    def factor(self, step: int, steps: int | None = None) -> float:
        """See Schedule."""
        return float(self.ratio ** (step // self.every))


class OneCycle(Schedule):
    """Rises to 1 and falls again, along half cosines (L. N. Smith, N. Topin, arXiv:1708.07120).

    Args:
        steps: The length of the cycle in steps; None: the whole training.
        rise: The fraction of the steps that rise, in 0..1.
        start: The first factor.
        end: The last factor.
    """

    @explains_keywords
    def __init__(
        self,
        steps: int | None = None,
        rise: float = 0.3,
        start: float = 0.04,
        end: float = 4e-6,
    ) -> None:
        self.steps = None if steps is None else at_least_one(steps, "steps")
        self.rise = fraction(rise, "rise")
        self.start = positive(start, "start")
        self.end = positive(end, "end")

    def factor(self, step: int, steps: int | None = None) -> float:
        """See Schedule."""
        total = _known(self.steps or steps)
        top, last = self.rise * total - 1, total - 1
        if step < top:
            return _between(self.start, 1.0, step / top)
        return _between(1.0, self.end, min((step - top) / max(last - top, 1), 1))


class ReduceOnPlateau(Schedule):
    """Multiplies by `factor` if the loss has not improved for more than `patience` epochs.

    An epoch whose loss is NaN, as that of a validation without targets, or infinite does not count:
    it gives a RuntimeWarning.

    Args:
        factor: In 0..1.
        patience: 0 or more epochs.
        threshold: The smallest improvement that counts, as a fraction of the best loss.
        floor: The smallest factor.
    """

    @explains_keywords
    def __init__(
        self,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        floor: float = 0.0,
    ) -> None:
        self.ratio = fraction(factor, "factor")
        self.patience = at_least_zero(patience, "patience")
        self.threshold = fraction(threshold, "threshold")
        self.floor = fraction(floor, "floor")
        self._current, self._best, self._waited = 1.0, math.inf, 0

    def factor(self, step: int, steps: int | None = None) -> float:
        """See Schedule."""
        return self._current

    def observe(self, loss: float) -> None:
        """See Schedule."""
        if not math.isfinite(loss):
            found = "NaN" if math.isnan(loss) else loss
            warnings.warn(
                f"schedule: the loss that ReduceOnPlateau observes is {found}; such epochs do not "
                "count",
                RuntimeWarning,
                stacklevel=2,
            )
            return
        if self._best == math.inf or loss < self._best - self.threshold * abs(self._best):
            self._best, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited > self.patience:
            self._current = max(self._current * self.ratio, self.floor)
            self._waited = 0

    def state(self) -> dict[str, Any]:
        """See Schedule."""
        return {"current": self._current, "best": self._best, "waited": self._waited}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """See Schedule. Raises ValueError for a state that no training leads to."""
        current, best, waited = float(state["current"]), float(state["best"]), state["waited"]
        if not 0 <= current <= 1 or math.isnan(best) or best == -math.inf:
            raise ValueError(f"expected a factor in 0..1 and a best value, got {current}, {best}")
        if type(waited) is not int or waited < 0:
            raise ValueError(f"waited: expected an int of 0 or more, got {waited!r}")
        self._current, self._best, self._waited = current, best, waited


class WarmUp(Schedule):
    """Rises linearly from near 0 to 1, then follows another schedule, which starts there.

    Args:
        steps: The length of the rise in steps.
        then: The other schedule; None: a constant one.
    """

    @explains_keywords
    def __init__(self, steps: int, then: Schedule | None = None) -> None:
        self.steps = at_least_one(steps, "steps")
        self.then = Constant() if then is None else schedule_of(then, "then")

    def factor(self, step: int, steps: int | None = None) -> float:
        """See Schedule."""
        rest = None if steps is None else max(steps - self.steps, 1)
        if step < self.steps:
            return (step + 1) / (self.steps + 1) * self.then.factor(0, rest)
        return self.then.factor(step - self.steps, rest)

    def observe(self, loss: float) -> None:
        """See Schedule."""
        self.then.observe(loss)

    def state(self) -> dict[str, Any]:
        """See Schedule."""
        return self.then.state()

    def set_state(self, state: Mapping[str, Any]) -> None:
        """See Schedule."""
        self.then.set_state(state)


class FunctionSchedule(Schedule):
    """A function of the step as a schedule."""

    def __init__(self, function: Callable[[int], float]) -> None:
        self.function = function

    def factor(self, step: int, steps: int | None = None) -> float:
        """See Schedule."""
        result = np.asarray(self.function(step))
        if result.shape or result.dtype.kind not in "fiu":
            raise TypeError(f"schedule: expected the function to return a number, got {result!r}")
        factor = float(result)
        if not (math.isfinite(factor) and factor >= 0):
            raise ValueError(
                "schedule: expected the function to return a finite number of 0 or more, "
                f"got {factor} for step {step}"
            )
        return factor


def schedule_of(
    schedule: Schedule | Callable[[int], float] | None, name: str = "schedule"
) -> Schedule:
    """The schedule for an argument of `fit`; None is a constant one."""
    if schedule is None:
        return Constant()
    if isinstance(schedule, Schedule):
        return schedule
    if isinstance(schedule, type) or not callable(schedule):
        raise TypeError(f"{name}: expected a Schedule or a function of the step, got {schedule!r}")
    return FunctionSchedule(schedule)


def _known(steps: int | None) -> int:
    if steps is None:
        raise ValueError(
            "steps: expected a number, since the number of batches is not known, got None"
        )
    return steps


def _between(start: float, end: float, position: float) -> float:
    """From start (position 0) to end (position 1) along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * position)) / 2

"""Minima, taken in turns.

The speed of a shared machine changes by more than the differences to be measured. Only times of the
same period can be compared, so all implementations take turns of a few calls (or one long call), in
many rounds, and each keeps its fastest call. A minimum is what the code costs; everything that
disturbs a call makes it slower.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar


class Timed(Protocol):
    """Something to time: an inference or a training pass of one implementation."""

    def fastest(self, seconds: float) -> float:
        """The seconds of the fastest call among those that fit in `seconds`; at least one."""


@dataclass
class Call:
    """A Python call, each timed by itself.

    Attributes:
        before: Runs ahead of each call, untimed.
        turn: Runs ahead of each turn: sets what is global, such as a number of threads.
    """

    call: Callable[[], object]
    before: Callable[[], object] | None = None
    turn: Callable[[], object] | None = None

    def fastest(self, seconds: float) -> float:
        """See Timed."""
        if self.turn is not None:
            self.turn()
        clock = time.perf_counter_ns
        deadline = clock() + int(seconds * 1e9)
        fastest = None
        call, before = self.call, self.before
        while True:
            if before is not None:
                before()
            start = clock()
            call()
            end = clock()
            fastest = end - start if fastest is None else min(fastest, end - start)
            if end >= deadline:
                return fastest * 1e-9


@dataclass(frozen=True)
class Effort:
    """How long to measure: `seconds` of calls per implementation and measurement, in `rounds`."""

    seconds: float = 2.0
    rounds: int = 20
    # Idle threads spin before they sleep, those of ONNX Runtime for 50 ms; a turn waits for that.
    pause: float = 0.06


_Name = TypeVar("_Name", bound=Hashable)


def take_turns(runs: Mapping[_Name, Timed], effort: Effort) -> dict[_Name, float]:
    """The fastest call of each, in seconds."""
    names = list(runs)
    fastest = dict.fromkeys(names, float("inf"))
    slot = effort.seconds / effort.rounds
    collecting = gc.isenabled()
    gc.disable()
    try:
        for turn in range(effort.rounds):
            first = turn % len(names)  # so that none is always after the same one
            for name in names[first:] + names[:first]:
                time.sleep(effort.pause)
                fastest[name] = min(fastest[name], runs[name].fastest(slot))
            gc.collect()
    finally:
        if collecting:
            gc.enable()
    return fastest

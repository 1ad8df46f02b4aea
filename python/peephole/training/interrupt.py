"""Signals, such as Ctrl-C, which must not interrupt between a step and its bookkeeping."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from peephole.training.keep.history import History


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C in `Network.fit`. The network has the weights of the last finished step.

    Attributes:
        history: The `History` of the finished epochs.
    """

    def __init__(self, message: str, history: History) -> None:
        super().__init__(message)
        self.history = history

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.history)


class Interruptions:
    """A context in which Python's signal handlers run only outside of `held` blocks.

    These are the handler of Ctrl-C, which raises KeyboardInterrupt, and those that the program has
    set, for example one for SIGTERM that raises SystemExit. Signals without a Python handler, and
    trainings outside the main thread, are not affected.
    """

    def __init__(self) -> None:
        self._holding = False
        self._pending: list[int] = []
        self._handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}

    def __enter__(self) -> Interruptions:
        if threading.current_thread() is threading.main_thread():
            for number in signal.valid_signals():
                handler = signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._handlers.items():
            if signal.getsignal(number) == self._handle:  # the training may have set another
                signal.signal(number, handler)
        self._deliver()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._holding:
            self._pending.append(number)
        else:
            self._handlers[number](number, frame)

    def _deliver(self) -> None:
        while self._pending:
            number = self._pending.pop(0)
            self._handlers[number](number, None)

    @contextmanager
    def held(self) -> Iterator[None]:
        """A block that no signal interrupts; handlers run after it."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        self._deliver()

"""Calls in processes of their own, so that the threads of one library do not disturb another."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol


class TimedCall(Protocol):
    """A call that can be timed: see bench.timing.Timed."""

    def fastest(self, seconds: float) -> float:
        """See bench.timing.Timed."""


@contextmanager
def process(serve: Callable[..., None], *arguments: Any) -> Iterator[Connection]:
    """A pipe to a new process that runs `serve(pipe, *arguments)`, until the block ends."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    started = context.Process(target=serve, args=(there, *arguments), daemon=True)
    started.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        started.join()


def answer_calls(
    pipe: Connection, answers: Callable[[Any], Any], timed: Mapping[Any, TimedCall]
) -> None:
    """Answers and times the calls of `Remote`, by their keys, until the pipe is closed."""
    while True:
        try:
            key, seconds = pipe.recv()
        except EOFError:
            return
        pipe.send(answers(key) if seconds is None else timed[key].fastest(seconds))


@dataclass
class Remote:
    """One of the calls that another process answers and times by `answer_calls`."""

    pipe: Connection
    key: Any

    def answers(self) -> Any:
        """What the call returns."""
        self.pipe.send((self.key, None))
        return self.pipe.recv()

    def fastest(self, seconds: float) -> float:
        """See bench.timing.Timed."""
        self.pipe.send((self.key, seconds))
        return float(self.pipe.recv())

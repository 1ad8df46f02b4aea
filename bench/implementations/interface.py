"""What the benchmarks ask of an implementation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from bench.problem import Arrays, Problem
from bench.timing import Timed


class Opened(ABC):
    """An implementation with the weights and inputs of one problem, ready to be timed."""

    inference: Timed
    training: Timed | None = None  # None if it only infers

    @abstractmethod
    def answers(self, gradients: bool) -> Arrays:
        """The results of the calls that are timed, named and laid out as in `Problem`.

        y of an inference, or y of a training pass and the gradients of dy · y.
        """

    def close(self) -> None:
        """Frees what a garbage collector would not."""


class Implementation(ABC):
    """An LSTM to measure."""

    name: ClassVar[str]
    model: str  # which of the models of `problem` it computes
    through_python: ClassVar[bool] = True  # whether its times hold the cost of a call from Python

    @abstractmethod
    def version(self) -> str:
        """Its version, for the table's head."""

    @abstractmethod
    def missing(self, dtype: str) -> str | None:
        """Why it cannot be measured here in this dtype; None if it can."""

    @abstractmethod
    def open(self, problem: Problem, threads: int) -> Opened:
        """Prepares it to be checked and timed with this number of threads."""


def not_installed(*modules: str) -> str | None:
    """The reason for `missing` when one of the Python modules is."""
    from importlib.util import find_spec

    absent = [module for module in modules if find_spec(module) is None]
    return f"{' and '.join(absent)} not installed" if absent else None

"""Ours against the peers: every shape, inference and training, by number of threads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

import peephole

from bench.answers import check
from bench.implementations import Implementation, Opened, Ours
from bench.problem import Problem, draw
from bench.progress import say
from bench.reference import Reference
from bench.shapes import Shape
from bench.timing import Effort, take_turns

OURS = Ours.name


@dataclass(frozen=True)
class Measurement:
    """One cell of the table: a shape and mode, with at most so many threads.

    Attributes:
        by_threads: The seconds of each implementation with each number of threads up to that. Some
            peers are slower with more threads, so the best peer is the fastest with any of these
            numbers.
    """

    shape: Shape
    training: bool
    threads: int
    by_threads: Mapping[tuple[str, int], float]

    @property
    def seconds(self) -> dict[str, float]:
        """The seconds of each implementation with exactly this number of threads."""
        of = self.by_threads.items()
        return {name: value for (name, count), value in of if count == self.threads}

    @property
    def best_peer(self) -> tuple[str, int] | None:
        """The fastest of the others, and its number of threads."""
        others = [key for key in self.by_threads if key[0] != OURS]
        return min(others, key=self.by_threads.__getitem__, default=None)

    @property
    def ratio(self) -> float | None:
        """How many times longer the best peer takes than we do."""
        best = self.best_peer
        return None if best is None else self.by_threads[best] / self.seconds[OURS]

    @property
    def flops_per_second(self) -> float:
        """Ours."""
        return self.shape.flops(self.training) / self.seconds[OURS]

    def share_of_peak(self, peak_of_one_core: float) -> float:
        """Our FLOP/s over the peak of as many cores as there are threads."""
        return self.flops_per_second / (peak_of_one_core * self.threads)

    def as_json(self, peak_of_one_core: float) -> dict[str, object]:
        """All fields, in the units that the keys name."""
        best = self.best_peer
        return {
            **asdict_of(self.shape),
            "what": "training" if self.training else "inference",
            "threads": self.threads,
            "milliseconds": {name: 1e3 * value for name, value in self.seconds.items()},
            "best_peer": None if best is None else {"name": best[0], "threads": best[1]},
            "ratio": self.ratio,
            "gflops": self.flops_per_second * 1e-9,
            "share_of_peak": self.share_of_peak(peak_of_one_core),
        }


def asdict_of(shape: Shape) -> dict[str, object]:
    """Its name and sizes."""
    return {"name": shape.name, "T": shape.T, "B": shape.B, "I": shape.I, "H": shape.H}


def comparable(implementations: Sequence[Implementation], shape: Shape) -> list[Implementation]:
    """Those to measure at the shape.

    A single step takes less time than a call from Python, so only implementations that are called
    from Python take part. In C++ the mode `step` compares them.
    """
    single_step = shape.T * shape.B == 1
    return [each for each in implementations if each.through_python or not single_step]


def check_all(
    implementations: Sequence[Implementation],
    shapes: Sequence[Shape],
    threads: Sequence[int],
    dtype: str,
) -> float:
    """Every answer that will be timed; the largest error.

    Raises:
        WrongAnswerError: One is wrong.
    """
    largest = 0.0
    for shape in shapes:
        say(f"answers at {shape.sizes}")
        problem = draw(shape, dtype)
        participants = comparable(implementations, shape)
        models = dict.fromkeys(each.model for each in participants)
        exact = {model: Reference(problem, model).answers(gradients=True) for model in models}
        for count in threads:
            for implementation in participants:
                of = f"{implementation.name} at {shape.sizes}, threads: {count}"
                expected = exact[implementation.model]
                with _opened(implementation, problem, count) as opened:
                    only_y = {"y": expected["y"]}
                    error = check(opened.answers(gradients=False), only_y, dtype, of)
                    largest = max(largest, error)
                    if opened.training is not None:
                        error = check(opened.answers(gradients=True), expected, dtype, of)
                        largest = max(largest, error)
    return largest


def measure(
    implementations: Sequence[Implementation],
    shapes: Sequence[Shape],
    threads: Sequence[int],
    dtype: str,
    effort: Effort,
) -> list[Measurement]:
    """Measures all of them in turns, with each number of threads, for each shape and mode.

    Each shape has a process of its own. Otherwise, memory that allocators keep from a larger shape
    would save the next one the page faults that a program with that layer alone has.
    """
    isa = peephole.build_info()["isa"]
    measurements = []
    for shape in shapes:
        say(f"times at {shape.sizes}")
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            task = (_measure_shape, implementations, shape, threads, dtype, effort, isa)
            measurements += process.submit(*task).result()
    return measurements


def _measure_shape(
    implementations: Sequence[Implementation],
    shape: Shape,
    threads: Sequence[int],
    dtype: str,
    effort: Effort,
    isa: str,
) -> list[Measurement]:
    peephole.set_isa(isa)
    problem = draw(shape, dtype)
    with ExitStack() as stack:
        opened = {
            (each.name, count): stack.enter_context(_opened(each, problem, count))
            for count in threads
            for each in comparable(implementations, shape)
        }
        infer = {key: each.inference for key, each in opened.items()}
        train = {key: each.training for key, each in opened.items() if each.training}
        fastest = {False: take_turns(infer, effort), True: take_turns(train, effort)}
    return [
        Measurement(shape, training, count, {k: v for k, v in seconds.items() if k[1] <= count})
        for count in threads
        for training, seconds in fastest.items()
    ]


@contextmanager
def _opened(implementation: Implementation, problem: Problem, threads: int) -> Iterator[Opened]:
    opened = implementation.open(problem, threads)
    try:
        yield opened
    finally:
        opened.close()

"""The cost of an option of peephole, compared with the cost of its arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import peephole

from bench.answers import check
from bench.implementations import Opened, Ours
from bench.peers import asdict_of
from bench.problem import DENSE, NOTE, Array, Problem, draw
from bench.progress import say
from bench.reference import Reference
from bench.shapes import Shape
from bench.tables import markdown, significant, threads
from bench.timing import Effort, take_turns


@dataclass(frozen=True)
class Comparison:
    """A layer and a variant of it on the same shapes.

    Attributes:
        variant: Opens the variant of a problem, and checks its answers.
        expected: The ratio of the variant's arithmetic to the layer's, by shape.
        modes: In which the two differ.
    """

    name: str
    title: str
    shapes: tuple[str, ...]
    variant: Callable[[Problem, int], Opened]
    expected: Callable[[Shape], float]
    modes: tuple[str, ...] = ("inference", "training")


def _checked(ours: Ours, problem: Problem, count: int, what: str, model: str = NOTE) -> Opened:
    """The opened implementation, after its gradients have been compared with the reference's."""
    opened = ours.open(problem, count)
    expected = Reference(problem, model).answers(gradients=True)
    check(opened.answers(gradients=True), expected, problem.dtype, what)
    return opened


def _dense(problem: Problem, count: int) -> Opened:
    return _checked(Ours(DENSE), problem, count, "dense peepholes", DENSE)


def _lengths(shape: Shape) -> Array:
    """(B,) spread evenly over 1..T, in random order; their mean is T/2."""
    lengths = np.round((np.arange(shape.B) + 0.5) * shape.T / shape.B).astype(np.int64)
    return np.random.default_rng(20).permutation(np.maximum(lengths, 1))


def _ragged(problem: Problem, count: int) -> Opened:
    lengths = _lengths(problem.shape)
    opened = Ours(NOTE, lengths=lengths).open(problem, count)
    # Steps beyond a sequence's end do not count: their y and its gradient are 0.
    real = (np.arange(problem.shape.T) < lengths[:, np.newaxis])[..., np.newaxis]
    expected = Reference(replace(problem, dy=problem.dy * real), NOTE).answers(gradients=True)
    expected["y"] = expected["y"] * real
    check(opened.answers(gradients=True), expected, problem.dtype, "a ragged batch")
    check(opened.answers(gradients=False), {"y": expected["y"]}, problem.dtype, "a ragged batch")
    return opened


def _last_step(problem: Problem, count: int) -> Opened:
    """Only the last step has a gradient, which decays through subnormal numbers."""
    dy = np.zeros_like(problem.dy)
    dy[:, -1] = problem.dy[:, -1]
    return _checked(Ours(NOTE), replace(problem, dy=dy), count, "a gradient of the last step")


def _recompute(problem: Problem, count: int) -> Opened:
    return _checked(Ours(NOTE, recompute=True), problem, count, "gates computed again")


def _noise(options: dict[str, float]) -> Callable[[Problem, int], Opened]:
    """Opens a layer with noise; its answers are those of the reference path."""

    def open_variant(problem: Problem, count: int) -> Opened:
        opened = Ours(NOTE, noise=options).open(problem, count)
        chosen = peephole.build_info()["isa"]
        for gradients in (False, True):
            actual = opened.answers(gradients=gradients)
            peephole.set_isa("reference")
            try:
                expected = Ours(NOTE, noise=options).open(problem, count).answers(gradients)
            finally:
                peephole.set_isa(chosen)
            check(actual, expected, problem.dtype, ", ".join(options))
        return opened

    return open_variant


COMPARISONS = {
    each.name: each
    for each in (
        Comparison(
            "dense",
            "Dense peepholes, compared with diagonal ones",
            ("series-20", "sequence-128", "batch-128", "batch-256", "batch-512"),
            _dense,
            lambda shape: (shape.I + 2 * shape.H) / (shape.I + shape.H),
        ),
        Comparison(
            "ragged",
            "A ragged batch of mean length T/2, compared with a full one",
            ("batch-128", "year-64", "batch-256", "batch-512"),
            _ragged,
            lambda shape: float(_lengths(shape).sum()) / (shape.B * shape.T),
        ),
        Comparison(
            "last-step",
            "The gradient of the last step alone, compared with one of every step",
            ("series-20", "sequence-128", "year-64"),
            _last_step,
            lambda _: 1.0,
            ("training",),
        ),
        Comparison(
            "recompute",
            "Gates and cell states recomputed in backward, compared with kept ones",
            ("sequence-128", "batch-128", "year-64", "batch-256"),
            _recompute,
            # Forward, and twice that in backward; forward again.
            lambda _: 4 / 3,
            ("training",),
        ),
        Comparison(
            "zoneout",
            "Zoneout 0.1, compared with none",
            ("sequence-128", "batch-128", "year-64"),
            _noise({"zoneout": 0.1}),
            lambda _: 1.0,
        ),
        Comparison(
            "recurrent-dropout",
            "Recurrent dropout 0.2, compared with none",
            ("sequence-128", "batch-128", "year-64"),
            _noise({"recurrent_dropout": 0.2}),
            lambda _: 1.0,
            ("training",),
        ),
    )
}


def measure(
    comparison: Comparison,
    shapes: Sequence[Shape],
    counts: Sequence[int],
    dtype: str,
    effort: Effort,
) -> list[dict[str, Any]]:
    """A record for each shape, mode and number of threads."""
    records = []
    for shape in shapes:
        problem = draw(shape, dtype)
        for count in counts:
            say(f"{comparison.name} at {shape.sizes}, {threads(count)}")
            layer = Ours(NOTE).open(problem, count)
            variant = comparison.variant(problem, count)
            for mode in comparison.modes:
                pair = {"layer": getattr(layer, mode), "variant": getattr(variant, mode)}
                seconds = take_turns(pair, effort)
                ratio, expected = seconds["variant"] / seconds["layer"], comparison.expected(shape)
                record = {
                    **asdict_of(shape),
                    "what": mode,
                    "threads": count,
                    "milliseconds": {name: 1e3 * value for name, value in seconds.items()},
                    "ratio": ratio,
                    "arithmetic": expected,
                    "beyond_arithmetic": ratio / expected - 1,
                }
                records.append(record)
    return records


def table(records: Sequence[dict[str, Any]]) -> str:
    """The records, a row each."""
    rows = []
    for record in records:
        sizes = ",".join(str(record[name]) for name in "TBIH")
        mode = f"{record['what']}, {threads(record['threads'])}"
        times = [significant(value) for value in record["milliseconds"].values()]
        ratios = [f"{record['ratio']:.2f}", f"{record['arithmetic']:.2f}"]
        rows.append([sizes, mode, *times, *ratios, f"{record['beyond_arithmetic']:+.0%}"])
    head = ["T,B,I,H", "", "layer, ms", "variant, ms", "ratio", "by arithmetic", "beyond it"]
    return markdown(head, rows)

"""The overhead of a call: single steps and short chunks through Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.implementations import Implementation, Ours
from bench.peers import check_all, comparable
from bench.problem import draw
from bench.progress import say
from bench.shapes import Shape
from bench.tables import markdown, significant
from bench.timing import Call, Effort, Timed, take_turns

STEP = Shape("step", 1, 1, 16, 32)
STEPS = 1000
CHUNKS = (1, 10, 100, STEPS)


def measure(
    implementations: Sequence[Implementation], dtype: str, effort: Effort
) -> list[dict[str, Any]]:
    """One-step calls of ours and the peers, then a sequence of STEPS steps in chunks; 1 thread."""
    implementations = comparable(implementations, STEP)
    check_all(implementations, [STEP], [1], dtype)
    say("single calls")
    problem = draw(STEP, dtype)
    opened = {each.name: each.open(problem, 1) for each in implementations}
    runs: dict[str, Timed] = {f"{n}: one step": each.inference for n, each in opened.items()}
    runs |= {f"{n}: one training step": o.training for n, o in opened.items() if o.training}

    lstm = Ours().open(problem, 1).lstm
    y, state = lstm(problem.x)
    runs["peephole: one step, with state"] = Call(lambda: lstm(problem.x, state))
    runs["peephole: one step, with state and out"] = Call(lambda: lstm(problem.x, state, out=y))
    records = _records(take_turns(runs, effort), steps=1)

    sequence = draw(STEP._replace(T=STEPS), dtype).x
    chunks: dict[str, Timed] = {
        f"peephole: {STEPS} steps in chunks of {size}": Call(_in_chunks(lstm, sequence, size))
        for size in CHUNKS
    }
    records += _records(take_turns(chunks, effort), steps=STEPS)
    for each in opened.values():
        each.close()
    return records


def _in_chunks(lstm: Callable[..., object], x: np.ndarray, size: int) -> Callable[[], None]:
    chunks = [x[:, start : start + size] for start in range(0, x.shape[1], size)]

    def run() -> None:
        state = None
        for chunk in chunks:
            _, state = lstm(chunk, state)

    return run


def _records(seconds: dict[str, float], steps: int) -> list[dict[str, Any]]:
    return [
        {"call": name, "steps": steps, "microseconds_per_step": 1e6 * value / steps}
        for name, value in seconds.items()
    ]


def table(records: Sequence[dict[str, Any]]) -> str:
    """The records, a row each."""
    rows = [[r["call"], significant(r["microseconds_per_step"])] for r in records]
    return markdown([f"I = {STEP.I}, H = {STEP.H}", "µs a step"], rows)

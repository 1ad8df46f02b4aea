"""A pool of sessions beside a full batch and single streams, in C++ and through Python."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import peephole

from bench.answers import WrongAnswerError
from bench.build import BuildError, program
from bench.progress import say
from bench.tables import markdown
from bench.timing import Call, Effort, Timed, take_turns

INPUTS, SIZES = 16, (64, 128, 256)
CALLED, OPEN = 1000, 2000  # sessions of a call, and of the pool


def measure(effort: Effort, isa: str | None) -> list[dict[str, Any]]:
    """A record for each size: microseconds a session, float32, one thread.

    Raises:
        WrongAnswerError: The pool's answers are not those of the streams.
    """
    records = []
    for size in SIZES:
        record: dict[str, Any] = {"I": INPUTS, "H": size}
        record |= _in_cpp(size, effort, isa) | _in_python(size, effort)
        records.append(record)
    return records


def _in_cpp(size: int, effort: Effort, isa: str | None) -> dict[str, Any]:
    say("sessions in C++: building")
    try:
        command = [str(program("step", "peephole_bench_step")), "--sessions", "--json"]
    except BuildError as error:
        say(f"bench/step: {error}")
        return {}
    environment = dict(os.environ)
    if isa is not None:
        environment["PEEPHOLE_ISA"] = isa
    say(f"sessions in C++, H = {size}")
    command += ["--seconds", str(effort.seconds), f"{INPUTS},{size}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise WrongAnswerError(done.stderr.strip())
    return dict(json.loads(done.stdout))


def _in_python(size: int, effort: Effort) -> dict[str, Any]:
    say(f"sessions through Python, H = {size}")
    model = peephole.Network(INPUTS, size, 1, seed=1)
    pool = model.sessions(OPEN)
    ids = np.array([pool.open() for _ in range(OPEN)])
    streams = [model.stream() for _ in range(OPEN)]
    rng = np.random.default_rng(1)
    x = rng.standard_normal((CALLED, INPUTS)).astype(np.float32)

    def chosen() -> np.ndarray:
        return rng.permutation(OPEN)[:CALLED]

    def loop(which: Sequence[int]) -> list[np.ndarray]:
        return [streams[n].step(row) for n, row in zip(which, x, strict=True)]

    for _ in range(3):
        which = chosen()
        if not np.array_equal(pool.step(ids[which], x), np.stack(loop(which.tolist()))):
            raise WrongAnswerError(f"sessions, H = {size}: other answers than the streams'")
    runs: dict[str, Timed] = {
        "python_pool": _call(chosen, lambda which: pool.step(ids[which], x)),
        "python_loop": _call(chosen, lambda which: loop(which.tolist())),
    }
    seconds = take_turns(runs, effort)
    return {name: 1e6 * value / CALLED for name, value in seconds.items()}


def _call(chosen: Callable[[], np.ndarray], run: Callable[[np.ndarray], object]) -> Call:
    """A call over sessions that are drawn ahead of it, untimed."""
    drawn = [chosen()]

    def before() -> None:
        drawn[0] = chosen()

    return Call(lambda: run(drawn[0]), before=before)


_COLUMNS = ("pool", "batch", "loop", "python_pool", "python_loop")


def table(records: Sequence[dict[str, Any]]) -> str:
    """The records, a row each."""
    rows = []
    for r in records:
        times = [f"{r[name]:.3f}" if name in r else "–" for name in _COLUMNS]
        ratios = ["–", "–"]
        if "pool" in r:
            ratios = [f"{r['batch'] / r['pool']:.2f}", f"{r['loop'] / r['pool']:.2f}"]
        ratios.append(f"{r['python_loop'] / r['python_pool']:.2f}")
        rows.append([f"{r['I']},{r['H']}", *times, *ratios])
    names = ["pool", "full batch", "loop", "pool, Python", "loop, Python"]
    ratios = ["batch / pool", "loop / pool", "loop / pool, Python"]
    return markdown(["I,H", *names, *ratios], rows)

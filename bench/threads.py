"""peephole while others use the cores: right after calls of PyTorch, and with busy processes.

After each of its loops, the threads of PyTorch's OpenMP library spin for some milliseconds on the
cores that ours want; an executor makes ours run on them instead. Times are medians, since the
minimum would be of calls that nothing disturbed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import peephole
from peephole import executor

from bench.implementations import Ours
from bench.implementations.interface import Opened, not_installed
from bench.implementations.torch import Torch
from bench.peers import check_all
from bench.problem import draw
from bench.progress import say
from bench.shapes import Shape
from bench.tables import markdown, significant, threads
from bench.timing import Effort

SHAPES = ("365,64,5,64", "50,64,256,256", "200,1,256,512")
BUSY = (1, 2)  # processes

ALONE, ALONE_OPENMP = "alone", "alone, executor"
AFTER_TORCH, AFTER_TORCH_OPENMP = "after torch", "after torch, executor"


def measure(
    shapes: Sequence[Shape], counts: Sequence[int], dtype: str, effort: Effort
) -> list[dict[str, Any]]:
    """A record for each shape, number of threads and mode: the median seconds of each situation."""
    check_all([Ours()], shapes, counts, dtype)
    torch = None if not_installed("torch") else Torch()
    records = []
    for shape in shapes:
        for count in counts:
            say(f"beside others: {shape.sizes}, {threads(count)}")
            problem = draw(shape, dtype)
            ours = Ours(same_weights=True).open(problem, count)
            peer = torch.open(problem, count) if torch else None
            for what in ("inference", "training"):
                seconds = _beside_torch(ours, peer, what, effort)
                for busy in BUSY:
                    with _busy_processes(busy):
                        name = f"{busy} busy"
                        seconds[name] = _median(_call(ours, what), effort.seconds, ours.turn)
                records.append(_record(shape, count, what, seconds))
    peephole.set_executor("own")
    return records


def _record(shape: Shape, count: int, what: str, seconds: dict[str, float]) -> dict[str, Any]:
    return {
        "shape": shape.sizes,
        "threads": count,
        "what": what,
        "milliseconds": {name: 1e3 * value for name, value in seconds.items()},
    }


def _call(opened: Any, what: str) -> Callable[[], object]:
    call: Callable[[], object] = opened.infer if what == "inference" else opened.train
    return call


def _beside_torch(ours: Any, peer: Opened | None, what: str, effort: Effort) -> dict[str, float]:
    """Situations take turns, so that changes in the speed of the machine affect all of them."""
    call = _call(ours, what)
    before = _call(peer, "inference") if peer else None
    situations: dict[str, tuple[str, Callable[[], object] | None]] = {ALONE: ("own", None)}
    if before is not None:
        situations |= {AFTER_TORCH: ("own", before)}
        if _has_openmp():
            situations |= {
                ALONE_OPENMP: ("openmp", None),
                AFTER_TORCH_OPENMP: ("openmp", before),
            }
    times: dict[str, list[float]] = {name: [] for name in situations}
    ours.turn()
    if peer is not None:
        peer.inference.turn()  # type: ignore[attr-defined]
    for _ in range(effort.rounds):
        for name, (threads_of, first) in situations.items():
            time.sleep(effort.pause)  # the threads of the situation before stop spinning
            with executor(threads_of):  # type: ignore[arg-type]
                call()  # also starts threads that sleep
                times[name] += _timed(call, effort.seconds / effort.rounds, first)
    return {name: statistics.median(values) for name, values in times.items()}


def _timed(
    call: Callable[[], object], seconds: float, before: Callable[[], object] | None
) -> list[float]:
    clock = time.perf_counter
    times: list[float] = []
    deadline = clock() + seconds
    while not times or clock() < deadline:
        if before is not None:
            before()
        start = clock()
        call()
        times.append(clock() - start)
    return times


def _median(call: Callable[[], object], seconds: float, turn: Callable[[], object]) -> float:
    turn()
    call()
    return statistics.median(_timed(call, seconds, None))


def _has_openmp() -> bool:
    try:
        with executor("openmp"):
            return True
    except RuntimeError:
        return False


@contextmanager
def _busy_processes(count: int) -> Iterator[None]:
    """Processes that compute endlessly, each on one core."""
    program = "print(flush=True)\nwhile True: pass"
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        yield
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def table(records: Sequence[dict[str, Any]]) -> str:
    """The records, a row each: ms alone, and of the other situations how many times that."""
    names = [name for name in records[0]["milliseconds"] if name != ALONE]
    rows = []
    for record in records:
        times = record["milliseconds"]
        rows.append(
            [
                record["shape"],
                f"{record['what']}, {threads(record['threads'])}",
                significant(times[ALONE]),
                *(f"{times[name] / times[ALONE]:.2f}" for name in names),
            ]
        )
    return markdown(["T,B,I,H", "", "alone, ms", *names], rows)

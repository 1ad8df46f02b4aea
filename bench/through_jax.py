"""peephole.jax compared with peephole.LSTM, which it calls, and with a scan of JAX operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.implementations import Ours
from bench.implementations.jax import JaxScan, ThroughJax
from bench.peers import OURS, check_all
from bench.problem import draw
from bench.progress import say
from bench.shapes import Shape
from bench.tables import markdown, significant, threads
from bench.timing import Effort, take_turns

SHAPES = ("500,1,1,20", "365,64,5,64")


def measure(
    shapes: Sequence[Shape], counts: Sequence[int], dtype: str, effort: Effort
) -> list[dict[str, Any]]:
    """A record for each shape, number of threads and mode, with the fastest calls in seconds."""
    implementations = [Ours(), ThroughJax(), JaxScan()]
    check_all(implementations, shapes, counts, dtype)
    records = []
    for shape in shapes:
        problem = draw(shape, dtype)
        for count in counts:
            say(f"through JAX: {shape.sizes}, {threads(count)}")
            opened = {each.name: each.open(problem, count) for each in implementations}
            for what in ("inference", "training"):
                seconds = take_turns({n: getattr(o, what) for n, o in opened.items()}, effort)
                milliseconds = {name: 1e3 * value for name, value in seconds.items()}
                records.append(
                    {
                        "shape": shape.sizes,
                        "threads": count,
                        "what": what,
                        "milliseconds": milliseconds,
                    }
                )
    return records


def table(records: Sequence[dict[str, Any]]) -> str:
    """The records, a row each."""
    rows = []
    for record in records:
        times = record["milliseconds"]
        ours, through, scan = (times[n] for n in (OURS, ThroughJax.name, JaxScan.name))
        rows.append(
            [
                record["shape"],
                f"{record['what']}, {threads(record['threads'])}",
                *(significant(value) for value in (ours, through, scan)),
                f"{1e3 * (through - ours):.0f}",
                f"{through / ours:.2f}",
                f"{scan / through:.2f}",
            ]
        )
    head = ["T,B,I,H", "ms", OURS, ThroughJax.name, JaxScan.name]
    return markdown([*head, "overhead, µs", "over ours", "scan over it"], rows)

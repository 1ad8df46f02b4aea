"""How the cost grows with T and with B: the exponent of a power law through the times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.implementations import Ours
from bench.peers import check_all
from bench.problem import draw
from bench.progress import say
from bench.shapes import Shape
from bench.tables import markdown, significant, threads
from bench.timing import Effort, take_turns

LENGTHS = (100, 300, 1000, 3000, 10000)
BATCHES = (32, 64, 128, 256, 512)

# What grows, and the shapes; all sizes of a row take turns with each other.
SERIES = {
    "T": [Shape(f"T={T}", T, 8, 64, 64) for T in LENGTHS],
    "B": [Shape(f"B={B}", 20, B, 64, 64) for B in BATCHES],
}


def exponent(seconds: Mapping[int, float]) -> float:
    """E of seconds ~ size^e, by least squares over the logarithms."""
    slope, _ = np.polyfit(np.log(list(seconds)), np.log(list(seconds.values())), 1)
    return float(slope)


def measure(
    series: Mapping[str, Sequence[Shape]], counts: Sequence[int], dtype: str, effort: Effort
) -> list[dict[str, Any]]:
    """A record for what grows, mode and number of threads."""
    check_all([Ours()], [shapes[0] for shapes in series.values()], counts, dtype)
    records = []
    for grows, shapes in series.items():
        for count in counts:
            say(f"growth with {grows}, {threads(count)}")
            opened = {
                getattr(shape, grows): Ours().open(draw(shape, dtype), count) for shape in shapes
            }
            for mode in ("inference", "training"):
                runs = {str(size): getattr(each, mode) for size, each in opened.items()}
                seconds = {int(k): v for k, v in take_turns(runs, effort).items()}
                record = {
                    "grows": grows,
                    "what": mode,
                    "threads": count,
                    "milliseconds": {size: 1e3 * value for size, value in seconds.items()},
                    "exponent": exponent(seconds),
                }
                records.append(record)
    return records


def table(records: Sequence[dict[str, Any]]) -> str:
    """The records, a row each."""
    rows = []
    for record in records:
        times = record["milliseconds"].items()
        rows.append(
            [
                record["grows"],
                f"{record['what']}, {threads(record['threads'])}",
                ", ".join(f"{size}: {significant(value)}" for size, value in times),
                f"{record['exponent']:.3f}",
            ]
        )
    return markdown(["grows", "", "size: ms", "exponent"], rows)

"""Single steps of quantized models by `peephole::Stream`, in C++: bench/step with --format."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from bench.build import program
from bench.progress import say
from bench.quantized.engines import FORMATS
from bench.tables import markdown, significant
from bench.timing import Effort

SIZES = ("64,64", "128,128", "256,256")  # I,H
ROUNDS = 5  # in which the formats take turns


def measure(effort: Effort, isa: str | None, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """A record for each size: the nanoseconds of a step of each format, float32 first.

    Raises:
        BuildError: The program cannot be built here.
        RuntimeError: It found a wrong answer.
    """
    say("streams in C++: building")
    command = [str(program("step", "peephole_bench_step")), "--streams", "--json"]
    command += ["--seconds", str(effort.seconds / rounds)]
    environment = dict(os.environ)
    if isa is not None:
        environment["PEEPHOLE_ISA"] = isa
    nanoseconds: dict[str, dict[str, float]] = {size: {} for size in SIZES}
    for _ in range(rounds):
        for format in ("float32", *FORMATS):
            say(f"streams in C++: {format}")
            chosen = [] if format == "float32" else ["--format", format]
            done = subprocess.run(
                [*command, *chosen, *SIZES], env=environment, capture_output=True, text=True
            )
            if done.returncode != 0:
                raise RuntimeError(f"bench/step: {done.stderr.strip()}")
            for line in done.stdout.splitlines():
                record = json.loads(line)
                of_size = nanoseconds[f"{record['I']},{record['H']}"]
                of_size[format] = min(record["step"], of_size.get(format, record["step"]))
    return [
        {
            "size": size,
            "nanoseconds": times,
            "ratios": {format: times["float32"] / times[format] for format in FORMATS},
        }
        for size, times in nanoseconds.items()
    ]


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """The records, a row each."""
    rows = [
        [
            record["size"],
            *(significant(value) for value in record["nanoseconds"].values()),
            *(f"{value:.2f}" for value in record["ratios"].values()),
        ]
        for record in records
    ]
    names = ["float32", *FORMATS]
    head = [f"{name}, ns" for name in names] + [f"float32 / {name}" for name in FORMATS]
    return markdown(["step of a stream, I,H", *head], rows)

"""Single steps in C++: builds and runs bench/step."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Any

from bench.build import program
from bench.progress import say
from bench.tables import markdown
from bench.timing import Effort


def measure(
    effort: Effort, isa: str | None, same_weights: bool, sizes: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """A record for each size and mode, as the program prints them.

    Raises:
        BuildError: It cannot be built here.
        RuntimeError: It found a wrong answer.
    """
    say("single steps in C++: building")
    command = [str(program("step", "peephole_bench_step")), "--json"]
    command += ["--seconds", str(effort.seconds), "--rounds", str(effort.rounds), *sizes]
    if same_weights:
        command.append("--same-weights")
    environment = dict(os.environ)
    if isa is not None:
        environment["PEEPHOLE_ISA"] = isa
    say("single steps in C++")
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"bench/step: {done.stderr.strip()}")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    for record in records:
        times = record["nanoseconds"]
        peers = [value for name, value in times.items() if name != "peephole"]
        record["ratio"] = min(peers) / times["peephole"] if peers else None
    return records


def table(records: Sequence[dict[str, Any]]) -> str:
    """The records, a row each."""
    names = list(dict.fromkeys(n for record in records for n in record["nanoseconds"]))
    names.sort(key=lambda name: name != "peephole")
    rows = [
        [
            f"1,1,{r['I']},{r['H']}",
            r["what"],
            *(f"{r['nanoseconds'][n]:.0f}" if n in r["nanoseconds"] else "–" for n in names),
            "–" if r["ratio"] is None else f"{r['ratio']:.2f}",
        ]
        for r in records
    ]
    return markdown(["T,B,I,H", "ns", *names, "ratio"], rows)

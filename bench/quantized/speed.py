"""Times of quantized models beside other engines in reduced precision, and the errors of all.

Each engine has a process of its own, and all take turns. Answers come first: y of every engine is
compared with float64 of its own model, with the weights in float32 that it rounds. x in bfloat16 is
converted ahead; what the other engines round at run time is timed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import peephole

from bench.answers import WrongAnswerError
from bench.problem import Array, draw
from bench.progress import say
from bench.quantized.engines import ENGINES, OURS, PEERS, left_out
from bench.quantized.exact import relative_rms
from bench.reference import Reference
from bench.remote import Remote, answer_calls, process
from bench.shapes import Shape
from bench.tables import markdown, significant, threads
from bench.timing import Effort, take_turns

SHAPES = (
    "500,1,12,50",
    "500,1,64,128",
    "200,1,256,512",
    "100,32,64,128",
    "50,64,256,256",
    "50,64,512,512",
    "40,1,1024,1024",
)

# RMS error over RMS of y, with weights as models begin with. Ours are promised; of other engines
# a larger one means that they do not compute the model.
LARGEST_ERROR = {
    "float32": 1e-5,
    "int16": 5e-4,
    "int8": 1e-2,
    "int8_fast": 3e-2,
    "ORT float32": 1e-5,
}
LARGEST_ERROR_OF_OTHERS = 0.1

# {name: (engines, ours)}: the time of the fastest of them over ours.
RATIOS = {
    "int8 of others / int8_fast": (("ORT int8", "torch int8", "LiteRT int8"), "int8_fast"),
    "int8 of others / int8": (("ORT int8", "torch int8", "LiteRT int8"), "int8"),
    "torch bf16 / int16": (("torch bf16",), "int16"),
    "float32 / int16": (("float32",), "int16"),
    "float32 / int8": (("float32",), "int8"),
    "float32 / int8_fast": (("float32",), "int8_fast"),
}


def available(peers: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The engines to measure, and for each that is missing the reason.

    Args:
        peers: Names of `bench.implementations.PEERS`; without any, only ours are measured.
    """
    names, missing = list(OURS), {}
    for name, engine in PEERS.items():
        if engine.name in peers or (peers and name == "LiteRT int8"):
            reason = engine.missing("float32")
            if reason is None:
                names.append(name)
            else:
                missing[name] = reason
    return names, missing


def _serve(pipe: Connection, name: str, shape: Shape, counts: Sequence[int], isa: str) -> None:
    """The calls of one engine with each number of threads, in its process."""
    peephole.set_isa(isa)
    problem = draw(shape, "float32")
    opened = {count: ENGINES[name].open(problem, count) for count in counts}
    answer_calls(
        pipe,
        lambda count: np.asarray(opened[count].answers(gradients=False)["y"]),
        {count: each.inference for count, each in opened.items()},
    )


def measure(
    shapes: Sequence[Shape], counts: Sequence[int], names: Sequence[str], effort: Effort
) -> list[dict[str, Any]]:
    """A record for each shape and number of threads.

    Raises:
        WrongAnswerError: The error of an engine is too large.
    """
    isa = peephole.build_info()["isa"]
    records = []
    for shape in shapes:
        say(f"quantized: {shape.sizes}")
        with ExitStack() as processes:
            runs: dict[tuple[str, int], Remote] = {}
            for name in names:
                if not left_out(name, shape):
                    pipe = processes.enter_context(process(_serve, name, shape, counts, isa))
                    runs |= {(name, count): Remote(pipe, count) for count in counts}
            errors = _errors(runs, shape)
            seconds = take_turns(runs, effort)
        records += [
            {
                "shape": shape.sizes,
                "threads": count,
                "milliseconds": {n: 1e3 * s for (n, c), s in seconds.items() if c == count},
                "errors": errors,
                "ratios": ratios({k: s for k, s in seconds.items() if k[1] <= count}, count),
            }
            for count in counts
        ]
    return records


def ratios(seconds: Mapping[tuple[str, int], float], count: int) -> dict[str, float]:
    """RATIOS of what was measured. Others count with their fastest number of threads."""
    found = {}
    for ratio, (engines, ours) in RATIOS.items():
        times = [s for (name, _), s in seconds.items() if name in engines]
        if times:
            found[ratio] = min(times) / seconds[ours, count]
    return found


def _errors(runs: Mapping[tuple[str, int], Remote], shape: Shape) -> dict[str, float]:
    """RMS error over RMS of y of each engine."""
    problem = draw(shape, "float32")
    exact: dict[str, Array] = {}
    errors: dict[str, float] = {}
    for (name, count), run in runs.items():
        model = ENGINES[name].model
        if model not in exact:
            exact[model] = Reference(problem, model).answers(gradients=False)["y"]
        error = relative_rms(run.answers(), exact[model])
        allowed = LARGEST_ERROR.get(name, LARGEST_ERROR_OF_OTHERS)
        if not error <= allowed:  # NaN is wrong too
            raise WrongAnswerError(
                f"{name} at {shape.sizes}, threads: {count}: RMS error / RMS of y is {error:.1e}, "
                f"allowed {allowed:.0e}"
            )
        errors[name] = max(error, errors.get(name, 0.0))
    return errors


def table(records: Sequence[Mapping[str, Any]], missing: Mapping[str, str]) -> str:
    """Times with errors, then ratios."""
    names = list(dict.fromkeys(name for record in records for name in record["milliseconds"]))

    def cell(record: Mapping[str, Any], name: str) -> str:
        if name not in record["milliseconds"]:
            return "–"
        return f"{significant(record['milliseconds'][name])} ({record['errors'][name]:.1e})"

    times = [
        [r["shape"], threads(r["threads"]), *(cell(r, name) for name in names)] for r in records
    ]
    kinds = list(dict.fromkeys(kind for record in records for kind in record["ratios"]))
    compared = [
        [
            r["shape"],
            threads(r["threads"]),
            *(f"{r['ratios'][k]:.2f}" if k in r["ratios"] else "–" for k in kinds),
        ]
        for r in records
    ]
    parts = [
        markdown(["T,B,I,H", "ms (RMS error / RMS of y)", *names], times),
        markdown(["T,B,I,H", "times others / ours", *kinds], compared),
        *(f"without {name}: {reason}" for name, reason in missing.items()),
    ]
    return "\n\n".join(parts)

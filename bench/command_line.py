"""The command: `python -m bench --help`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import peephole

from bench import (
    calls,
    cells,
    comparisons,
    fit,
    head,
    linearity,
    machine,
    peak,
    peers,
    plot,
    sessions,
    step_program,
    summary,
    through_jax,
    through_torch,
)
from bench import threads as beside_others
from bench.answers import WrongAnswerError
from bench.bits import command as bits
from bench.build import BuildError
from bench.implementations import PEERS, Implementation, Ours
from bench.implementations.interface import not_installed
from bench.progress import done, say
from bench.quantized import modes as quantized
from bench.serving import measure as serving
from bench.shapes import Shape, select
from bench.timing import Effort

MODES = (
    "peers",
    *comparisons.COMPARISONS,
    "linearity",
    "head",
    "calls",
    "fit",
    "step",
    "threads",
    "torch",
    "jax",
    "cells",
    "sessions",
    "serving",
    *quantized.MODES,
)

# What --quick measures: enough to see that everything runs, too little for reliable times.
QUICK = Effort(seconds=0.02, rounds=2, pause=0)
QUICK_FLOPS = 5e8


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what the arguments ask for; the exit code: 1 for a wrong answer."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["bits"]:
        return bits.main(arguments[1:])
    parser = _parser()
    options = parser.parse_intermixed_args(arguments)
    if options.modes == ["all"]:
        options.modes = list(MODES)
    if unknown := set(options.modes) - set(MODES):
        parser.error(f"mode: expected some of {', '.join(MODES)}, or all; got {unknown.pop()}")
    try:
        if options.isa is not None:
            peephole.set_isa(options.isa)
        run = Run(options)
    except ValueError as error:
        parser.error(str(error))
    try:
        results = run.all()
    except WrongAnswerError as error:
        done()
        print(f"wrong answer: {error}", file=sys.stderr)
        return 1
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1, default=str) + "\n", encoding="utf-8")
    if options.plot is not None:
        plot.save(run.measured, options.plot, run.subtitle())
    return 0


class Run:
    """One run: its options, what is installed, and what has been measured."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.effort = QUICK if options.quick else Effort(options.seconds, options.rounds)
        self.threads: list[int] = options.threads or [1, 2][: machine.cores()]
        self.shapes = select(options.shapes)
        self.ours = Ours(same_weights=options.same_weights)
        self.peers: list[Implementation] = []
        self.missing: dict[str, str] = {}
        for name in options.peers:
            peer = PEERS[name]()
            reason = peer.missing(options.dtype)
            if reason is None:
                self.peers.append(peer)
            else:
                self.missing[name] = reason
        self.measured: list[peers.Measurement] = []
        self._check_plot()

    def _check_plot(self) -> None:
        """Raises errors before the measurements, which take minutes."""
        if self.options.plot is None:
            return
        if not self.peers or "peers" not in (self.options.modes or ["peers"]):
            raise ValueError("--plot draws ratios to peers: measure some, in the mode peers")
        if reason := not_installed("matplotlib"):
            raise ValueError(f"--plot: {reason}")

    def all(self) -> dict[str, Any]:
        """Prints each table as it is ready; returns everything, for JSON."""
        implementations = [self.ours, *self.peers]
        results: dict[str, Any] = {
            "machine": machine.describe(implementations),
            "missing": self.missing,
            "options": {
                k: str(v) if isinstance(v, Path) else v for k, v in vars(self.options).items()
            },
        }
        self._head(results["machine"])
        for mode in dict.fromkeys(self.options.modes or ["peers"]):
            results[mode] = self._peers() if mode == "peers" else self._mode(mode)
            done()
        return results

    def _head(self, described: dict[str, Any]) -> None:
        versions = ", ".join(f"{name} {v}" for name, v in described["versions"].items())
        print(f"{described['processor']}, {described['cores']} cores; {versions}")
        print(f"build: {described['build']}")
        for name, reason in self.missing.items():
            print(f"without {name}: {reason}")

    def _peers(self) -> dict[str, Any]:
        options = self.options
        shapes = self._small(self.shapes)
        implementations = [self.ours, *self.peers]
        error = peers.check_all(implementations, shapes, self.threads, options.dtype)
        libraries = [each.name for each in self.peers]
        say("the peak of one core")
        peaks = [peak.measure(options.dtype, libraries, options.isa)]
        measured = peers.measure(implementations, shapes, self.threads, options.dtype, self.effort)
        # Measured again, since the machine may have been slower before.
        if not options.quick:
            peaks.append(peak.measure(options.dtype, libraries, options.isa))
        done()
        of_one_core = max(peaks)
        self._title("Time of the fastest peer over ours (our time, our share of the peak)")
        print(summary.of_ratios(measured, of_one_core))
        self._title("Fastest calls")
        print(summary.of_times(measured))
        found = " and ".join(f"{value * 1e-9:.0f}" for value in peaks)
        print(
            f"\n{options.dtype}; the fastest peer may use fewer threads than its column allows; "
            f"peak of one core: {found} GFLOP/s; answers within {error:.0e} of float64"
        )
        self.measured = measured
        return {
            "peak_gflops_of_one_core": [value * 1e-9 for value in peaks],
            "largest_error": error,
            "measurements": [one.as_json(of_one_core) for one in measured],
        }

    def _mode(self, mode: str) -> list[dict[str, Any]]:
        dtype = self.options.dtype
        if mode in comparisons.COMPARISONS:
            comparison = comparisons.COMPARISONS[mode]
            named = self.options.shapes
            shapes = self.shapes if named else self._small(select(comparison.shapes))
            records = comparisons.measure(comparison, shapes, self.threads, dtype, self.effort)
            title, table = comparison.title, comparisons.table(records)
        elif mode == "linearity":
            series = {
                grows: shapes[:3] if self.options.quick else shapes
                for grows, shapes in linearity.SERIES.items()
            }
            records = linearity.measure(series, self.threads, dtype, self.effort)
            title, table = "Growth of the cost", linearity.table(records)
        elif mode == "head":
            records = head.measure(self.threads, dtype, self.effort)
            title, table = f"Heads of {head.F} features, {dtype}", head.table(records)
        elif mode == "calls":
            records = calls.measure([self.ours, *self.peers], dtype, self.effort)
            title, table = "Single calls, 1 thread", calls.table(records)
        elif mode == "fit":
            records = fit.measure(
                self.threads, self.effort, "torch" in {peer.name for peer in self.peers}
            )
            title, table = "Training, float32", fit.table(records)
        elif mode == "threads":
            named = self.options.shapes
            shapes = self.shapes if named else self._small(select(beside_others.SHAPES))
            counts = self.options.threads or [self.threads[-1]]
            records = beside_others.measure(shapes, counts, dtype, self.effort)
            title = "While others use the cores: times alone (medians)"
            table = beside_others.table(records)
        elif mode == "torch":
            records, table = self._through("torch", through_torch)
            title = f"peephole.torch.LSTM and nn.LSTM in one process, {dtype}"
        elif mode == "cells":
            records, table = self._through("torch", cells)
            title = f"Other cells, {dtype}, 1 thread: fastest calls"
        elif mode == "sessions":
            records = sessions.measure(self.effort, self.options.isa)
            title = "Sessions: µs a session, float32, 1 thread"
            table = sessions.table(records)
        elif mode == "serving":
            reason = serving.missing()
            records = [] if reason else serving.measure(self.options.quick)
            title = f"A server of {serving.SESSIONS} sessions: the most steps within 10 ms (p99)"
            table = reason or serving.table(records)
        elif mode in quantized.MODES:
            named = self.options.shapes
            shapes = self.shapes if named else self._small(select(quantized.SHAPES))
            title, records, table = quantized.run(
                mode, self.options, shapes, self.threads, self.effort
            )
        elif mode == "jax":
            records, table = self._through("jax", through_jax)
            title = f"Through JAX, {dtype}: fastest calls"
        else:
            records = self._step()
            title = "Single steps in C++, float32, 1 thread"
            table = step_program.table(records) if records else "not built"
        done()
        self._title(title)
        print(table)
        return records

    def _step(self) -> list[dict[str, Any]]:
        try:
            return step_program.measure(self.effort, self.options.isa, self.options.same_weights)
        except BuildError as error:
            print(f"bench/step: {error}", file=sys.stderr)
            return []

    def _through(self, package: str, bench: Any) -> tuple[list[dict[str, Any]], str]:
        """The records and table of a module that measures calls through another package."""
        if reason := not_installed(package):
            return [], reason
        options = self.options
        shapes = self.shapes if options.shapes else self._small(select(bench.SHAPES))
        records = bench.measure(shapes, self.threads, options.dtype, self.effort)
        return records, bench.table(records)

    def _small(self, shapes: Sequence[Shape]) -> list[Shape]:
        if not self.options.quick or self.options.shapes:
            return list(shapes)
        ordered = sorted(shapes, key=lambda shape: shape.flops(training=True))
        small = [shape for shape in ordered if shape.flops(training=True) < QUICK_FLOPS]
        return small or ordered[:1]

    def subtitle(self) -> str:
        """What the picture shows."""
        named = ", ".join(f"{each.name} {each.version()}" for each in self.peers)
        processor = machine.describe([])["processor"]
        return f"{processor}, {self.options.dtype}; peers: {named}"

    def _title(self, text: str) -> None:
        print(f"\n{text}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Checks answers, then measures ours and the peers. See bench/README.md.",
        epilog="python -m bench bits --help: hashes, to compare versions bit for bit.",
    )
    add = parser.add_argument
    add("modes", nargs="*", metavar="mode", help=f"of {', '.join(MODES)}; or all (default: peers)")
    add("--shapes", nargs="+", default=[], metavar="SHAPE", help="names, globs of them, or T,B,I,H")
    add("--threads", nargs="+", type=int, metavar="N", help="default: 1 2")
    add("--dtype", choices=["float32", "float64"], default="float32")
    add("--peers", nargs="*", choices=list(PEERS), default=list(PEERS), help="default: all")
    add("--isa", help="force an instruction set of ours, and the peak to it")
    add(
        "--same-weights",
        action="store_true",
        help="do not write a parameter before each training pass of ours",
    )
    add("--seconds", type=float, default=Effort.seconds, help="of calls per measurement")
    add("--rounds", type=int, default=Effort.rounds, help="turns that these are spread over")
    add(
        "--models",
        type=int,
        default=quantized.MODELS,
        metavar="N",
        help="random models of quantized-errors",
    )
    add("--quick", action="store_true", help="small shapes and short times, to see that all works")
    add("--json", type=Path, metavar="FILE", help="write everything measured")
    add("--plot", type=Path, metavar="FILE", help="draw the ratios (.png, .svg, .pdf)")
    return parser

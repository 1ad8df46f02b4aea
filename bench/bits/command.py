"""The command: `python -m bench bits --help`."""

from __future__ import annotations

import argparse
import hashlib
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import peephole

from bench.bits.configurations import Configuration, draw
from bench.bits.digests import COLUMNS, digests
from bench.progress import done, say

# At most this many differing configurations are printed in full.
_MOST_PRINTED = 20


class ComparisonError(Exception):
    """A file that holds something else than hashes of the same configurations."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Hashes, saves and compares; the exit code: 1 where something differs."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        if options.isa is not None:
            peephole.set_isa(options.isa)
        if options.threads is not None:
            peephole.set_num_threads(options.threads)
        title = _title(options.seed, options.count)
        before = None if options.compare is None else read(options.compare, title)
    except (ComparisonError, OSError, ValueError) as error:
        parser.error(str(error))
    lines = compute(options.seed, options.count)
    text = "\n".join([title, *lines]) + "\n"
    if options.save is not None:
        options.save.write_text(text, encoding="utf-8")
    print(f"{hashlib.sha256(text.encode()).hexdigest()}  {title.removeprefix('# ')}")
    return 0 if before is None else report(before, lines)


def compute(seed: int, count: int) -> list[str]:
    """(count,) lines: number, the hashes of COLUMNS, configuration; separated by blanks."""
    lines = []
    for number in range(count):
        if number % 50 == 0:
            say(f"configuration {number} of {count}")
        configuration = draw(seed, number)
        lines.append(f"{number} {' '.join(_hashes(configuration))} {configuration}")
    done()
    return lines


def _hashes(configuration: Configuration) -> list[str]:
    try:
        found = digests(configuration)
    except Exception as error:
        raise RuntimeError(f"configuration {configuration.number}: {configuration}") from error
    return [found[column] for column in COLUMNS]


def read(path: Path, title: str) -> list[str]:
    """The lines of a file that was saved under this title."""
    first, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    if first != title:
        raise ComparisonError(f"--compare: expected a file with {title!r}, got {first!r}")
    return lines


def report(before: Sequence[str], now: Sequence[str]) -> int:
    """Prints which configurations differ, and in what; the exit code."""
    if len(before) != len(now):
        print(f"the file has {len(before)} configurations, expected {len(now)}")
        return 1
    counts: Counter[str] = Counter()
    differing = 0
    for old, new in zip(before, now, strict=True):
        if old == new:
            continue
        differing += 1
        columns = different_columns(old, new)
        counts.update(columns)
        if differing <= _MOST_PRINTED:
            number, description = new.split(" ", 1)[0], new.split(" ", len(COLUMNS) + 1)[-1]
            print(f"{number} differs in {', '.join(columns)}: {description}")
    if not differing:
        print(f"all {len(now)} configurations are equal")
        return 0
    parts = ", ".join(f"{name} {count}" for name, count in counts.items())
    print(f"{differing} of {len(now)} configurations differ: {parts}")
    return 1


def different_columns(before: str, now: str) -> list[str]:
    """How two lines differ: the number, some of COLUMNS, the configuration."""
    names = ("number", *COLUMNS, "configuration")
    cells = (line.split(" ", len(COLUMNS) + 1) for line in (before, now))
    rows = zip_longest(names, *cells, fillvalue="")
    return [name for name, old, new in rows if old != new]


def _title(seed: int, count: int) -> str:
    isa = peephole.build_info()["isa"]
    return f"# seed {seed}, count {count}, isa {isa}: number {' '.join(COLUMNS)} configuration"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench bits",
        description="Hashes what random configurations compute, to compare versions bit for bit.",
    )
    add = parser.add_argument
    add("--count", type=_positive, default=500, help="configurations (default: 500)")
    add("--seed", type=_not_negative, default=0, help="of the configurations (default: 0)")
    add("--isa", help="force an instruction set")
    add("--threads", type=int, metavar="N", help="default: that of the process")
    add("--save", type=Path, metavar="FILE", help="write a line for each configuration")
    add("--compare", type=Path, metavar="FILE", help="report what differs from a saved file")
    return parser


def _positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, got {text}")
    return int(text)


def _not_negative(text: str) -> int:
    if int(text) < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, got {text}")
    return int(text)

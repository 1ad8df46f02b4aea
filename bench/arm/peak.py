"""How near the tiles of the NEON kernels come to the arithmetic peak, by llvm-mca."""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.arm.loops import Loop, innermost_loops

PROCESSORS = ("neoverse-v1", "apple-m1")
LEAST = 0.85
"""The fraction of the peak that every tile reaches."""

_ROWS = (5, 6)  # of the tiles into which 32 rows or more are divided
_FORWARD = re.compile(
    r"multiply<.*\bVec<(?P<type>float|double)>, (?P<rows>\d+), 1, (?P<ahead>true|false)"
)
_BACKWARD = re.compile(
    r"product_tile<.*\bVec<(?P<type>float|double)>, (?P<rows>\d+), 4, (?P<transposed>true|false)"
)
_LANES = {"float": 4, "double": 2}
_VECTORS = 4  # of a tile's row


@dataclass(frozen=True)
class Tile:
    """A tile's loop, and the fraction of each processor's peak at which it runs."""

    what: str
    loop: Loop
    fractions: tuple[float, ...]


def tiles(build: Path, objdump: str, mca: str) -> list[Tile]:
    """The tiles of many rows in the kernels of a build tree."""
    found = []
    for what, loop in _tile_loops(build, objdump):
        products = _independent_products(loop)
        fractions = tuple(
            _products_per_cycle(mca, name, loop) / _products_per_cycle(mca, name, products)
            for name in PROCESSORS
        )
        found.append(Tile(what, loop, fractions))
    return sorted(found, key=lambda tile: tile.what)


def _tile_loops(build: Path, objdump: str) -> Iterator[tuple[str, Loop]]:
    for part in ("forward", "backward"):
        path = f"cpp/CMakeFiles/peephole_kernels_neon_{part}.dir/src/kernels/isa/neon.cpp.o"
        command = [objdump, "-d", "-C", "--no-show-raw-insn", str(build / path)]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for loop in innermost_loops(text):
            pattern = _FORWARD if part == "forward" else _BACKWARD
            tile = pattern.search(loop.function)
            if tile is None or int(tile["rows"]) not in _ROWS:
                continue
            products, lanes = int(tile["rows"]) * _VECTORS, _LANES[tile["type"]]
            if part == "forward":
                what = "W x, R h" + (", prefetching" if tile["ahead"] == "true" else "")
            elif tile["transposed"] == "true":
                what, lanes = "daᵀ x, daᵀ h", 2  # two terms at a time
            else:
                what = "da W, da R"
            if loop.products >= products * lanes:  # others are the rest of the terms
                yield f"{what}: {tile['type']}, {tile['rows']} rows", loop


def _independent_products(loop: Loop) -> Loop:
    """A loop of nothing but products of the same form, none of which waits for another."""
    form = next(code for code in loop.instructions if code.startswith("fmla"))
    _, vector, lane = re.findall(r"v\d+(\S+?)(?:,|$)", form)
    return Loop(
        "", tuple(f"fmla v{n}{vector}, v30{vector}, v15{lane}" for n in range(24) if n != 15)
    )


@functools.cache
def _products_per_cycle(mca: str, processor: str, loop: Loop) -> float:
    rounds = 200
    command = [mca, "-mtriple=aarch64", f"-mcpu={processor}", f"-iterations={rounds}", "-"]
    done = subprocess.run(command, input=loop.assembly, check=True, capture_output=True, text=True)
    cycles = re.search(r"Total Cycles:\s+(\d+)", done.stdout)
    assert cycles is not None
    return loop.products * rounds / int(cycles[1])

"""`python -m bench.arm BUILD`: the NEON kernels of a build tree, without an ARM processor.

    cmake -B build/aarch64 --toolchain cmake/toolchains/gcc.cmake \
      -D PEEPHOLE_GCC_TARGET=aarch64-linux-gnu
    cmake --build build/aarch64
    python -m bench.arm build/aarch64

First the inner loops of the tiles that compute 32 rows or more: how many products they have for
each load, and the fraction of the arithmetic peak at which llvm-mca sees them run. The peak is that
of its model: for apple-m1 it has three products a cycle, where the processor does four. Then
the instructions of whole calls, as qemu-user counts them, beside those of the baseline kernels.

Fails if a tile is below 85 % of the peak, or if the baseline's instructions of a call of 32 rows or
more are less than 2 times NEON's (float) or 1.9 times (double). Needs llvm-mca 17 or later, GNU
binutils and qemu-user (Debian: llvm-19, g++-aarch64-linux-gnu, qemu-user).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.arm.instructions import SHAPES, Counter
from bench.arm.peak import LEAST, PROCESSORS, tiles
from bench.tables import markdown

_FEWER = {"float": 2.0, "double": 1.9}
"""The baseline's instructions of a call of many rows, over NEON's, are at least so many."""


def main() -> int:
    """Prints both tables; 1 if a bound is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("build", type=Path, help="build tree for 64-bit ARM Linux")
    parser.add_argument("--compiler", default="aarch64-linux-gnu-g++")
    parser.add_argument("--objdump", default="aarch64-linux-gnu-objdump")
    parser.add_argument("--mca", default="llvm-mca-19")
    parser.add_argument("--emulator", default="qemu-aarch64 -L /usr/aarch64-linux-gnu")
    parser.add_argument("--only", choices=("peak", "instructions"))
    arguments = parser.parse_args()
    good = True
    if arguments.only != "instructions":
        good = _peak(arguments)
    if arguments.only != "peak":
        good = _instructions(arguments) and good
    return 0 if good else 1


def _peak(arguments: argparse.Namespace) -> bool:
    found = tiles(arguments.build, arguments.objdump, arguments.mca)
    rows = []
    for tile in found:
        loop = tile.loop
        per_load = f"{loop.products / loop.loads:.1f}"
        fractions = [f"{fraction:.0%}" for fraction in tile.fractions]
        size = str(len(loop.instructions))
        rows.append([tile.what, size, str(loop.products), str(loop.loads), per_load, *fractions])
    head = ["tile", "instructions", "fmla", "loads", "fmla per load", *PROCESSORS]
    print(markdown(head, rows), end="\n\n")
    return bool(found) and all(min(tile.fractions) >= LEAST for tile in found)


def _instructions(arguments: argparse.Namespace) -> bool:
    counter = Counter(arguments.build, arguments.compiler, arguments.emulator.split())
    rows, good = [], True
    for dtype in ("float", "double"):
        for mode in ("infer", "train"):
            for shape in SHAPES:
                neon, baseline = (
                    counter.of_one_call(isa, mode, dtype, shape) for isa in ("neon", "baseline")
                )
                many_rows = int(shape.split(",")[1]) >= 32
                good = good and (not many_rows or baseline >= _FEWER[dtype] * neon)
                cells = [f"{neon / 1e6:.2f}", f"{baseline / 1e6:.2f}", f"{baseline / neon:.2f}"]
                rows.append([f"{shape} {dtype} {mode}", *cells])
    print(markdown(["T,B,I,H", "NEON, 10⁶", "baseline, 10⁶", "ratio"], rows))
    return good


if __name__ == "__main__":
    sys.exit(main())

"""`python -m bench.plugin_size [KERNELS ...]`: the size of the smallest plugin, stripped.

Builds the library, for some minutes, with each value of PEEPHOLE_KERNELS (such as `avx2`, or
`avx2;avx512`), without PEEPHOLE_SMALL and with it. Needs Linux, CMake and strip.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.build import BUILDS, HERE, run
from bench.machine import processor

KERNELS = ("avx2;avx512", "avx2", "baseline")


def build(
    folder: Path, kernels: str, small: bool, *options: str, targets: Sequence[str] = ("plugin",)
) -> Path:
    """The plugin, built in `folder`; with options of CMake, and other targets.

    Raises:
        BuildError: With the last lines of what CMake said.
    """
    configure = ["cmake", "-S", str(HERE / "plugin"), "-B", str(folder)]
    configure += ["-DCMAKE_BUILD_TYPE=Release", f"-DPEEPHOLE_KERNELS={kernels}"]
    configure += [f"-DPEEPHOLE_SMALL={'ON' if small else 'OFF'}", *options]
    compile_ = ["cmake", "--build", str(folder), "--parallel", str(os.cpu_count() or 1)]
    run(configure)
    run([*compile_, "--target", *targets])
    return folder / "plugin.so"


def stripped_bytes(library: Path) -> int:
    """The size of a copy without symbols."""
    copy = library.with_suffix(".stripped")
    subprocess.run(["strip", "-o", str(copy), str(library)], check=True)
    return copy.stat().st_size


def main() -> int:
    """Builds and prints a line for each."""
    parser = argparse.ArgumentParser(prog="python -m bench.plugin_size", description=__doc__)
    parser.add_argument("kernels", nargs="*", default=KERNELS)
    print(processor())
    for kernels in parser.parse_args().kernels:
        megabytes = []
        for small in (False, True):
            name = f"plugin-{re.sub('[^a-z0-9]', '-', kernels)}{'-small' if small else ''}"
            megabytes.append(stripped_bytes(build(BUILDS / name, kernels, small)) / 1e6)
        print(
            f"{kernels}: {megabytes[0]:.2f} MB, with PEEPHOLE_SMALL {megabytes[1]:.2f}", flush=True
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Builds the C++ programs of the benchmarks with CMake, below build/bench in the checkout."""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILDS = HERE.parent / "build" / "bench"


class BuildError(Exception):
    """The program cannot be built here."""


def run(command: Sequence[str]) -> None:
    """Runs a command of CMake.

    Raises:
        BuildError: With the last lines of what it said.
    """
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines()
        raise BuildError("\n".join(lines[-15:]))


@functools.cache
def program(folder: str, name: str) -> Path:
    """The program `name` of the CMake project bench/`folder`, brought up to date.

    Raises:
        BuildError: With the last lines of what CMake said.
    """
    if shutil.which("cmake") is None:
        raise BuildError("no cmake")
    build = BUILDS / folder
    configure = ["cmake", "-S", str(HERE / folder), "-B", str(build)]
    configure += ["-DCMAKE_BUILD_TYPE=Release"]
    if shutil.which("ninja") is not None and not (build / "CMakeCache.txt").exists():
        configure += ["-G", "Ninja"]
    run(configure)
    run(["cmake", "--build", str(build), "--config", "Release"])
    return build / name

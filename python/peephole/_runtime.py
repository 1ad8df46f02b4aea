"""Settings for all models of a process: threads and instruction set."""

from __future__ import annotations

from typing import Any

from peephole import _core as core
from peephole._checks import text


def num_threads() -> int:
    """The number of threads that a call may use, including its own.

    Initially the value of the environment variable PEEPHOLE_NUM_THREADS, or otherwise the number of
    cores that the process may run on. Results have the same bits for any number.
    """
    return core.num_threads()


def set_num_threads(num_threads: int) -> None:
    """Sets `num_threads()` for all models of the process.

    Raises ValueError for a number below 1 or above 1024, TypeError for anything but an int.
    """
    core.set_num_threads(num_threads)


def set_isa(name: str) -> None:
    """Chooses the instruction set of the kernels: one of `build_info()["isas"]`.

    Initially the value of the environment variable PEEPHOLE_ISA, or otherwise the best one that the
    processor has. "reference" uses no special instructions: it is the readable implementation that
    the kernels are tested against. Results of different sets differ by rounding. Raises ValueError
    for another name.
    """
    text(name, "name")
    try:
        core.set_isa(name)
    except ValueError as error:
        raise ValueError(f"name: {str(error).removeprefix('isa: ')}") from None


def build_info() -> dict[str, Any]:
    """A dict of version, isa (in use), backend, isas (available), num_threads and compiler.

    "backend" says who computes layers and why: "avx2 kernels: the best instruction set of this
    processor", "reference: chosen by set_isa". Layers with zoneout, and layers with recurrent
    dropout in training, are computed by the reference path. With PEEPHOLE_VERBOSE=1 in the
    environment, each call writes a line per layer to stderr that says so.
    """
    return core.build_info()

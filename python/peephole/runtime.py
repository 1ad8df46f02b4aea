"""What a process chooses for all models: threads and instruction set."""

from __future__ import annotations

from typing import Any

from peephole import _core as core


def num_threads() -> int:
    """How many threads a call may use, its own included.

    At first that of the environment variable PEEPHOLE_NUM_THREADS, or else of the cores that the
    process may run on. Results have the same bits for any number.
    """
    return core.num_threads()


def set_num_threads(num_threads: int) -> None:
    """Sets `num_threads()` for all models of the process.

    Raises ValueError for a number below 1 or above 1024, TypeError for none.
    """
    core.set_num_threads(num_threads)


def set_isa(name: str) -> None:
    """Chooses the instruction set of the kernels: one of `build_info()["isas"]`.

    At first that of the environment variable PEEPHOLE_ISA, or else the best that the processor has.
    "reference" is none: the readable path that the kernels are tested against. Results of different
    ones differ by rounding. Raises ValueError for another name.
    """
    core.set_isa(name)


def build_info() -> dict[str, Any]:
    """What runs: version, isa, backend, isas (those there are), num_threads, compiler.

    "backend" says who computes layers and why: "avx2 kernels: the best instruction set of this
    processor", "reference: chosen by set_isa". Layers with zoneout, or in training with recurrent
    dropout, are computed by the reference path. With PEEPHOLE_VERBOSE=1 in the environment, each
    call writes a line per layer to stderr that says the same of that layer.
    """
    return core.build_info()

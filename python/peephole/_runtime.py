"""Settings for all models of a process: threads and instruction set."""

from __future__ import annotations

import sys
from typing import Any, Literal

from peephole import _core as core
from peephole._checks import text
from peephole._core import executor as executor
from peephole._fork_gate import fork_gate

_registered = False  # with threadpoolctl


def num_threads() -> int:
    """The number of threads that a call may use, including its own.

    Initially the value of the environment variable PEEPHOLE_NUM_THREADS. Without it, the number of
    CPUs that the process may use (those of its affinity mask, but no more than the CPU quota of its
    container), or OMP_NUM_THREADS if that is fewer. Results have the same bits for any number.
    """
    return core.num_threads()


def set_num_threads(num_threads: int) -> None:
    """Sets `num_threads()` for all models of the process.

    The number may exceed that of the CPUs. Where threads would have to wait for each other at every
    step, calls then use fewer of them, as they do while other programs use the CPUs.

    Raises ValueError for a number below 1 or above 1024, TypeError for anything but an int.
    """
    core.set_num_threads(num_threads)


def set_executor(name: Literal["own", "openmp"]) -> None:
    """Chooses the threads that compute the calls of the process.

    "own", the default: peephole's own threads. "openmp": those of the OpenMP library that the
    process has loaded; if there are several, PyTorch's. Its threads keep their cores busy for some
    milliseconds after each operation of PyTorch, which slows down a call that follows on other
    threads. Use it for calls on the threads that also call PyTorch: OpenMP has a pool of threads
    for each thread that calls it.

    `with peephole.executor(name):` chooses for the calls of the current thread within the block.
    After `os.fork()`, the child process uses its own threads again.

    Raises ValueError for another name; RuntimeError if no OpenMP library is loaded, in a forked
    child, and on systems other than Linux.
    """
    core.set_executor(name)


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
    """A dict of version, isa (in use), backend, isas (available), num_threads, executor, compiler.

    "backend" says who computes layers and why: "avx2 kernels: the best instruction set of this
    processor", "reference: chosen by set_isa". With PEEPHOLE_VERBOSE=1 in the environment, each
    call writes a line per layer to stderr that says who computes it.
    """
    return core.build_info()


def register_with_threadpoolctl() -> None:
    """Lets threadpoolctl control peephole, so that `threadpool_limits(1)` applies to it too.

    Importing peephole does this if threadpoolctl is imported already; importing `peephole.sklearn`
    does it always. Further calls do nothing. Raises ImportError if threadpoolctl is not installed.
    """
    with fork_gate:
        import threadpoolctl  # type: ignore[import-not-found, import-untyped, unused-ignore]

    global _registered
    if _registered:
        return
    _registered = True

    class PeepholeController(threadpoolctl.LibController):  # type: ignore[misc, unused-ignore]
        """The threads of peephole's calls."""

        user_api = "peephole"
        internal_api = "peephole"
        filename_prefixes = ("_core",)
        check_symbols = ("peephole_core_num_threads",)

        def get_num_threads(self) -> int:
            return num_threads()

        def set_num_threads(self, num_threads: int) -> None:
            set_num_threads(num_threads)

        def get_version(self) -> str:
            return core.__version__

    threadpoolctl.register(PeepholeController)


if "threadpoolctl" in sys.modules:
    register_with_threadpoolctl()

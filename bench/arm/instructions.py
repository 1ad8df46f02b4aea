"""Instructions of whole calls, counted by qemu-user: NEON kernels and the baseline's."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
INCLUDE = HERE.parents[1] / "cpp" / "include"

SHAPES = ("5,32,64,128", "2,64,256,256", "50,1,64,128", "100,1,1,20")
"""T,B,I,H."""


class Counter:
    """Counts the instructions of calls of the library of a build tree.

    Args:
        compiler: A C++ compiler for 64-bit ARM.
        emulator: The command that runs its programs.
    """

    def __init__(self, build: Path, compiler: str, emulator: list[str]):
        self._program = build / "bench-arm-calls"
        self._plugin = build / "bench-arm-count.so"
        self._emulator = emulator
        library = [str(build / "cpp" / "libpeephole.a"), "-pthread", "-ldl"]
        includes = [f"-I{INCLUDE}", f"-I{build / 'cpp' / 'include'}"]
        source = str(HERE / "calls.cpp")
        command = [compiler, "-std=c++17", "-O2", *includes, source, "-o", str(self._program)]
        subprocess.run([*command, *library], check=True)
        plugin = ["cc", "-O2", "-shared", "-fPIC", str(HERE / "count.c"), "-o", str(self._plugin)]
        subprocess.run(plugin, check=True)

    def of_one_call(self, isa: str, mode: str, dtype: str, shape: str) -> float:
        """The instructions of one call; two are made more, since the first prepares memory."""
        few, many = (self._of_process(isa, mode, dtype, shape, count) for count in (1, 3))
        return (many - few) / 2

    def _of_process(self, isa: str, mode: str, dtype: str, shape: str, count: int) -> int:
        program, *arguments = self._emulator
        command = [program, "-plugin", str(self._plugin), "-d", "plugin", *arguments]
        command += [str(self._program), mode, dtype, *shape.split(","), str(count)]
        environment = os.environ | {"PEEPHOLE_ISA": isa}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        assert done.stdout.strip() == isa, done.stdout
        counted = re.search(r"instructions: (\d+)", done.stderr)
        assert counted is not None, done.stderr
        return int(counted[1])

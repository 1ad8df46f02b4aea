"""The targets of cross.py."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Target:
    """What is built and how it is run.

    name: of the build tree and of the result
    says: of the table
    compiler: "zig" or "gcc"
    triple: what the compiler calls the target
    runner: the emulator's command; empty: this machine runs it; None: nothing does
    options: for CMake
    tests: the only test programs that can be built; empty: all
    without: test programs that are left out, and why
    quick: whether --quick builds it
    """

    name: str
    says: str
    compiler: str
    triple: str
    runner: tuple[str, ...] | None
    options: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    without: dict[str, str] = field(default_factory=dict)
    quick: bool = False


# Instruction sets beyond the baseline take minutes to compile; native builds test those of x86-64.
BASELINE = ("-DPEEPHOLE_KERNELS=baseline",)
# Kernels as users have them, for which it also takes the time of users' builds.
OPTIMISED = ("-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O1")
MUSL = {
    "runtime_unload_test": "a static program loads no plugins",
    # The test reads an integer of 30 digits, which nlohmann-json makes a float.
    "files_interop_test": "strtoull of zig 0.17 ends within a number that is too large",
}

TARGETS = (
    Target(
        "x86_64-musl-zig",
        "x86-64 Linux, musl",
        "zig",
        "x86_64-linux-musl",
        (),
        BASELINE,
        without=MUSL,
    ),
    Target(
        "aarch64-musl-zig",
        "aarch64 Linux, musl",
        "zig",
        "aarch64-linux-musl",
        ("qemu-aarch64",),
        without=MUSL,
        quick=True,
    ),
    Target(
        "aarch64-gcc",
        "aarch64 Linux, glibc",
        "gcc",
        "aarch64-linux-gnu",
        ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"),
        OPTIMISED,
    ),
    Target(
        "windows-x64-gcc",
        "Windows x64, mingw-w64",
        "gcc",
        "x86_64-w64-mingw32",
        ("wine",),
        BASELINE,
    ),
    Target(
        "windows-x64-zig",
        "Windows x64, mingw-w64",
        "zig",
        "x86_64-windows-gnu",
        ("wine",),
        BASELINE,
        quick=True,
    ),
    Target("macos-arm64-zig", "macOS arm64", "zig", "aarch64-macos", None),
    Target(
        "wasm32-wasi-zig",
        "WebAssembly, wasm32-wasi, one thread",
        "zig",
        "wasm32-wasi",
        (sys.executable, str(Path(__file__).resolve().with_name("cross.py")), "--run-wasm"),
        BASELINE,
        tests=("stream_from_memory_test",),
        quick=True,
    ),
    Target(
        "armhf-gcc",
        "32-bit ARM Linux, armhf",
        "gcc",
        "arm-linux-gnueabihf",
        ("qemu-arm", "-L", "/usr/arm-linux-gnueabihf"),
    ),
    Target(
        "i686-gcc",
        "32-bit x86 Linux, SSE2",
        "gcc",
        "i686-linux-gnu",
        ("qemu-i386", "-L", "/usr/i686-linux-gnu"),
        BASELINE,
    ),
    Target(
        "s390x-gcc",
        "s390x Linux, big-endian",
        "gcc",
        "s390x-linux-gnu",
        ("qemu-s390x", "-L", "/usr/s390x-linux-gnu"),
    ),
)

"""Cross-builds the C++ core and its tests, runs them where an emulator can, and makes a table.

    python cmake/cross.py                       every target
    python cmake/cross.py --quick               few targets and test programs
    python cmake/cross.py --only windows-x64-gcc wasm32-wasi-zig
    python cmake/cross.py --only s390x-gcc --tests files_byte_order_test model_config_test
    python cmake/cross.py --table docs/guide/platforms.md

Needs CMake, Ninja, Eigen and nlohmann-json (`pip install ".[dev]"`), and what each target needs:

    zig      pip install ziglang
    gcc      apt install g++-aarch64-linux-gnu g++-mingw-w64-x86-64 g++-arm-linux-gnueabihf ...
    to run   apt install qemu-user wine wine64; pip install wasmtime

A target whose compiler is missing is left out of the build, and the table says why. The result of a
target is kept in its build tree, build/cross/<target>: the table has the last result of each.

The exit status is 1 if a target fails to build, a test fails, or nothing could be built.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from cross_targets import TARGETS, Target

ROOT = Path(__file__).resolve().parents[1]
TREES = ROOT / "build" / "cross"
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"

# They read, write and run models; together they use most of the system's calls.
QUICK_TESTS = ("stream_from_memory_test", "files_files_test", "files_byte_order_test")

# For one test program. The slowest, which takes half a minute on this machine, takes ten minutes in
# qemu where nothing else runs.
MOST_SECONDS, MOST_SECONDS_EMULATED = 1800, 7200


def run_wasm(program: str) -> int:
    """Runs a WASI program without arguments; returns its exit status."""
    import wasmtime

    engine = wasmtime.Engine()
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    wasi = wasmtime.WasiConfig()
    wasi.argv = [program]
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    store.set_wasi(wasi)
    instance = linker.instantiate(store, wasmtime.Module.from_file(engine, program))
    try:
        instance.exports(store)["_start"](store)
    except wasmtime.ExitTrap as end:
        return end.code
    return 0


def zig() -> str | None:
    """The program zig: of PATH, or of the package ziglang."""
    found = shutil.which("zig")
    if found is None and (package := importlib.util.find_spec("ziglang")) and package.origin:
        found = shutil.which("zig", path=str(Path(package.origin).parent))
    return found


def missing_compiler(target: Target) -> str | None:
    """Why the target cannot be built here."""
    if target.compiler == "zig":
        return None if zig() else "zig is not installed"
    thread_model = "-posix" if target.triple.endswith("mingw32") else ""
    compiler = f"{target.triple}-g++{thread_model}"
    return None if shutil.which(compiler) else f"{compiler} is not installed"


def missing_runner(target: Target) -> str | None:
    """Why the target's programs cannot be run here."""
    if target.runner is None:
        return "no emulator"
    if not target.runner:
        same = platform.system() == "Linux" and target.triple.startswith(platform.machine())
        return None if same else "another machine than this one"
    if "--run-wasm" in target.runner:
        return None if importlib.util.find_spec("wasmtime") else "wasmtime is not installed"
    return None if shutil.which(target.runner[0]) else f"{target.runner[0]} is not installed"


def first_line(*command: str) -> str:
    """The first line that a program prints."""
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return (said.stdout.splitlines() or ["?"])[0]


def version(text: str) -> str:
    """The version number in a line of a program."""
    found = re.search(r"\d+(\.\d+)+", text)
    return found[0] if found else "?"


def compiler_text(target: Target, tree: Path) -> str:
    """The compiler's name and version, as CMake found it."""
    files = sorted(tree.glob("CMakeFiles/*/CMakeCXXCompiler.cmake"))
    if not files:
        return target.compiler
    found = re.search(r'set\(CMAKE_CXX_COMPILER_VERSION "(.*?)"\)', files[-1].read_text())
    number = found[1] if found else "?"
    if target.compiler == "gcc":
        return f"GCC {number}"
    return f"Clang {number} of zig {first_line(zig() or 'zig', 'version')}"


def runner_text(target: Target) -> str:
    """How the tests were run."""
    if not target.runner:
        return "run on this machine"
    if "--run-wasm" in target.runner:
        return f"wasmtime {importlib.metadata.version('wasmtime')}"
    return f"{target.runner[0]} {version(first_line(target.runner[0], '--version'))}"


def environment() -> dict[str, str]:
    """For all commands: one cache of zig's for all targets, and a silent wine."""
    cache = {
        name: str(TREES / "zig-cache") for name in ("ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR")
    }
    return {**os.environ, "WINEDEBUG": "-all", **cache}


def run(log: Path, *command: object) -> bool:
    """Runs a command with its output in the log; whether it succeeded."""
    with log.open("a") as output:
        print("$", *command, file=output, flush=True)
        done = subprocess.run(
            [str(word) for word in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment(),
            check=False,
        )
    return done.returncode == 0


def configure(target: Target, tree: Path, log: Path) -> bool:
    """Configures the target's tree: -O1 takes half the compiler's time; assertions are on."""
    options = ["-DPEEPHOLE_BUILD_TESTS=ON", "-DCMAKE_BUILD_TYPE=Debug", *target.options]
    options += [
        "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -UNDEBUG",  # with -O1, zig defines it
        f"-DPEEPHOLE_{target.compiler.upper()}_TARGET={target.triple}",
    ]
    if target.compiler == "zig":
        options.append(f"-DPEEPHOLE_ZIG={zig()}")
    if target.runner:
        options.append("-DCMAKE_CROSSCOMPILING_EMULATOR=" + ";".join(target.runner))
    toolchain = ROOT / "cmake" / "toolchains" / f"{target.compiler}.cmake"
    return run(
        log, "cmake", "-S", ROOT, "-B", tree, "-G", "Ninja", "--toolchain", toolchain, *options
    )


def test(target: Target, tree: Path, log: Path, tests: tuple[str, ...]) -> dict[str, object]:
    """Runs the tests; what the table says of them."""
    report = tree / "tests.xml"
    report.unlink(missing_ok=True)
    names = ["-R", f"^({'|'.join(tests)})$"] if tests else []
    if target.without:
        names += ["-E", f"^({'|'.join(target.without)})$"]
    most_seconds = MOST_SECONDS_EMULATED if target.runner else MOST_SECONDS
    run(log, "ctest", "--test-dir", tree, "--no-tests=error", "--timeout", most_seconds,
        "--parallel", os.cpu_count() or 1,
        "--output-on-failure", "--output-junit", report, *names)  # fmt: skip
    cases = ET.parse(report).getroot().findall("testcase") if report.exists() else []
    failed = [case.get("name") for case in cases if case.get("status") != "run"]
    text = f"{len(cases) - len(failed)} of {len(cases)} tests pass"
    if failed:
        text += f"; not {', '.join(map(str, failed))}"
    how = runner_text(target)
    for name, reason in () if tests else target.without.items():
        how += f"; without {name}: {reason}"
    return {"tested": text, "how": how, "passed": bool(cases) and not failed}


def chosen_text(tests: Sequence[str]) -> str:
    """What is built of a target where it is not all."""
    return f"library, {len(tests)} test program{'s' if len(tests) > 1 else ''}"


def build_and_test(target: Target, chosen: tuple[str, ...]) -> dict[str, object]:
    """One target; its row of the table."""
    tree = TREES / target.name
    row: dict[str, object] = {"built": "no", "tested": "no", "passed": True}
    if reason := missing_compiler(target):
        return {**row, "compiler": target.compiler, "how": reason}
    tree.mkdir(parents=True, exist_ok=True)
    log = tree / "cross.log"
    log.unlink(missing_ok=True)
    tests = target.tests or chosen
    built = configure(target, tree, log) and run(
        log, "cmake", "--build", tree, "--parallel", os.cpu_count() or 1,
        *(["--target", *tests] if tests else []), "--", "-k", "0",
    )  # fmt: skip
    row["compiler"] = compiler_text(target, tree)
    if not built:
        return {**row, "how": f"see {log.relative_to(ROOT)}", "passed": False}
    row |= {"built": chosen_text(tests) if tests else "all", "tests": tests}
    if reason := missing_runner(target):
        return {**row, "how": f"linked only: {reason}"}
    return {**row, **test(target, tree, log, tests)}


def table() -> str:
    """The last result of each target, as Markdown; below, which test programs the cells mean."""
    lines = ["| target | compiler | built | tested | how |", "|---|---|---|---|---|"]
    meant: dict[str, list[str]] = {}
    for target in TARGETS:
        result = TREES / target.name / "result.json"
        row = json.loads(result.read_text()) if result.exists() else {}
        cells = [target.says, row.get("compiler", target.compiler)]
        cells += [row.get(key, "not run") for key in ("built", "tested", "how")]
        lines.append(f"| {' | '.join(cells)} |")
        if row.get("tests"):
            meant[", ".join(f"`{name}`" for name in row["tests"])] = row["tests"]
    for names, tests in meant.items():
        lines += ["", f"{chosen_text(tests).capitalize()}: {names}."]
    return "\n".join(lines) + "\n"


def main() -> int:
    """See the top of the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few targets and test programs")
    names = [target.name for target in TARGETS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="TARGET", help=", ".join(names))
    parser.add_argument("--tests", nargs="+", default=(), help="these test programs only")
    parser.add_argument(
        "--table", type=Path, help="put the table into this page, and build nothing"
    )
    parser.add_argument(
        "--run-wasm", metavar="PROGRAM", help="run a WASI program, and do nothing else"
    )
    arguments = parser.parse_args()
    if arguments.run_wasm:
        return run_wasm(arguments.run_wasm)
    passed, some_built = True, False
    tests = tuple(arguments.tests) or (QUICK_TESTS if arguments.quick else ())
    if not arguments.table:
        for target in TARGETS:
            if (
                target.name not in arguments.only
                if arguments.only
                else arguments.quick and not target.quick
            ):
                continue
            start = time.monotonic()
            row = build_and_test(target, tests)
            (TREES / target.name).mkdir(parents=True, exist_ok=True)
            (TREES / target.name / "result.json").write_text(json.dumps(row))
            seconds = time.monotonic() - start
            print(
                f"{target.name}: {row['built']}; {row['tested']} ({row['how']}), {seconds:.0f} s",
                flush=True,
            )
            passed = passed and bool(row["passed"])
            some_built = some_built or row["built"] != "no"
    text = table()
    print(text)
    TREES.mkdir(parents=True, exist_ok=True)
    (TREES / "table.md").write_text(text)
    if arguments.table:
        page = arguments.table.read_text()
        begin, end = page.index(BEGIN) + len(BEGIN), page.index(END)
        arguments.table.write_text(f"{page[:begin]}\n{text}{page[end:]}")
    return 0 if passed and (some_built or arguments.table) else 1


if __name__ == "__main__":
    sys.exit(main())

"""What CMake and the sources do with compilers other than those that the other tests use."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXACT = ROOT / "cpp" / "exact.cmake"
SCRIPT = ROOT / "cmake" / "cross.py"


def cmake(tmp_path, text, **variables):
    """Runs a CMake script."""
    if shutil.which("cmake") is None:
        pytest.skip("needs cmake")
    script = tmp_path / "script.cmake"
    script.write_text(text)
    values = [f"-D{name}={value}" for name, value in variables.items()]
    return subprocess.run(
        ["cmake", *values, "-P", script], capture_output=True, text=True, check=False
    )


def test_cl_is_refused_and_told_what_to_use(tmp_path):
    done = cmake(tmp_path, f"include({EXACT.as_posix()})", CMAKE_CXX_COMPILER_ID="MSVC")
    assert done.returncode != 0
    assert "clang-cl" in done.stderr


FLAGS = f"""
include({EXACT.as_posix()})
peephole_gnu_flags(flags ${{PEEPHOLE_EXACT_FLAGS}} -mavx2 $<IF:$<CONFIG:Debug>,-O1,-O3>
  $<$<CXX_COMPILER_ID:Clang>:-fdata-sections>)
message("${{flags}}")
"""


def test_flags_of_clang_cl(tmp_path):
    """clang-cl would only warn of -ffp-contract=off, and results would change."""
    clang = {"CMAKE_CXX_COMPILER_ID": "Clang", "CMAKE_CXX_COMPILER_FRONTEND_VARIANT": "MSVC"}
    done = cmake(tmp_path, FLAGS, **clang)
    flags = done.stderr.strip().split(";")
    exact = [flag for flag in flags if not flag.startswith("$<")]
    assert "/clang:-ffp-contract=off" in exact
    assert all(flag.startswith("/clang:-") and flag.count("/clang:") == 1 for flag in exact)
    assert "$<IF:$<CONFIG:Debug>,/clang:-O1,/clang:-O3>" in flags
    assert "$<$<CXX_COMPILER_ID:Clang>:/clang:-fdata-sections>" in flags
    if shutil.which("clang") is None:
        pytest.skip("needs clang, to see that it takes these flags")
    source = tmp_path / "a.cpp"
    source.write_text("")
    command = ["clang", "--driver-mode=cl", "-###", "/c", source, *exact]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert '"-ffp-contract=off"' in said
    assert "unknown argument" not in said


def test_public_headers_by_the_rules_of_visual_cpp(tmp_path):
    """Clang with Microsoft's rules, and this system's C++ library, which lacks some macros then."""
    if shutil.which("clang++") is None or sys.platform != "linux":
        pytest.skip("needs clang++ on Linux")
    (tmp_path / "peephole").mkdir()
    version = (ROOT / "cmake" / "version.h.in").read_text()
    (tmp_path / "peephole" / "version.h").write_text(re.sub("@[A-Z_]+@", "0", version))
    source = tmp_path / "a.cpp"
    headers = sorted((ROOT / "cpp" / "include" / "peephole").glob("*.h*"))
    source.write_text("".join(f'#include "peephole/{header.name}"\n' for header in headers))
    types = "BOOL CHAR CHAR16_T CHAR32_T CHAR8_T WCHAR_T SHORT INT LONG LLONG POINTER"
    macros = [f"-D__GCC_ATOMIC_{name}_LOCK_FREE=2" for name in types.split()]
    rules = "-fms-compatibility -fms-extensions -fms-compatibility-version=19.30"
    command = [
        *("clang++", "-std=c++17", "-fsyntax-only", "-fdelayed-template-parsing"),
        *(*rules.split(), *macros, "-D__GCC_ATOMIC_TEST_AND_SET_TRUEVAL=1"),
        *("-Wall", "-Wextra", "-Wmicrosoft", "-Wgnu", "-pedantic", "-Wno-error=#warnings"),
        *("-Werror", f"-I{ROOT / 'cpp' / 'include'}", f"-I{tmp_path}", source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="needs an x86 compiler")
@pytest.mark.parametrize("flags", [[], ["-msse2", "-mfpmath=sse"]])
def test_x87_arithmetic_is_refused(flags):
    """It has more digits than float and double: results would silently differ."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("needs g++ or clang++")
    source = ROOT / "cpp" / "src" / "base" / "floating_point.cpp"
    done = subprocess.run(
        [compiler, "-m32", "-march=i686", *flags, "-std=c++17", "-fsyntax-only", source],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode == 0) == bool(flags)
    assert ("compile with -msse2 -mfpmath=sse" in done.stderr) != bool(flags)


def test_table_of_targets_is_put_between_its_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table: begin -->\nold\n<!-- table: end -->\nafter\n")
    subprocess.run([sys.executable, SCRIPT, "--table", page], check=True, capture_output=True)
    lines = page.read_text().splitlines()
    assert lines[0] == "before" and lines[-1] == "after" and "old" not in lines
    assert lines[2] == "| target | compiler | built | tested | how |"
    assert any(line.startswith("| s390x Linux, big-endian |") for line in lines)

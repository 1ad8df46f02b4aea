"""C projects that use the package: from the wheel's static library, from the C library."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import peephole
import pytest
from peephole.__main__ import cmake_dir

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "cpp" / "examples" / "c"

needs_compiler = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("cmake", "cc", "c++")),
    reason="needs cmake and compilers of C and C++",
)


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    """(file, numbers as text, what the model makes of them)"""
    net = peephole.Network(1, 8, 1, seed=0)
    path = tmp_path_factory.mktemp("model") / "filter.safetensors"
    net.save(path, metadata={"name": "röhre", "sample_rate": "48000"})
    x = np.random.default_rng(0).standard_normal(30).astype(np.float32)
    return path, "\n".join(f"{v:.9g}" for v in x), net.predict(x[:, None])[:, 0]


def check_output(done, y):
    assert np.array_equal(np.array(done.stdout.split(), np.float32), y)
    assert "röhre" in done.stderr


@pytest.fixture(scope="module")
def package():
    """Arguments for CMake that find a core: the wheel's."""
    if not cmake_dir().is_dir():
        pytest.skip("needs the package installed from its wheel")
    return f"-Dpeephole_DIR={cmake_dir()}"


def build_example(folder, *options):
    run("cmake", "-S", EXAMPLE, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", *options)
    run("cmake", "--build", folder)
    return folder / "filter"


@needs_compiler
def test_c_project_with_the_static_library(package, capture, tmp_path):
    """`project(filter C)` links the C++ library."""
    path, x, y = capture
    program = build_example(tmp_path, package)
    check_output(run(program, path, input=x), y)
    refused = subprocess.run([program, tmp_path / "absent"], capture_output=True, text=True)
    assert refused.returncode == 1
    assert "absent" in refused.stderr


@needs_compiler
def test_c_project_with_the_c_library(capture, tmp_path):
    prefix = os.environ.get("PEEPHOLE_C_PREFIX")
    if prefix is None:
        pytest.skip("PEEPHOLE_C_PREFIX names no installed C library")
    assert {file.suffix for file in Path(prefix, "include", "peephole").iterdir()} == {".h"}
    path, x, y = capture
    check_output(run(build_example(tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}"), path, input=x), y)
    if shutil.which("pkg-config") is None:
        return
    (config,) = Path(prefix).rglob("pkgconfig")
    flags = run(
        *("pkg-config", "--cflags", "--libs", "peephole_c"),
        env=dict(os.environ, PKG_CONFIG_PATH=str(config)),
    ).stdout.split()
    run("cc", EXAMPLE / "filter.c", "-o", tmp_path / "again", *flags)
    environment = dict(os.environ, LD_LIBRARY_PATH=str(config.parent))
    check_output(run(tmp_path / "again", path, input=x, env=environment), y)


@needs_compiler
@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_c_project_by_fetchcontent(tmp_path):
    """A program of a C project around the core is linked by C, with the C++ library."""
    tmp_path.joinpath("app.c").write_text("int main(void) { return 0; }\n")
    tmp_path.joinpath("CMakeLists.txt").write_text(
        f"""cmake_minimum_required(VERSION 3.21)
project(app C)
include(FetchContent)
FetchContent_Declare(peephole SOURCE_DIR "{ROOT.as_posix()}")
FetchContent_MakeAvailable(peephole)
add_executable(app app.c)
target_link_libraries(app PRIVATE peephole::c)
"""
    )
    command = ["cmake", "-S", tmp_path, "-B", tmp_path / "build", "-G", "Unix Makefiles"]
    done = subprocess.run(command, capture_output=True, text=True)
    if "nlohmann" in done.stderr or "Eigen" in done.stderr:
        pytest.skip("needs Eigen and nlohmann-json")
    assert done.returncode == 0, done.stderr
    assert "peephole::c" in done.stderr  # which says what such projects link
    link = (tmp_path / "build" / "CMakeFiles" / "app.dir" / "link.txt").read_text().split()
    assert "++" not in Path(link[0]).name
    places = {flag.split("/")[-1]: place for place, flag in enumerate(link)}
    assert max(places.get("-lstdc++", 0), places.get("-lc++", 0)) > places["libpeephole.a"]


# .ci/run names the one that is built beside the C++ tests.
LIBRARY = os.environ.get("PEEPHOLE_SHARED_LIBRARY")
needs_library = pytest.mark.skipif(not LIBRARY, reason="PEEPHOLE_SHARED_LIBRARY names no library")


@needs_library
def test_filter_by_ctypes(capture):
    path, x, y = capture
    program = EXAMPLE / "filter_ctypes.py"
    check_output(run(sys.executable, "-S", "-E", program, LIBRARY, path, input=x), y)


@pytest.fixture(scope="module")
def include():
    """The folder of the installed headers, of which version.h is made by the build."""
    folder = cmake_dir().parents[2] / "include"
    if not folder.joinpath("peephole", "version.h").is_file():
        pytest.skip("needs the package installed from its wheel")
    if shutil.which("cc") is None:
        pytest.skip("needs cc")
    return folder


@needs_library
def test_filter_by_cffi(capture, include):
    pytest.importorskip("cffi")
    path, x, y = capture
    program = EXAMPLE / "filter_cffi.py"
    check_output(run(sys.executable, program, include, LIBRARY, path, input=x), y)


def test_the_header_parses_with_cffi(include):
    """What the preprocessor makes of peephole.h, without edits; and the constants are there."""
    cffi = pytest.importorskip("cffi")
    header = include / "peephole" / "peephole.h"
    ffi = cffi.FFI()
    ffi.cdef(run("cc", "-E", "-P", "-I", include, header).stdout)
    assert ffi.typeof("peephole_status").relements["PEEPHOLE_BAD_ENVIRONMENT"] == 6
    assert ffi.typeof("size_t") is not None


def test_version_macros_are_the_package_s(include):
    names = ["STRING", "MAJOR", "MINOR", "PATCH"]
    source = '#include "peephole/version.h"\n' + "\n".join(f"PEEPHOLE_VERSION_{n}" for n in names)
    text, *numbers = run(
        "cc", "-E", "-P", "-I", include, "-x", "c", "-", input=source
    ).stdout.split()
    assert text == f'"{peephole.__version__}"'
    assert ".".join(numbers) == peephole.__version__

"""A CMake project around the core: whose Eigen is used, and what is installed."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ["cmake", "make", "c++"])),
    reason="needs cmake, make and a C++ compiler",
)

# Nothing of it is compiled: what would be is in compile_commands.json.
PROJECT = f"""
cmake_minimum_required(VERSION 3.21)
project(app CXX)
add_library(own_eigen INTERFACE)
target_include_directories(own_eigen INTERFACE ${{CMAKE_CURRENT_SOURCE_DIR}}/own-eigen)
add_library(Eigen3::Eigen ALIAS own_eigen)
add_library(own_json INTERFACE)
target_include_directories(own_json INTERFACE ${{CMAKE_CURRENT_SOURCE_DIR}}/own-json)
add_library(nlohmann_json::nlohmann_json ALIAS own_json)
add_subdirectory("{ROOT.as_posix()}" peephole)
install(FILES CMakeLists.txt DESTINATION app)
"""


def configure(folder, *options):
    folder.joinpath("CMakeLists.txt").write_text(PROJECT)
    for name in ("own-eigen", "own-json"):
        folder.joinpath(name).mkdir()
    done = subprocess.run(
        [
            *("cmake", "-S", folder, "-B", folder / "build", "-G", "Unix Makefiles"),
            *("-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", "-DPEEPHOLE_KERNELS=", *options),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "build"


@pytest.fixture(scope="module")
def configured(tmp_path_factory):
    return configure(tmp_path_factory.mktemp("project"))


def test_uses_the_libraries_of_the_project(configured):
    commands = json.loads(configured.joinpath("compile_commands.json").read_text())
    core = [entry["command"] for entry in commands if "peephole.dir" in entry["command"]]
    assert core
    for command in core:
        assert "/own-eigen" in command
        assert "/own-json" in command
        assert "/eigen3" not in command


def test_installs_nothing_within_another_project(configured, tmp_path):
    prefix = tmp_path / "prefix"
    subprocess.run(["cmake", "--install", configured, "--prefix", prefix], check=True)
    installed = [path.relative_to(prefix) for path in prefix.rglob("*") if path.is_file()]
    assert installed == [Path("app", "CMakeLists.txt")]


def test_installs_where_the_project_asks_for_it(tmp_path):
    build = configure(tmp_path, "-DPEEPHOLE_INSTALL=ON", "-DPEEPHOLE_BUILD_C_LIBRARY=ON")
    rules = build.joinpath("peephole", "cpp", "cmake_install.cmake").read_text()
    for part in ("libpeephole.a", "peephole-targets.cmake", "libpeephole_c", "peephole_c.pc"):
        assert part in rules
    assert rules.count("share/licenses/peephole") >= 2  # of both components

"""C++ projects that use the package: installed, from the wheel, by FetchContent; and the examples.

PEEPHOLE_PREFIX names where the core is installed by `cmake --install`; without it, the tests of
that way are skipped. FetchContent compiles the whole core, so its tests run only where
PEEPHOLE_TEST_FETCHCONTENT is set, as in CI.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import peephole
import pytest
from peephole.__main__ import cmake_dir

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "cpp" / "examples"

pytestmark = pytest.mark.skipif(
    shutil.which("cmake") is None
    or not any(map(shutil.which, [os.environ.get("CXX", "c++"), "g++", "clang++"])),
    reason="needs cmake and a C++ compiler",
)

APP = """
#include "peephole/peephole.hpp"
#include <cstdio>
int main() {
  peephole::NetworkConfig config;
  config.lstm.hidden_sizes = {8};
  peephole::Network<float> network(config, 0);
  peephole::Stream<float> stream(network);
  float x = 1, y = 0;
  stream.step(&x, &y);
  try {
    peephole::load(&x, sizeof x);
    return 1;
  } catch (const peephole::FileError&) {
  }
  std::printf("%.9g", y);
}
"""
# Values that show whether the core computes exactly, on every instruction set.
EXACT_APP = """
#include "peephole/peephole.hpp"
#include <cstdio>
#include <limits>
int main() {
  peephole::NetworkConfig config;
  config.lstm.hidden_sizes = {8};
  peephole::Network<float> network(config, 0);
  const float infinity = std::numeric_limits<float>::infinity();
  const float x[] = {0.3f, -2, 1e-3f, 40, -1e6f, 1e30f, -3e38f, 5, infinity, 1};
  for (const std::string& isa : peephole::isas()) {
    peephole::set_isa(isa);
    float y[10];
    peephole::Stream<float>(network, 2).process(x, y, 5);
    for (const float value : y) std::printf("%a ", value);
    peephole::Stream<float> stream(network);
    for (const float value : x) {
      stream.step(&value, y);
      std::printf("%a ", *y);
    }
  }
}
"""
PROJECT = """
cmake_minimum_required(VERSION 3.21)
project(app CXX)
{find}
add_executable(app app.cpp)
target_link_libraries(app PRIVATE peephole::peephole)
"""
FIND = "find_package(peephole {version} CONFIG REQUIRED)".format
# Kernels that this processor cannot run take the compiler minutes.
KERNELS = f"-DPEEPHOLE_KERNELS={';'.join(peephole.build_info()['isas'])}"
FETCH = """include(FetchContent)
FetchContent_Declare(peephole SOURCE_DIR "{root}")
FetchContent_MakeAvailable(peephole)"""


def run(*command, **options):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(source, folder, *options):
    run("cmake", "-S", source, "-B", folder, "-DCMAKE_BUILD_TYPE=Release", *options)
    run("cmake", "--build", folder, "--parallel", "2")


def write_project(folder, find, app=APP):
    source = folder / "app"
    source.mkdir()
    source.joinpath("app.cpp").write_text(app, encoding="utf-8")
    source.joinpath("CMakeLists.txt").write_text(PROJECT.format(find=find), encoding="utf-8")
    return source


def build_app(folder, find, *options):
    """What the program prints: y of one step."""
    build(write_project(folder, find), folder / "build", *options)
    return np.float32(run(folder / "build" / "app"))


def expected():
    net = peephole.Network(1, 8, 1, seed=0)
    return net.predict(np.ones((1, 1), np.float32))[0, 0]


@pytest.fixture(scope="session")
def wheel():
    """Where the installed wheel says that its CMake package is."""
    if not cmake_dir().is_dir():
        pytest.skip("needs the package installed from its wheel")
    return run(sys.executable, "-m", "peephole", "--cmakedir").strip()


def test_from_the_wheel(wheel, tmp_path):
    version = ".".join(peephole.__version__.split(".")[:2])
    assert build_app(tmp_path, FIND(version=version), f"-Dpeephole_DIR={wheel}") == expected()


def test_another_version_is_refused(wheel, tmp_path):
    source = tmp_path / "app"
    source.mkdir()
    source.joinpath("CMakeLists.txt").write_text(PROJECT.format(find=FIND(version="99")))
    found = subprocess.run(
        ["cmake", "-S", source, "-B", tmp_path / "build", f"-Dpeephole_DIR={wheel}"],
        capture_output=True,
        text=True,
    )
    assert found.returncode != 0
    assert "compatible with requested version" in found.stderr


def test_installed(tmp_path):
    prefix = os.environ.get("PEEPHOLE_PREFIX")
    if prefix is None:
        pytest.skip("PEEPHOLE_PREFIX names no installed core")
    licences = {file.name for file in Path(prefix, "share/licenses/peephole").iterdir()}
    assert licences == {"LICENSE", "LICENSE-eigen.txt", "LICENSE-nlohmann-json.txt"}
    assert build_app(tmp_path, FIND(version=""), f"-DCMAKE_PREFIX_PATH={prefix}") == expected()


def test_by_pkg_config(wheel, tmp_path):
    if shutil.which("pkg-config") is None or shutil.which("c++") is None:
        pytest.skip("needs pkg-config and c++")
    environment = dict(os.environ, PKG_CONFIG_PATH=str(Path(wheel).parents[1] / "pkgconfig"))
    assert run("pkg-config", "--modversion", "peephole", env=environment).strip()
    flags = run("pkg-config", "--cflags", "--libs", "peephole", env=environment).split()
    source = tmp_path / "app.cpp"
    source.write_text(APP, encoding="utf-8")
    run("c++", "-std=c++17", source, "-o", tmp_path / "app", *flags)
    assert np.float32(run(tmp_path / "app")) == expected()


def check_exports(library):
    """Namespace peephole and the C functions; no internal parts, nothing of other libraries."""
    if sys.platform != "linux" or shutil.which("nm") is None:
        return
    names = {line.split()[-1] for line in run("nm", "-D", "--defined-only", library).splitlines()}
    assert "peephole_load" in names
    assert any(name.startswith("_ZN8peephole6StreamIfE4step") for name in names)
    foreign = re.compile(
        "Eigen|nlohmann|pybind|kernels|reference|baseline|avx"
        r"|^_ZNK?8peephole(5StackI|\d+[A-Za-z]+I[fd]E4Impl)"  # members of these, not arguments
    )
    for name in names:
        assert re.match(r"peephole_|_ZNK?8peephole|_ZT[IVS]N8peephole", name), name
        assert not foreign.search(name), name


@pytest.mark.skipif(
    "PEEPHOLE_TEST_FETCHCONTENT" not in os.environ,
    reason="PEEPHOLE_TEST_FETCHCONTENT is not set: it compiles the core",
)
def test_by_fetchcontent_and_shared(tmp_path):
    """As a shared library, which is then installed, and found there: the core is compiled once."""
    fetched, found = tmp_path / "fetched", tmp_path / "found"
    fetched.mkdir()
    found.mkdir()
    fetch = FETCH.format(root=ROOT.as_posix())
    options = (
        "-DBUILD_SHARED_LIBS=ON",
        "-DPEEPHOLE_INSTALL=ON",
    )  # by default, only of a whole project
    assert build_app(fetched, fetch, KERNELS, *options) == expected()

    check_exports(next(fetched.rglob("libpeephole.so")))

    built, prefix = fetched / "build" / "_deps" / "peephole-build", tmp_path / "prefix"
    run("cmake", "--install", built, "--prefix", prefix, "--component", "cpp")
    shutil.rmtree(fetched)
    assert not list(prefix.rglob("libpeephole.a"))
    assert list(prefix.rglob("libpeephole.so*")) or sys.platform != "linux"
    assert build_app(found, FIND(version=""), f"-DCMAKE_PREFIX_PATH={prefix}") == expected()


FAST_MATH = "-Ofast -ffast-math -funsafe-math-optimizations -fassociative-math -ffinite-math-only"


def test_flags_of_a_fast_project(tmp_path):
    """On each command line of the core, the flags for exact arithmetic come last."""
    source = write_project(tmp_path, FETCH.format(root=ROOT.as_posix()))
    configured = subprocess.run(
        [
            *("cmake", "-S", source, "-B", tmp_path / "build", f"-DCMAKE_CXX_FLAGS={FAST_MATH}"),
            "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
        ],
        capture_output=True,
        text=True,
    )
    if "nlohmann" in configured.stderr or "Eigen" in configured.stderr:
        pytest.skip("needs Eigen and nlohmann-json")
    assert configured.returncode == 0, configured.stderr
    commands = json.loads((tmp_path / "build" / "compile_commands.json").read_text())
    # Of the kernels' files, and of the units that each folder of the core is compiled as.
    of_core = [c["command"] for c in commands if re.search(r"/peephole\w*\.dir/", c["command"])]
    assert len(of_core) >= 20
    for command in of_core:
        flags = command.split()
        for flag in ("fast-math", "unsafe-math-optimizations", "associative-math"):
            said = [f for f in flags if f in (f"-f{flag}", f"-fno-{flag}", "-Ofast")]
            assert said[-1] == f"-fno-{flag}", command
        assert [f for f in flags if f.startswith("-ffp-contract")][-1] == "-ffp-contract=off"


@pytest.mark.skipif(
    "PEEPHOLE_TEST_FETCHCONTENT" not in os.environ,
    reason="PEEPHOLE_TEST_FETCHCONTENT is not set: it compiles the core",
)
def test_a_fast_project_gets_exact_results(tmp_path, runtime_as_before):
    source = write_project(tmp_path, FETCH.format(root=ROOT.as_posix()), EXACT_APP)
    build(source, tmp_path / "build", KERNELS, f"-DCMAKE_CXX_FLAGS={FAST_MATH}")
    printed = run(tmp_path / "build" / "app").split()
    x = np.array([0.3, -2, 1e-3, 40, -1e6, 1e30, -3e38, 5, np.inf, 1], np.float32)[:, None]
    net = peephole.Network(1, 8, 1, seed=0)
    expected = []
    for isa in peephole.build_info()["isas"]:
        peephole.set_isa(isa)
        expected += [
            net.stream(2).process(x.reshape(2, 5, 1)).ravel(),
            net.stream().process(x)[:, 0],
        ]
    got = np.array([float.fromhex(value) for value in printed], np.float32)
    np.testing.assert_array_equal(got, np.concatenate(expected))
    assert np.isfinite(got).any()


@pytest.fixture(scope="session")
def example(wheel, tmp_path_factory):
    """The program of an example, built with the wheel's package."""

    def built(name, *options, program=None):
        folder = tmp_path_factory.mktemp(name)
        build(EXAMPLES / name, folder, f"-Dpeephole_DIR={wheel}", *options)
        return folder / (program or name)

    return built


def test_train(example, tmp_path):
    model = tmp_path / "adding.safetensors"
    assert "mean squared error" in run(example("train"), model)
    net = peephole.load(model)
    x = np.zeros((20, 2), np.float32)
    x[[3, 15]] = [[0.5, 1], [0.25, 1]]
    assert abs(net.predict(x)[0] - 0.75) < 0.3


def test_forecast(example, tmp_path):
    program, model = example("forecast"), tmp_path / "sines.safetensors"
    said = run(
        sys.executable, EXAMPLES / "forecast" / "train.py", "-", model, "--epochs", 3, "--hidden", 8
    )
    assert re.search(r"R² of the next step -?\d", said)
    series = np.sin(0.3 * np.arange(40, dtype=np.float32))
    lines = run(program, model, input="\n".join(f"{value:.9g}" for value in series))
    forecast = np.array(lines.split(), np.float32)
    assert np.array_equal(forecast, peephole.load(model).predict(series[:, None])[:, 0])
    refused = subprocess.run([program, model], input="1,2\n", capture_output=True, text=True)
    assert refused.returncode == 1
    assert "line 1: expected 1 numbers" in refused.stderr


def test_amp(example, tmp_path):
    program, model = example("amp"), tmp_path / "amp.safetensors"
    sound, out = tmp_path / "in.wav", tmp_path / "out.wav"
    said = run(
        *(sys.executable, EXAMPLES / "amp" / "train.py", model, "--input", sound),
        *("--epochs", 2, "--seconds", 1, "--hidden", 8),
    )
    assert "residual error" in said
    assert re.search(r"load [\d.]+ % of one core", run(program, model, sound, out))
    pcm = np.frombuffer(sound.read_bytes()[44:], "<i2").astype(np.float32) / 32768
    played = np.frombuffer(out.read_bytes()[44:], "<f4")
    assert np.array_equal(played, peephole.load(model).predict(pcm[:, None])[:, 0])


def test_plugin(example, tmp_path):
    """The host exchanges the model while it plays; cpp/tests/examples has the effect's own test."""
    model = tmp_path / "knob.safetensors"
    train = EXAMPLES / "plugin" / "train.py"
    said = run(sys.executable, train, model, "--epochs", 2, "--examples", 64, "--hidden", 8)
    assert re.search(r"residual error \d", said)
    host = example("plugin", f"-DMODEL={model}", program="host")
    said = run(host, 1)
    assert re.search(r"750 blocks of 64 samples in 2 channels, 1333 us each; [1-9]", said)
    assert "nan" not in said
    refused = subprocess.run([host, "1", train], capture_output=True, text=True)
    assert refused.returncode == 1

"""What a plugin holds that contains the static library: the kernels of steps, of one type."""

import ctypes
import re
import shutil
import subprocess
import sys

import numpy as np
import peephole
import pytest
from peephole.__main__ import cmake_dir

pytestmark = [
    pytest.mark.skipif(
        sys.platform != "linux"
        or any(shutil.which(tool) is None for tool in ("c++", "nm", "strip")),
        reason="needs Linux, c++, nm and strip",
    ),
    pytest.mark.skipif(
        not cmake_dir().is_dir(), reason="needs the package installed from its wheel"
    ),
]

# Of the stripped file, with kernels of three instruction sets: 1.65 MB, of which those for
# quantized models, which a file may hold, take 0.5.
MOST_BYTES = 1_750_000

PLUGIN = """
#include "peephole/files.hpp"
#include "peephole/stream.hpp"
using namespace peephole;
using Voice = Stream<float>;
#define EXPORT extern "C" __attribute__((visibility("default")))
EXPORT Voice* plugin_make(const char* path) { return new Voice(load<Network<float>>(path)); }
EXPORT void plugin_step(Voice* voice, const float* x, float* y) { voice->step(x, y); }
EXPORT void plugin_free(Voice* voice) { delete voice; }
"""


def run(*command):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plugin")
    root = cmake_dir().parents[2]
    source, library = folder / "plugin.cpp", folder / "plugin.so"
    source.write_text(PLUGIN)
    run(
        *("c++", "-std=c++17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden"),
        *("-ffunction-sections", "-I", root / "include", source, "-o", library),
        *(root / "lib" / "libpeephole.a", "-Wl,--gc-sections"),
        *("-Wl,--exclude-libs,libpeephole.a", "-pthread", "-ldl"),
    )
    return library


def test_it_holds_no_training_and_no_other_type(plugin, tmp_path):
    tables = re.findall(
        r"(\w+)_(?:baseline|avx2|avx512|neon)_(float|double)\b", run("nm", "-C", plugin)
    )
    assert {part.split("::")[-1] for part, _ in tables} == {"forward", "step", "head"}
    assert {number for _, number in tables} == {"float"}
    stripped = tmp_path / "stripped.so"
    run("strip", "-o", stripped, plugin)
    assert stripped.stat().st_size < MOST_BYTES


def test_it_exports_its_own_functions(plugin):
    names = {line.split()[-1] for line in run("nm", "-D", "--defined-only", plugin).splitlines()}
    assert {"plugin_make", "plugin_step", "plugin_free"} <= names
    # The plugin's own instances of the C++ library's templates are its compiler's matter.
    assert not [name for name in names if re.search("peephole|Eigen|nlohmann", name)]


def test_it_computes(plugin, tmp_path):
    library = ctypes.CDLL(str(plugin))
    library.plugin_make.restype = ctypes.c_void_p
    library.plugin_make.argtypes = [ctypes.c_char_p]
    library.plugin_step.argtypes = [ctypes.c_void_p] * 3
    library.plugin_free.argtypes = [ctypes.c_void_p]
    net = peephole.Network(1, 20, 1, seed=0)
    net.save(tmp_path / "model")
    voice = library.plugin_make(str(tmp_path / "model").encode())
    x = np.random.default_rng(0).standard_normal((30, 1)).astype(np.float32)
    y = np.empty_like(x)
    for t in range(len(x)):
        library.plugin_step(voice, x[t].ctypes.data, y[t].ctypes.data)
    library.plugin_free(voice)
    np.testing.assert_array_equal(y, net.predict(x))

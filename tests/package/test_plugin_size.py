"""What a plugin holds that contains the static library: the kernels of steps, of one type.

The second build of the library compiles the core, so its tests run only where
PEEPHOLE_TEST_FETCHCONTENT is set, as in CI.
"""

import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import peephole
import pytest
from peephole.__main__ import cmake_dir
from support.tolerances import ROUNDING

from bench import plugin_size

SOURCE = Path(plugin_size.__file__).with_name("plugin") / "plugin.cpp"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or any(shutil.which(tool) is None for tool in ("c++", "nm", "strip")),
    reason="needs Linux, c++, nm and strip",
)

# Of the stripped file, with kernels of three instruction sets: 1.58 MB, of which those for
# quantized models, which a file may hold, take 0.5.
MOST_BYTES = 1_700_000
# Of a small one with the kernels of AVX2: 0.49 MB.
MOST_BYTES_OF_SMALL = 500_000
# Tests of the core that a small build passes, too: of both passes, in batches, and of integers.
PROGRAMS = ("compute_backend_test", "compute_norm_test", "api_quantize_test", "api_lstm_test")


def run(*command):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Linked by hand with the library of the installed package."""
    if not cmake_dir().is_dir():
        pytest.skip("needs the package installed from its wheel")
    root = cmake_dir().parents[2]
    library = tmp_path_factory.mktemp("plugin") / "plugin.so"
    run(
        *("c++", "-std=c++17", "-O2", "-fPIC", "-shared", "-fvisibility=hidden"),
        *("-ffunction-sections", "-I", root / "include", SOURCE, "-o", library),
        *(root / "lib" / "libpeephole.a", "-Wl,--gc-sections"),
        *("-Wl,--exclude-libs,libpeephole.a", "-pthread", "-ldl"),
    )
    return library


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Built with PEEPHOLE_SMALL, and the kernels of AVX2 where the processor's family has them."""
    if "PEEPHOLE_TEST_FETCHCONTENT" not in os.environ:
        pytest.skip("PEEPHOLE_TEST_FETCHCONTENT is not set: it compiles the core")
    if shutil.which("cmake") is None:
        pytest.skip("needs cmake")
    return plugin_size.build(
        *(tmp_path_factory.mktemp("small"), "avx2;neon", True, "-DPEEPHOLE_BUILD_TESTS=ON"),
        targets=("plugin", *PROGRAMS),
    )


@pytest.fixture(params=["installed", "small"])
def plugin(request):
    return request.getfixturevalue(request.param)


class Voice:
    """A model in a plugin."""

    def __init__(self, plugin, path):
        self.library = ctypes.CDLL(str(plugin))
        self.library.plugin_make.restype = ctypes.c_void_p
        self.library.plugin_make.argtypes = [ctypes.c_char_p]
        self.library.plugin_step.argtypes = [ctypes.c_void_p] * 3
        self.library.plugin_free.argtypes = [ctypes.c_void_p]
        self.made = self.library.plugin_make(str(path).encode())

    def process(self, x, outputs):
        y = np.empty((len(x), outputs), x.dtype)
        for x_t, y_t in zip(x, y, strict=True):
            self.library.plugin_step(self.made, x_t.ctypes.data, y_t.ctypes.data)
        self.library.plugin_free(self.made)
        return y


def test_it_holds_no_training_and_no_other_type(plugin):
    tables = re.findall(
        r"(\w+)_(?:baseline|avx2|avx512|neon)_(float|double)\b", run("nm", "-C", plugin)
    )
    assert {part.split("::")[-1] for part, _ in tables} == {"forward", "step", "head"}
    assert {number for _, number in tables} == {"float"}


def test_size(installed):
    assert plugin_size.stripped_bytes(installed) < MOST_BYTES


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the bound is for AVX2")
def test_size_of_small(small):
    assert plugin_size.stripped_bytes(small) < MOST_BYTES_OF_SMALL


def test_it_exports_its_own_functions(plugin):
    names = {line.split()[-1] for line in run("nm", "-D", "--defined-only", plugin).splitlines()}
    assert {"plugin_make", "plugin_step", "plugin_free"} <= names
    # The plugin's own instances of the C++ library's templates are its compiler's matter.
    assert not [name for name in names if re.search("peephole|Eigen|nlohmann", name)]


MODELS = {
    "one panel": lambda: peephole.Network(1, 6, 1, seed=0),
    "tiles": lambda: peephole.Network(2, [70, 20], 3, seed=0),
    "dense peepholes": lambda: peephole.Network(1, 20, 1, peephole="dense", seed=0),
    "projection": lambda: peephole.Network(1, 20, 1, projection_size=5, seed=0),
    "other activations": lambda: peephole.Network(1, 20, 1, activations={"g": "relu"}, seed=0),
    "integers": lambda: peephole.Network(2, [40, 20], 1, seed=0).quantize("int8"),
}


def chosen_by_small():
    """The best set of this processor among those of the small plugin."""
    return next(isa for isa in ("avx2", "neon", "baseline") if isa in peephole.build_info()["isas"])


def steps(plugin, net, folder):
    net.save(folder / "model")
    x = np.random.default_rng(0).standard_normal((30, net.input_size)).astype(np.float32)
    return x, Voice(plugin, folder / "model").process(x, net.output_size)


@pytest.mark.parametrize("model", MODELS)
def test_it_computes(installed, model, tmp_path):
    net = MODELS[model]()
    x, y = steps(installed, net, tmp_path)
    np.testing.assert_array_equal(y, net.predict(x))


@pytest.mark.parametrize("model", MODELS)
def test_small_computes_the_same(small, model, tmp_path, runtime_as_before):
    net = MODELS[model]()
    x, y = steps(small, net, tmp_path)
    peephole.set_isa(chosen_by_small())
    np.testing.assert_array_equal(y, net.predict(x))


OF_BASELINE = {
    "layer normalisation": lambda: peephole.Network(2, 20, 1, layer_norm="gates", seed=0),
    "layer normalisation, integers": lambda: peephole.Network(
        2, 20, 1, layer_norm="gates", seed=0
    ).quantize("int16"),
    "projection": lambda: peephole.Network(2, 40, 1, projection_size=20, seed=0).quantize("int8"),
}


@pytest.mark.parametrize("model", OF_BASELINE)
def test_layers_that_the_baseline_computes(small, model, tmp_path, runtime_as_before):
    net = OF_BASELINE[model]()
    x, y = steps(small, net, tmp_path)
    peephole.set_isa("baseline")  # of the layer; the head is that of chosen_by_small()
    np.testing.assert_allclose(y, net.predict(x), rtol=0, atol=ROUNDING["float32"])


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_of_small(small, program):
    run(small.parent / "peephole" / "cpp" / "tests" / program)

"""The C API through cffi, which reads peephole.h as the preprocessor leaves it."""

import os
import re
import shutil
import subprocess

import numpy as np
import peephole
import pytest
from peephole import interop
from peephole.__main__ import cmake_dir

cffi = pytest.importorskip("cffi")

PATH = os.environ.get("PEEPHOLE_SHARED_LIBRARY")
INCLUDE = cmake_dir().parents[2] / "include"

pytestmark = [
    pytest.mark.skipif(not PATH, reason="PEEPHOLE_SHARED_LIBRARY names no library"),
    pytest.mark.skipif(
        shutil.which("cc") is None or not INCLUDE.is_dir(),
        reason="needs cc, and the package installed from its wheel",
    ),
]


@pytest.fixture(scope="module")
def declarations():
    command = ["cc", "-E", "-P", "-I", INCLUDE, INCLUDE / "peephole" / "peephole.h"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def ffi(declarations):
    ffi = cffi.FFI()
    ffi.cdef(declarations)
    return ffi


@pytest.fixture(scope="module")
def library(ffi):
    return ffi.dlopen(PATH)


@pytest.fixture
def load(ffi, library):
    """A model of a file's bytes."""

    def loaded(data, read="peephole_load_memory"):
        pointer = ffi.new("peephole_model**")
        status = getattr(library, read)(data, len(data), pointer)
        assert status == library.PEEPHOLE_OK, ffi.string(library.peephole_error())
        return ffi.gc(pointer[0], library.peephole_free)

    return loaded


def test_every_function_is_in_the_library(declarations, library):
    names = set(re.findall(r"\b(peephole_\w+)\(", declarations))
    assert len(names) >= 30
    for name in names:
        assert getattr(library, name)
    if shutil.which("nm") is not None:
        command = ["nm", "-D", "--defined-only", PATH]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert {line.split()[-1] for line in said.splitlines()} >= names


def test_the_version(ffi, library):
    assert ffi.string(library.peephole_version()).decode() == peephole.__version__


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_state_in_and_out(ffi, library, load, dtype, tmp_path):
    net = peephole.Network(2, [5, 4], 3, projection_size=3, dtype=dtype, seed=0)
    net.save(tmp_path / "model", metadata={"name": "röhre", "sample_rate": "48000"})
    model = load((tmp_path / "model").read_bytes())
    x = np.random.default_rng(0).standard_normal((20, 2)).astype(dtype)
    y = np.empty((20, 3), dtype)
    suffix, number = ("_double", "double") if dtype == "float64" else ("", "float")
    process, get_state, set_state = (
        getattr(library, f"peephole_{name}{suffix}")
        for name in ("process", "get_state", "set_state")
    )

    def values(array):
        return ffi.from_buffer(f"{number}[]", array)

    assert ffi.string(library.peephole_dtype(model)).decode() == dtype
    assert library.peephole_layers(model) == 2
    assert library.peephole_state_size(model) == 3 + 5 + 3 + 4
    assert ffi.string(library.peephole_metadata(model, b"name")).decode() == "röhre"
    assert library.peephole_sample_rate(model) == 48000
    assert f'"dtype":"{dtype}"' in ffi.string(library.peephole_options(model)).decode()

    stream = net.stream()
    stream.process(x[:8])
    state = np.concatenate([part.ravel() for pair in stream.state for part in pair])
    assert process(model, values(x), values(y), 8) == library.PEEPHOLE_OK
    got = np.empty(15, dtype)
    assert get_state(model, values(got)) == library.PEEPHOLE_OK
    np.testing.assert_array_equal(got, state)
    library.peephole_reset(model)
    assert set_state(model, values(state)) == library.PEEPHOLE_OK
    assert process(model, values(x[8:]), values(y[8:]), 12) == library.PEEPHOLE_OK
    np.testing.assert_array_equal(y, net.predict(x))


def test_other_forms_from_memory(ffi, library, load, tmp_path):
    net = peephole.Network(1, 4, 1, peephole="none", seed=0)
    interop.to_nam(net, tmp_path / "amp.nam", sample_rate=44100, metadata={"name": "amp"})
    interop.to_rtneural(net, tmp_path / "amp.json")
    for form, name, rate in [("nam", "amp.nam", 44100), ("rtneural", "amp.json", 0)]:
        model = load((tmp_path / name).read_bytes(), f"peephole_load_{form}_memory")
        assert ffi.string(library.peephole_format(model)).decode() == form
        assert library.peephole_sample_rate(model) == rate
        assert library.peephole_metadata_count(model) == (2 if form == "nam" else 0)

"""The C API through ctypes, as other languages call it: the shared library beside the package."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import peephole
import pytest
from peephole import interop

# .ci/run names the one that the C++ tests build.
PATH = os.environ.get("PEEPHOLE_SHARED_LIBRARY")
pytestmark = pytest.mark.skipif(not PATH, reason="PEEPHOLE_SHARED_LIBRARY names no library")

OK, BAD_ARGUMENT, BAD_FILE, CANNOT_READ = range(4)


@pytest.fixture(scope="module")
def library():
    library = ctypes.CDLL(PATH)
    pointer = ctypes.c_void_p
    library.peephole_error.restype = ctypes.c_char_p
    library.peephole_load.argtypes = [ctypes.c_char_p, ctypes.POINTER(pointer)]
    for name in ("input_size", "output_size"):
        function = getattr(library, f"peephole_{name}")
        function.argtypes, function.restype = [pointer], ctypes.c_size_t
    for name in ("step", "step_double"):
        getattr(library, f"peephole_{name}").argtypes = [pointer] * 3
    for name in ("nam", "rtneural"):
        function = getattr(library, f"peephole_load_{name}")
        function.argtypes = [ctypes.c_char_p, ctypes.POINTER(pointer)]
    library.peephole_process.argtypes = [*[pointer] * 3, ctypes.c_size_t]
    library.peephole_sample_rate.argtypes = [pointer]
    library.peephole_sample_rate.restype = ctypes.c_double
    for name in ("reset", "free", "is_double"):
        getattr(library, f"peephole_{name}").argtypes = [pointer]
    return library


def load(library, path):
    model = ctypes.c_void_p()
    status = library.peephole_load(os.fsencode(path), ctypes.byref(model))
    return status, model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["LSTM", "Network"])
def test_steps_are_the_package_s(library, kind, dtype, tmp_path):
    options = {"peephole": "dense", "dtype": dtype, "seed": 0}
    if kind == "LSTM":
        model = peephole.LSTM(3, [8, 5], **options)
    else:
        model = peephole.Network(3, [8, 5], 2, head="tanh", **options)
    path = tmp_path / "módel"
    model.save(path)
    x = np.random.default_rng(0).standard_normal((30, 3)).astype(dtype)
    expected = model(x)[0]

    status, handle = load(library, path)
    assert status == OK, library.peephole_error()
    assert library.peephole_input_size(handle) == 3
    assert library.peephole_output_size(handle) == expected.shape[1]
    assert library.peephole_is_double(handle) == (dtype == "float64")
    step = library.peephole_step_double if dtype == "float64" else library.peephole_step
    y = np.empty_like(expected)
    for _ in range(2):
        for t in range(len(x)):
            assert step(handle, x[t].ctypes.data, y[t].ctypes.data) == OK
        np.testing.assert_array_equal(y, expected)
        library.peephole_reset(handle)
    library.peephole_free(handle)


def test_captures_of_other_programs(library, tmp_path):
    net = peephole.Network(1, 4, 1, peephole="none", seed=0)
    _, state = net(np.zeros((100, 1)))
    nam, rtneural = tmp_path / "amp.nam", tmp_path / "amp.json"
    interop.to_nam(net, nam, state, sample_rate=44100)
    interop.to_rtneural(net, rtneural)
    x = np.random.default_rng(0).standard_normal((30, 1)).astype(np.float32)
    y = np.empty_like(x)
    for read, path, rate, initial in [
        (library.peephole_load_nam, nam, 44100, state),
        (library.peephole_load_rtneural, rtneural, 0, None),
    ]:
        handle = ctypes.c_void_p()
        assert read(os.fsencode(path), ctypes.byref(handle)) == OK, library.peephole_error()
        assert library.peephole_sample_rate(handle) == rate
        for _ in range(2):
            assert library.peephole_process(handle, x.ctypes.data, y.ctypes.data, len(x)) == OK
            np.testing.assert_array_equal(y, net.predict(x, state=initial))
            library.peephole_reset(handle)
        library.peephole_free(handle)


def test_errors(library, tmp_path):
    status, handle = load(library, tmp_path / "absent")
    assert status == CANNOT_READ and handle.value is None
    assert b"absent" in library.peephole_error()
    (tmp_path / "foreign").write_bytes(b"no model")
    assert load(library, tmp_path / "foreign")[0] == BAD_FILE
    assert library.peephole_step(None, None, None) == BAD_ARGUMENT


def test_the_library_needs_no_python(library):
    """It loads without NumPy and without the package."""
    code = f"import ctypes; ctypes.CDLL({PATH!r}).peephole_free(None)"
    subprocess.run([sys.executable, "-S", "-E", "-c", code], check=True, timeout=60)

"""Safetensors files of named arrays, which checkpoints are."""

import contextlib
import json
import os
import stat
import struct
import sys
import threading
from pathlib import Path

import numpy as np
import peephole
import pytest
from peephole._core import TensorFile, read_tensors, write_tensors
from support.refusals import bounded_memory

DTYPES = ["?", "i1", "u1", "i2", "u2", "f2", "i4", "u4", "f4", "i8", "u8", "f8"]
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")


def assert_same(got, expected):
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        assert got[name].dtype == array.dtype.newbyteorder("="), name
        assert got[name].shape == array.shape, name
        np.testing.assert_array_equal(got[name], array, name)


def arrays():
    rng = np.random.default_rng(0)
    found = {f"a/{d}": (100 * rng.random((3, 4))).astype(d) for d in DTYPES}
    found |= {f"one/{d}": np.ones((), d) for d in DTYPES}
    found |= {f"none/{d}": np.ones((2, 0, 3), d) for d in DTYPES}
    found["other byte order"] = np.arange(5, dtype=">f8")
    found["strides"] = np.arange(24.0).reshape(4, 6).T[::-1, ::2]
    found["é 模型"] = np.array([np.nan, np.inf, -0.0, 1e-45], "f4")
    return found


def test_round_trip(tmp_path):
    metadata = {"notes": json.dumps({"a": [1, "é"]}), "": "", "é": "x\0y\n"}
    write_tensors(tmp_path / "file", arrays(), metadata)
    got, texts = read_tensors(tmp_path / "file")
    assert texts == metadata
    assert_same(got, arrays())
    got["a/f8"][...] = 0  # writable, of its own memory
    file = TensorFile(tmp_path / "file")
    assert file.metadata == metadata
    assert file.specs["a/f4"] == ("F32", (3, 4))
    np.testing.assert_array_equal(file.read("a/f8"), arrays()["a/f8"])
    with pytest.raises(KeyError):
        file.read("b")


def test_nothing_at_all(tmp_path):
    write_tensors(tmp_path / "file", {}, {})
    assert read_tensors(tmp_path / "file") == ({}, {})


def test_the_safetensors_package_reads_and_writes_the_same(tmp_path):
    safetensors = pytest.importorskip("safetensors")
    from safetensors.numpy import load, save_file

    native = {k: np.ascontiguousarray(v) for k, v in arrays().items() if v.dtype.isnative}
    write_tensors(tmp_path / "ours", native, {"a": "b"})
    assert_same(load((tmp_path / "ours").read_bytes()), native)
    with safetensors.safe_open(tmp_path / "ours", framework="np") as file:
        assert file.metadata() == {"a": "b"}
    save_file(native, tmp_path / "theirs", {"a": "b"})
    got, metadata = read_tensors(tmp_path / "theirs")
    assert metadata == {"a": "b"}
    assert_same(got, native)


def test_a_model_file_is_one(tmp_path):
    model = peephole.LSTM(2, 3, seed=0)
    model.save(tmp_path / "model")
    got, metadata = read_tensors(tmp_path / "model")
    assert_same(got, {name: np.array(model.parameters[name]) for name in model.parameters})
    assert metadata["format"] == "peephole"


@pytest.mark.parametrize(
    ("error", "argument", "values", "metadata"),
    [
        (TypeError, "arrays", None, {}),
        (TypeError, "arrays", {1: np.ones(2)}, {}),
        (TypeError, r'arrays\["a"\]', {"a": [1.0]}, {}),
        (TypeError, r'arrays\["a"\]', {"a": np.ones(2, complex)}, {}),
        (TypeError, r'arrays\["a"\]', {"a": np.array(["x"])}, {}),
        (TypeError, r'arrays\["a"\]', {"a": np.array([None])}, {}),
        (TypeError, r'arrays\["a"\]', {"a": np.ones(2, "M8[s]")}, {}),
        (ValueError, "arrays", {"\ud800": np.ones(2)}, {}),
        (ValueError, "an array cannot be called __metadata__", {"__metadata__": np.ones(2)}, {}),
        (TypeError, "metadata", {}, None),
        (TypeError, r'metadata\["a"\]', {}, {"a": 1}),
        (ValueError, r'metadata\["a"\]', {}, {"a": "\ud800"}),
        (ValueError, ".*metadata", {}, {str(k): "" for k in range(1000)}),
    ],
)
def test_what_cannot_be_written(error, argument, values, metadata, tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(error, match=f"^{argument}"):
        write_tensors(tmp_path / "file", values, metadata)
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.fixture
def whole(tmp_path):
    write_tensors(tmp_path / "whole", {"a": np.arange(6.0), "b": np.ones(3, bool)}, {"k": "v"})
    return (tmp_path / "whole").read_bytes()


def refused(path, data):
    path.write_bytes(data)
    with bounded_memory(gigabytes=1):
        for read in (read_tensors, TensorFile):
            with pytest.raises(ValueError) as caught:
                read(path)
            assert type(caught.value) is ValueError
            assert str(path) in str(caught.value)


def test_cut_short_anywhere(whole, tmp_path):
    for end in range(len(whole)):
        refused(tmp_path / "short", whole[:end])
    refused(tmp_path / "long", whole + b"\0")


def test_forged(whole, tmp_path):
    (size,) = struct.unpack("<Q", whole[:8])
    header, values = json.loads(whole[8 : 8 + size]), whole[8 + size :]
    changes = [
        {"shape": [7]},
        {"shape": [2**61]},
        {"shape": [2**32, 2**32]},
        {"shape": [2**62, 0]},
        {"shape": [6, 1, 2]},
        {"shape": [1] * 9},
        {"dtype": "F32"},
        {"dtype": "F9"},
        {"data_offsets": [0, 2**40]},
        {"data_offsets": [8, 56]},
        {"data_offsets": [48, 0]},
    ]
    for change in changes:
        text = json.dumps(header | {"a": header["a"] | change}).encode()
        refused(tmp_path / "forged", struct.pack("<Q", len(text)) + text + values)


def test_a_bool_is_0_or_1(whole, tmp_path):
    assert whole.endswith(b"\1\1\1")
    (tmp_path / "forged").write_bytes(whole[:-3] + b"\0\2\xff")
    read = read_tensors(tmp_path / "forged")[0]["b"]
    assert read.tobytes() == b"\0\1\1"


def test_errors_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        read_tensors(tmp_path / "absent")
    assert caught.value.filename == str(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        write_tensors(tmp_path / "absent" / "file", {}, {})
    for call in (read_tensors, lambda path: write_tensors(path, {}, {})):
        with pytest.raises(IsADirectoryError, match="not a regular file"):
            call(tmp_path)


@POSIX
@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "device"])
def test_no_regular_file(kind, tmp_path):
    """It is refused at once, without waiting, and is unchanged."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    if kind == "link to a pipe":
        path = tmp_path / "link"
        path.symlink_to("pipe")
    elif kind == "device":
        path = Path("/dev/null")
    model = peephole.LSTM(1, 1, seed=0)
    before = path.stat().st_mode
    calls = [
        read_tensors,
        TensorFile,
        peephole.load,
        model.save,
        lambda path: write_tensors(path, {}, {}),
    ]
    for call in calls:
        with pytest.raises(OSError, match="not a regular file") as caught:
            call(path)
        assert caught.value.filename == str(path) or kind == "link to a pipe"
        assert path.stat().st_mode == before


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400])
def test_the_mode_stays(mode, tmp_path):
    path = tmp_path / "file"
    for _ in range(2):
        write_tensors(path, {"a": np.ones(3)}, {})
        path.chmod(mode)
    write_tensors(path, {"a": np.ones(3)}, {})
    assert stat.S_IMODE(path.stat().st_mode) == mode


@POSIX
def test_nobody_else_reads_a_private_file_while_it_is_replaced(tmp_path):
    path = tmp_path / "file"
    path.touch(0o600)
    done = threading.Event()
    seen = set()

    def look():
        while not done.is_set():
            with os.scandir(tmp_path) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):
                        seen.add(stat.S_IMODE(entry.stat().st_mode))

    watcher = threading.Thread(target=look)
    watcher.start()
    for _ in range(200):
        write_tensors(path, {"a": np.ones(3)}, {})
    done.set()
    watcher.join()
    assert seen == {0o600}


def test_writers_on_one_path(tmp_path):
    """Threads write models and arrays to one path; readers always find a complete file."""
    path = tmp_path / ("a" * 250)
    contents = [{"a": np.full(size, size, "f4")} for size in (10, 20_000)]
    write_tensors(path, contents[0], {})
    errors = []

    def work(call):
        try:
            for _ in range(40):
                call()
        except Exception as error:
            errors.append(error)

    def read():
        array = read_tensors(path)[0]["a"]
        assert (array == len(array)).all()

    calls = [*(lambda c=c: write_tensors(path, c, {}) for c in contents), read, read]
    threads = [threading.Thread(target=work, args=[call]) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]

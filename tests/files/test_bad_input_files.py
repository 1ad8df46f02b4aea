"""Model files that are cut short, foreign or forged: a ValueError that says what is wrong."""

import json
import struct

import numpy as np
import peephole
import pytest
from support.refusals import bounded_memory, unchanged
from support.tolerances import assert_identical


@pytest.fixture(autouse=True)
def _bounded_memory():
    """Sizes in a file are checked before memory is allocated for them."""
    with bounded_memory(gigabytes=1):
        yield


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    masks = {"weight_hh_l0": rng.random((16, 4)) < 0.5}
    return peephole.Network(3, [4, 2], 2, peephole="dense", head="softmax", masks=masks, seed=0)


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    """The bytes of its file: the header's size as 8 bytes, the header, the values."""
    path = tmp_path_factory.mktemp("whole") / "model"
    model.save(path)
    return path.read_bytes()


def split(data):
    (size,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def join(header, values):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + values


def assert_refused(path, data, says=""):
    """Loading these bytes is a ValueError that names the file."""
    path.write_bytes(data)
    with pytest.raises(ValueError) as caught:
        peephole.load(path)
    assert type(caught.value) is ValueError, repr(caught.value)
    assert str(path) in str(caught.value) and says in str(caught.value)
    assert path.read_bytes() == data


def test_the_whole_file_is_right(model, whole, tmp_path):
    """It is still valid after it is split and joined again, as the tests below do."""
    path = tmp_path / "model"
    path.write_bytes(join(*split(whole)))
    loaded = peephole.load(path)
    assert type(loaded) is peephole.Network and loaded.options == model.options
    for name in model.parameters:
        assert_identical(loaded.parameters[name], model.parameters[name], name)


def test_cut_short_anywhere(whole, tmp_path):
    header_end = 8 + struct.unpack("<Q", whole[:8])[0]
    places = {*range(16), *range(16, header_end, 37), *range(header_end - 4, header_end + 4)}
    places |= {*range(header_end, len(whole), 53), *range(len(whole) - 4, len(whole))}
    for end in sorted(places):
        assert_refused(tmp_path / "short", whole[:end])
    assert_refused(tmp_path / "long", whole + b"\0")


def test_first_half_missing(whole, tmp_path):
    for start in (1, 8, 9, 100, len(whole) // 2):
        assert_refused(tmp_path / "late", whole[start:])


@pytest.mark.parametrize("size", [0, 1, 7, 100, 10**6, 10**8 + 1, 2**31, 2**32, 2**62, 2**64 - 1])
def test_wrong_size_of_the_header(whole, tmp_path, size):
    assert_refused(tmp_path / "lie", struct.pack("<Q", size) + whole[8:])


FOREIGN = {
    "zeros": bytes(1000),
    "text": b"input_size: 3\n" * 50,
    "JSON": b'{"input_size": 3}',
    "ZIP": b"PK\x03\x04" + bytes(500),
    "NumPy": b"\x93NUMPY\x01\x00" + bytes(500),
    "pickle": b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00.",
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(500),
    "no JSON in the header": join(b"no JSON here", b""),
    "header that is not UTF-8": join(b'{"a": "\xff\xfe"}', b""),
    "a list in the header": join([], b""),
    "an empty header": join({}, b""),
    "nested too deep": join(b'{"a":' * 5000 + b"1" + b"}" * 5000, b""),
}


@pytest.mark.parametrize("data", FOREIGN.values(), ids=FOREIGN.keys())
def test_foreign(tmp_path, data):
    assert_refused(tmp_path / "foreign", data)


def test_safetensors_of_others(tmp_path):
    from safetensors.numpy import save

    for metadata in (None, {"format": "pt"}, {"format": "np", "kind": "LSTM"}):
        data = save({"weight_ih_l0": np.zeros((16, 3), np.float32)}, metadata)
        assert_refused(tmp_path / "other", data, "not one that peephole wrote")


def forge(whole, **metadata):
    header, values = split(whole)
    for key, value in metadata.items():
        if value is None:
            del header["__metadata__"][key]
        else:
            header["__metadata__"][key] = value
    return join(header, values)


@pytest.mark.parametrize("key", ["format", "format_version", "kind", "options"])
@pytest.mark.parametrize("value", [None, "", "x", "0", "2", "null", "[]", "{}", "{" * 20_000])
def test_metadata(whole, tmp_path, key, value):
    assert_refused(tmp_path / "forged", forge(whole, **{key: value}))


def test_kind_of_another_model(whole, tmp_path):
    assert_refused(tmp_path / "forged", forge(whole, kind="LSTM"), "options")


FORGED_OPTIONS = {
    "input_size": [0, -3, 4, 3.0, "3", True, None, [3], 2**31, 2**62, 2**100, 10**400],
    "hidden_size": [
        [],
        [4],
        [4, 2, 2],
        [2, 4],
        [4, 0],
        [4, 2**62],
        [2**40, 2**40],
        [4.0, 2],
        4,
        None,
    ],
    "output_size": [0, 3, 2**62, 2**100, "2", None],
    "peephole": ["none", "diagonal", "full", None, 1, []],
    "peephole_gates": ["xyz", "iii", None, 4],
    "output_peephole": ["next", None, 0],
    "bias": [False, 1, None, "true"],
    "bidirectional": [True, 0, None],
    "coupled_input_forget": [1, None, "false"],
    "activations": [
        None,
        {},
        [],
        [{}],
        [{}, {"x": "tanh"}],
        [{}, {"i": "x"}],
        [{}, {"i": 1}],
        ["tanh", "tanh"],
        [{}] * 100_000,
    ],
    "dtype": ["float64", "float16", "object", None, 32],
    "head": ["x", None, 1],
    "readout": ["first", None],
    "initial_state": ["x", None, 1, "learned"],
    "cell_clip": [0, -1, 0.0, None, "1", True, [1.0]],
    "preactivation_clip": [0, -1.5, None, "1", False, {}],
    "masks": [None, {}],
    "seed": [0],
}


@pytest.mark.parametrize("name", FORGED_OPTIONS)
def test_options(whole, tmp_path, name):
    options = json.loads(split(whole)[0]["__metadata__"]["options"])
    for value in FORGED_OPTIONS[name]:
        text = json.dumps(options | {name: value})
        assert_refused(tmp_path / "forged", forge(whole, options=text))
    for text in ("[1, 2", "NaN", json.dumps(options)[:-1], json.dumps([options])):
        assert_refused(tmp_path / "forged", forge(whole, options=text), "options")


@pytest.mark.parametrize("name", ["input_size", "hidden_size", "dtype", "peephole", "bias", "head"])
def test_missing_options(whole, tmp_path, name):
    options = json.loads(split(whole)[0]["__metadata__"]["options"])
    del options[name]
    assert_refused(tmp_path / "forged", forge(whole, options=json.dumps(options)), name)


def test_hostile_sizes(whole, tmp_path):
    """Sizes that agree with each other, in options and shapes, but with no values behind them."""
    header, values = split(whole)
    options = json.loads(header["__metadata__"]["options"])
    for units in (2**20, 2**31, 2**40):
        forged = json.loads(json.dumps(header))
        text = json.dumps(options | {"hidden_size": [4, units]})
        forged["__metadata__"]["options"] = text
        forged["weight_ih_l1"]["shape"] = [4 * units, 4]
        forged["weight_hh_l1"]["shape"] = forged["weight_ch_l1"]["shape"] = [4 * units, units]
        forged["bias_l1"]["shape"] = [4 * units]
        forged["head.weight"]["shape"] = [2, units]
        assert_refused(tmp_path / "forged", join(forged, values))


def forged_tensor(whole, name, **changes):
    header, values = split(whole)
    header[name] |= changes
    return join(header, values)


@pytest.mark.parametrize("name", ["weight_ih_l0", "bias_l1", "head.weight", "masks/weight_hh_l0"])
def test_tensors(whole, tmp_path, name):
    header, values = split(whole)
    shape = header[name]["shape"]
    path = tmp_path / "forged"
    for wrong in ([*shape[::-1], 1], [], [1, *shape], [0, *shape[1:]], [2**62, 4], [-1, 4], [1.5]):
        assert_refused(path, forged_tensor(whole, name, shape=wrong))
    for wrong in {"F16", "F32", "F64", "I32", "U8", "BOOL", "x"} - {header[name]["dtype"]}:
        assert_refused(path, forged_tensor(whole, name, dtype=wrong))
    start, end = header[name]["data_offsets"]
    for wrong in ([start, end + 4], [start + 4, end], [end, start], [0, 2**62], [-8, end], [start]):
        assert_refused(path, forged_tensor(whole, name, data_offsets=wrong))
    renamed = {f"{key}_" if key == name else key: value for key, value in header.items()}
    assert_refused(path, join(renamed, values))


def resaved(whole, tmp_path, change):
    """A file with a right header, written after change(tensors)."""
    from safetensors.numpy import load, save

    tensors = load(whole)
    change(tensors)
    return save(tensors, split(whole)[0]["__metadata__"])


CHANGES = {
    "missing": lambda t: t.pop("weight_hh_l0"),
    "missing head": lambda t: t.pop("head.bias"),
    "extra": lambda t: t.update(extra=np.zeros(3, np.float32)),
    "extra layer": lambda t: t.update(weight_ih_l2=np.zeros((8, 2), np.float32)),
    "extra mask": lambda t: t.update({"masks/extra": np.zeros(3, bool)}),
    "mask of a mask": lambda t: t.update({"masks/masks/weight_hh_l0": np.zeros((16, 4), bool)}),
    "transposed": lambda t: t.update(weight_ih_l0=np.ascontiguousarray(t["weight_ih_l0"].T)),
    "other units": lambda t: t.update(bias_l0=np.zeros(20, np.float32)),
    "float64": lambda t: t.update(bias_l0=np.zeros(16)),
    "mask of numbers": lambda t: t.update({"masks/weight_hh_l0": np.ones((16, 4), np.float32)}),
    "mask of another shape": lambda t: t.update({"masks/weight_hh_l0": np.ones((4, 16), bool)}),
    "other mask": lambda t: t.update({"masks/weight_hh_l0": ~t["masks/weight_hh_l0"]}),
    "nothing": lambda t: t.clear(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_tensors_that_contradict_the_options(whole, tmp_path, change):
    assert_refused(tmp_path / "forged", resaved(whole, tmp_path, change), "tensor")


def test_random_damage(model, whole, tmp_path):
    """A byte of the header changed: a ValueError, or a model whose header says the same."""
    rng = np.random.default_rng(0)
    size = 8 + struct.unpack("<Q", whole[:8])[0]
    path = tmp_path / "damaged"
    refused = 0
    for _ in range(400):
        data = bytearray(whole)
        data[rng.integers(size)] ^= 1 << rng.integers(8)
        path.write_bytes(data)
        try:
            peephole.load(path)
        except ValueError as error:
            assert type(error) is ValueError and str(path) in str(error)
            refused += 1
    assert refused > 200


def test_what_cannot_be_read(model, tmp_path):
    """As everywhere in Python, an OSError."""
    with pytest.raises(FileNotFoundError):
        peephole.load(tmp_path / "absent")
    with pytest.raises(IsADirectoryError):
        peephole.load(tmp_path)
    for path in (None, 3.5, model):
        with pytest.raises(TypeError):
            peephole.load(path)


def test_a_failed_save_leaves_the_old_file(model, whole, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(whole)
    with unchanged(model):
        with pytest.raises(OSError):
            model.save(tmp_path / "absent" / "model")
        with pytest.raises(OSError):
            model.save(tmp_path)
        with pytest.raises(TypeError):
            model.save(None)
    assert path.read_bytes() == whole
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]

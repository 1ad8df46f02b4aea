"""Saving and loading."""

import itertools
import json
import os
import stat
import sys

import numpy as np
import peephole
import pytest
from safetensors import safe_open
from safetensors.numpy import save as serialise

X = np.random.default_rng(3).standard_normal((2, 5, 3))


def network(**options):
    options = {"head": "softmax", "peephole": "dense", "seed": 0, **options}
    return peephole.Network(3, [4, 2], 5, **options)


def assert_identical(loaded, saved):
    assert type(loaded) is type(saved)
    assert loaded.options == saved.options
    assert list(loaded.parameters) == list(saved.parameters)
    for name in saved.parameters:
        np.testing.assert_array_equal(loaded.parameters[name], saved.parameters[name])
    np.testing.assert_equal(loaded.masks, saved.masks)
    np.testing.assert_array_equal(loaded(X)[0], saved(X)[0])


def assert_same_array(got, expected):
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    assert got.tobytes() == expected.tobytes()


def contents(path):
    """(tensors, metadata) of a safetensors file."""
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name) for name in list(file.keys())}, file.metadata()


VARIANTS = list(
    itertools.product(
        ["diagonal", "dense", "none"], [True, False], [True, False], ["float32", "float64"]
    )
)


@pytest.mark.parametrize(("peepholes", "bias", "bidirectional", "dtype"), VARIANTS)
class TestEveryShape:
    @pytest.fixture
    def models(self, peepholes, bias, bidirectional, dtype):
        options = {
            "peephole": peepholes,
            "bias": bias,
            "bidirectional": bidirectional,
            "dtype": dtype,
            "seed": 0,
        }
        return peephole.LSTM(3, [4, 2], **options), peephole.Network(3, 4, 5, **options)

    def test_what_other_programs_see(self, models, tmp_path):
        for model in models:
            model.save(tmp_path / "model")
            tensors, metadata = contents(tmp_path / "model")
            assert tensors.keys() == set(model.parameters)
            for name, tensor in tensors.items():
                assert_same_array(tensor, model.parameters[name])
            assert json.loads(metadata.pop("options")) == model.options
            kind = type(model).__name__
            assert metadata == {"format": "peephole", "format_version": "1", "kind": kind}

    def test_round_trip(self, models, tmp_path):
        for model in models:
            model.save(tmp_path / "model")
            assert_identical(peephole.load(tmp_path / "model"), model)


@pytest.mark.parametrize(
    "options",
    [
        {"peephole": "diagonal", "peephole_gates": "ifo", "output_peephole": "current"},
        {"activations": [{"g": "relu"}, {"c": "identity", "i": "hard_sigmoid"}]},
        {"coupled_input_forget": True},
        {"readout": "last", "head": "sigmoid"},
        {"masks": {"weight_hh_l0": np.eye(16, 4, dtype=bool), "head.bias": np.zeros(5, bool)}},
    ],
)
def test_round_trip_of_options(options, tmp_path):
    net = network(**options)
    net.save(tmp_path / "model")
    assert_identical(peephole.load(tmp_path / "model"), net)


def test_any_values_survive(tmp_path):
    net = network(dtype="float32")
    odd = [np.nan, np.inf, -0.0, 1e-45, np.finfo("f4").max]
    net.parameters["head.bias"] = np.array(odd, "f4")
    net.save(tmp_path / "model")
    loaded = peephole.load(tmp_path / "model").parameters["head.bias"]
    assert loaded.tobytes() == np.array(odd, "f4").tobytes()


def test_a_loaded_model_can_be_trained(tmp_path):
    masks = {"weight_hh_l0": np.eye(16, 4, dtype=bool)}
    network(masks=masks).save(tmp_path / "model")
    net = peephole.load(tmp_path / "model")
    before = net.parameters["head.bias"].copy()
    net.fit(X, np.zeros((2, 5), int), epochs=1, progress=False)
    assert (net.parameters["head.bias"] != before).all()
    np.testing.assert_array_equal(net.parameters["weight_hh_l0"] != 0, masks["weight_hh_l0"])


class TestPaths:
    @pytest.mark.parametrize("name", ["model.safetensors", "módel 模型 🧠", "a" * 255])
    def test_names(self, name, tmp_path):
        net = network()
        net.save(tmp_path / name)
        assert_identical(peephole.load(tmp_path / name), net)
        net.save(str(tmp_path / name))
        assert_identical(peephole.load(str(tmp_path / name)), net)
        assert [path.name for path in tmp_path.iterdir()] == [name]

    def test_relative(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        net = network()
        net.save("model")
        assert_identical(peephole.load("model"), net)

    def test_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            peephole.load(tmp_path / "model")
        with pytest.raises(FileNotFoundError, match="No such file"):
            network().save(tmp_path / "no" / "model")

    def test_folder(self, tmp_path):
        with pytest.raises(OSError, match=r"(?i)directory|denied"):
            peephole.load(tmp_path)
        with pytest.raises(OSError, match=r"(?i)directory|denied"):
            network().save(tmp_path)
        assert not list(tmp_path.parent.glob(".peephole-*"))


class TestReplacing:
    def test_replaces(self, tmp_path):
        network(seed=1).save(tmp_path / "model")
        net = network(seed=2)
        net.save(tmp_path / "model")
        assert_identical(peephole.load(tmp_path / "model"), net)

    @pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
    def test_failure_leaves_the_old_file(self, tmp_path):
        import resource

        old = network(seed=1)
        old.save(tmp_path / "model")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            with pytest.raises(OSError, match="too large") as failed:
                network(seed=2).save(tmp_path / "model")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert failed.value.filename == str(tmp_path / "model")
        assert_identical(peephole.load(tmp_path / "model"), old)
        assert [path.name for path in tmp_path.iterdir()] == ["model"]

    @pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
    def test_permissions(self, tmp_path):
        def mode():
            return stat.S_IMODE((tmp_path / "model").stat().st_mode)

        umask = os.umask(0o027)
        try:
            network().save(tmp_path / "model")
            assert mode() == 0o640
            (tmp_path / "model").chmod(0o604)
            network().save(tmp_path / "model")
            assert mode() == 0o604
        finally:
            os.umask(umask)

    @pytest.mark.skipif(sys.platform == "win32", reason="links need rights")
    def test_a_link_stays_a_link(self, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path / "model")
        network(seed=1).save(tmp_path / "model")
        net = network(seed=2)
        net.save(tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert_identical(peephole.load(tmp_path / "model"), net)


@pytest.fixture
def path(tmp_path):
    """A good file, with a mask."""
    network(masks={"weight_hh_l0": np.eye(16, 4, dtype=bool)}).save(tmp_path / "model")
    return tmp_path / "model"


def assert_refused(path, message):
    with pytest.raises(ValueError, match=message) as refused:
        peephole.load(path)
    assert str(path) in str(refused.value)


class TestRefusedByTheHeader:
    @pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 100, 0.5, 0.9, -1])
    def test_cut_short(self, kept, path):
        data = path.read_bytes()
        path.write_bytes(data[: int(kept * len(data)) if isinstance(kept, float) else kept])
        assert_refused(path, "not a whole safetensors file")

    @pytest.mark.parametrize(
        "data",
        [b"PK\x03\x04 something else", b"\xff" * 64, b"\0" * 64, "ein Text, länger".encode()],
    )
    def test_foreign(self, data, path):
        path.write_bytes(data)
        assert_refused(path, "not a whole safetensors file")

    def test_longer(self, path):
        path.write_bytes(path.read_bytes() + b"\0")
        assert_refused(path, "not a whole safetensors file")

    @pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}])
    def test_another_program_s(self, metadata, path):
        path.write_bytes(serialise(contents(path)[0], metadata))
        assert_refused(path, "not one that peephole wrote")

    @pytest.mark.parametrize(
        ("message", "change"),
        [
            ('format version "2"', {"format_version": "2"}),
            ('kind: .*"GRU"', {"kind": "GRU"}),
            ("kind", {"kind": "Model"}),
            ("options: expected JSON", {"options": "{"}),
            ("options: expected a JSON object", {"options": "[" * 100_000}),
            ("options: expected JSON", {"options": "9" * 10_000}),
            ("options: expected a JSON object", {"options": "[]"}),
            ('unknown: "output_size"', {"kind": "LSTM"}),
        ],
    )
    def test_metadata(self, message, change, path):
        tensors, metadata = contents(path)
        path.write_bytes(serialise(tensors, {**metadata, **change}))
        assert_refused(path, message)

    @pytest.mark.parametrize(
        ("key", "message"),
        [
            ("format", "not one that peephole wrote"),
            ("format_version", 'format version ""'),
            ("kind", "kind: "),
            ("options", "options: expected JSON"),
        ],
    )
    def test_missing_metadata(self, key, message, path):
        tensors, metadata = contents(path)
        del metadata[key]
        path.write_bytes(serialise(tensors, metadata))
        assert_refused(path, message)

    @pytest.mark.parametrize(
        ("message", "change"),
        [
            ("input_size cannot be 0", {"input_size": 0}),
            ("input_size cannot be -3", {"input_size": -3}),
            ("input_size cannot be true", {"input_size": True}),
            ("input_size cannot be 3.0", {"input_size": 3.0}),
            ('input_size cannot be "3"', {"input_size": "3"}),
            ("input_size cannot be 1000000", {"input_size": 10**30}),
            ("hidden_size cannot be 4", {"hidden_size": 4}),
            ("hidden_size cannot be", {"hidden_size": []}),
            ("hidden_size cannot be", {"hidden_size": [4, None]}),
            ("output_size cannot be null", {"output_size": None}),
            ('peephole: expected .*"sparse"', {"peephole": "sparse"}),
            ("peephole cannot be", {"peephole": ["dense"]}),
            ("bias cannot be 1", {"bias": 1}),
            ("bidirectional cannot be", {"bidirectional": "yes"}),
            ("dtype cannot be", {"dtype": "float16"}),
            ("head cannot be", {"head": 1}),
            ("activations cannot be", {"activations": {}}),
            ("activations cannot be", {"activations": [{"i": 1}, {}]}),
            ('unknown: "colour"', {"colour": 0.1}),
            # Options that ask for other tensors than there are.
            (r"weight_ih_l0.*\(16, 900\).*\(16, 3\)", {"input_size": 900}),
            ("hidden_size: .*, got 100000000000", {"hidden_size": [10**11, 2]}),
            ("weight_ih_l2.* missing", {"hidden_size": [4, 2, 2], "activations": [{}] * 3}),
            (r"head.weight.*\(5, 4\).*\(5, 2\)", {"hidden_size": [4], "activations": [{}]}),
            ("weight_ih_l0_reverse.* missing", {"bidirectional": True}),
            ('unknown tensor "bias_l0"', {"bias": False}),
            (r"weight_ch_l0.*\(4, 4\).*\(16, 4\)", {"peephole": "diagonal"}),
            ("expected F64", {"dtype": "float64"}),
        ],
    )
    def test_options(self, message, change, path):
        tensors, metadata = contents(path)
        options = json.dumps({**json.loads(metadata["options"]), **change})
        path.write_bytes(serialise(tensors, {**metadata, "options": options}))
        assert_refused(path, message)

    def test_missing_option(self, path):
        tensors, metadata = contents(path)
        options = json.loads(metadata["options"])
        del options["bias"]
        path.write_bytes(serialise(tensors, {**metadata, "options": json.dumps(options)}))
        assert_refused(path, 'missing: "bias"')

    @pytest.mark.parametrize(
        ("message", "name", "tensor"),
        [
            (r"head.bias.*\(5,\).*\(4,\)", "head.bias", np.zeros(4, "f4")),
            (r"head.bias.*\(5,\).*\(5, 1\)", "head.bias", np.zeros((5, 1), "f4")),
            ("head.bias.*F32.*F64", "head.bias", np.zeros(5)),
            ("head.bias.*F32.*I32", "head.bias", np.zeros(5, "i4")),
            ("head.bias.* missing", "head.bias", None),
            ('unknown tensor "extra"', "extra", np.zeros(5, "f4")),
            ('unknown tensor "masks/extra"', "masks/extra", np.zeros(5, bool)),
            (r"masks/weight_hh_l0.*\(16, 4\)", "masks/weight_hh_l0", np.zeros((4, 16), bool)),
            ("masks/weight_hh_l0.*BOOL.*U8", "masks/weight_hh_l0", np.zeros((16, 4), "u1")),
        ],
    )
    def test_tensors(self, message, name, tensor, path):
        tensors, metadata = contents(path)
        tensors = {**tensors, name: tensor}
        kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
        path.write_bytes(serialise(kept, metadata))
        assert_refused(path, message)

    def test_a_weight_that_its_mask_cuts(self, path):
        tensors, metadata = contents(path)
        tensors["weight_hh_l0"] = np.ones((16, 4), "f4")
        path.write_bytes(serialise(tensors, metadata))
        assert_refused(path, '"weight_hh_l0" is not 0 where its mask')


@pytest.mark.parametrize(
    ("message", "change"),
    [
        ("head", {"head": "relu"}),
        ("readout", {"readout": "first"}),
        ("peephole_gates", {"peephole_gates": "xyz"}),
        ("output_peephole", {"output_peephole": "next"}),
        ("activations", {"activations": [{}]}),
        ("activations", {"activations": [{"i": "sigm"}, {}]}),
        ("activations", {"activations": [{"z": "tanh"}, {}]}),
    ],
)
def test_options_that_the_core_refuses(message, change, path):
    tensors, metadata = contents(path)
    options = json.dumps({**json.loads(metadata["options"]), **change})
    path.write_bytes(serialise(tensors, {**metadata, "options": options}))
    assert_refused(path, message)


def test_bytes_that_are_no_bools(path):
    """A forged mask: any byte but 0 stands for connected."""
    expected = peephole.load(path)
    tensors, metadata = contents(path)
    mask = tensors["masks/weight_hh_l0"]
    data = serialise(tensors, metadata)
    assert data.count(mask.tobytes()) == 1
    path.write_bytes(data.replace(mask.tobytes(), (mask.view(np.uint8) * 3).tobytes()))
    assert_identical(peephole.load(path), expected)

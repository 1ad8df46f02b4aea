"""Files that are not what `save` writes are refused, and the message says why."""

import json

import numpy as np
import peephole
import pytest
from safetensors.numpy import save as serialise
from support.model_files import assert_identical, contents, network


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

    def test_a_masked_weight_that_is_not_0(self, path):
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


def test_bytes_that_are_not_bools(path):
    """A forged mask: any byte but 0 stands for connected."""
    expected = peephole.load(path)
    tensors, metadata = contents(path)
    mask = tensors["masks/weight_hh_l0"]
    data = serialise(tensors, metadata)
    assert data.count(mask.tobytes()) == 1
    path.write_bytes(data.replace(mask.tobytes(), (mask.view(np.uint8) * 3).tobytes()))
    assert_identical(peephole.load(path), expected)

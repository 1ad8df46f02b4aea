"""ONNX files of this package that were changed."""

import numpy as np
import peephole
import pytest
from peephole.interop import from_onnx, to_onnx
from peephole.interop.onnx.exporting import model_proto
from support.onnx_files import refused

pytestmark = pytest.mark.usefixtures("onnx_packages")


def metadata(text, to):
    def change(proto):
        entry = next(e for e in proto.metadata_props if e.key == "peephole")
        assert text in entry.value
        entry.value = entry.value.replace(text, to)

    return change


def own_node(change):
    def on(proto):
        change(proto.graph.node[5])

    return on


def renamed_function(proto):
    proto.functions[0].node[0].op_type = "Add"


def another_default(proto):
    tensor = next(t for t in proto.graph.initializer if t.name.startswith("initial_h"))
    tensor.raw_data = np.ones(3, np.float32).tobytes()


def one_tensor_more(proto):
    proto.graph.initializer.add().CopyFrom(proto.graph.initializer[0])
    proto.graph.initializer[-1].name = "more"


def masked_weight(proto):
    tensor = next(t for t in proto.graph.initializer if t.name == "weight_hh_l0")
    tensor.raw_data = np.ones((12, 3), np.float32).tobytes()


OWN = {
    "no JSON": (metadata("{", "["), "expected JSON"),
    "other version": (metadata('"format_version": 1', '"format_version": 2'), "format_version 1"),
    "other kind": (metadata('"Network"', '"GRU"'), "kind"),
    "other form": (metadata('"form": "scan"', '"form": "lstm"'), "no tensor 'W_l0'"),
    "other size": (metadata('"hidden_size": [3]', '"hidden_size": [1000000000]'), "ask for shape"),
    "negative size": (metadata('"input_size": 2', '"input_size": -2'), "sizes of 1 or more"),
    "size as a text": (metadata('"input_size": 2', '"input_size": "2"'), "sizes of 1 or more"),
    "no projection size": (
        metadata('"zoneout": 0.0', '"zoneout": 0.0, "projection_size": 0'),
        "sizes of 1 or more",
    ),
    "projection of no tensor": (
        metadata('"zoneout": 0.0', '"zoneout": 0.0, "projection_size": 2'),
        "ask for shape",
    ),
    "option is gone": (metadata('"zoneout"', '"zone"'), "the options"),
    "other activation": (
        metadata('"g": "tanh"', '"g": "relu"'),
        "the graph is not that of its options",
    ),
    "unknown activation": (metadata('"g": "tanh"', '"g": "cos"'), "cos"),
    "other gates": (metadata('"ifgo"', '"ifg"'), "only zeros"),
    "other head": (metadata('"softmax"', '"tanh"'), "the graph is not that of its options"),
    "other peepholes": (metadata('"dense"', '"diagonal"'), "ask for shape"),
    "other dtype": (metadata('"float32"', '"float64"'), "ask for 'float64'"),
    "mask of no parameter": (metadata('{"weight_hh_l0"', '{"weight_l9"'), "no parameter"),
    "mask too short": (metadata('"weight_hh_l0": "', '"weight_hh_l0": "AAAA'), "bits of the mask"),
    "mask in another code": (metadata('"weight_hh_l0": "', '"weight_hh_l0": "?'), "base64"),
    "masked weight": (masked_weight, "only zeros"),
    "changed function": (renamed_function, "function .* differs"),
    "changed node": (own_node(lambda n: setattr(n, "op_type", "Neg")), "node .* differs"),
    "changed default": (another_default, "default of input"),
    "one tensor more": (one_tensor_more, "a tensor 'more' differs"),
    "two tensors of one name": (
        lambda p: p.graph.initializer.append(p.graph.initializer[0]),
        "two tensors of one name",
    ),
    "a tensor is gone": (lambda p: p.graph.initializer.pop(0), "has no tensor"),
    "output renamed": (lambda p: setattr(p.graph.output[0], "name", "z"), "output 'z' differs"),
    "metadata are gone": (lambda p: p.metadata_props.pop(0), "metadata 'peephole'.* are missing"),
}


@pytest.mark.parametrize("name", OWN)
def test_own_file_that_was_changed(name):
    change, match = OWN[name]
    mask = np.ones((12, 3), bool)
    mask[0] = False
    net = peephole.Network(
        2, 3, 2, peephole="dense", head="softmax", masks={"weight_hh_l0": mask}, seed=0
    )
    proto = model_proto(net, "scan")
    assert from_onnx(proto.SerializeToString()).options == net.options
    change(proto)
    refused(proto.SerializeToString(), match)


def test_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        from_onnx(tmp_path / "none.onnx")
    with pytest.raises(TypeError, match="path_or_bytes"):
        from_onnx(3)
    to_onnx(peephole.LSTM(1, 1), tmp_path / "a.onnx")
    with pytest.raises(TypeError, match="node"):
        from_onnx(tmp_path / "a.onnx", 3)

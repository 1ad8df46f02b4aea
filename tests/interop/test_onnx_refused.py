"""Broken and hostile ONNX files, and graphs that no model here can express."""

import pickle
import re

import numpy as np
import peephole
import pytest
from peephole.interop import from_onnx, to_onnx
from peephole.interop.onnx.exporting import model_proto
from support.onnx_files import packages
from support.onnx_graphs import INPUTS, UNITS, Builder


@pytest.fixture(autouse=True)
def _packages():
    packages()


def refused(data, match):
    with pytest.raises(ValueError, match=match):
        from_onnx(data)


def simple():
    """A builder with x (T, B, I)."""
    builder = Builder()
    return builder, builder.input("x", "t", "b", INPUTS)


class Boom:
    """A pickle that fails the test if it is loaded."""

    def __reduce__(self):
        return pytest.fail, ("a pickle was executed",)


BYTES = {
    "empty": b"",
    "text": b"not a model at all",
    "zip": b"PK\x03\x04" + bytes(60),
    "pickle": pickle.dumps(Boom()),
    "old pickle": pickle.dumps([Boom()], protocol=0),
    "zeros": bytes(100),
    "length beyond the end": b"\x3a\xff\xff\xff\xff\x07abc",
    "deep nesting": b"\x3a\x7f" * 500,
}


@pytest.mark.parametrize("name", BYTES)
def test_no_model(name, tmp_path):
    refused(BYTES[name], "not an ONNX model")
    path = tmp_path / "model.onnx"
    path.write_bytes(BYTES[name])
    refused(path, re.escape(str(path)))


@pytest.mark.parametrize("form", ["lstm", "scan"])
def test_every_cut_file_is_refused(form):
    net = peephole.Network(1, 2, 1, peephole="none", seed=0)
    data = model_proto(net, form).SerializeToString()
    for end in range(0, len(data), 7):
        refused(data[:end], ".")


def test_changed_bytes_are_refused_or_read():
    """Any byte: ValueError and nothing else, or a model."""
    data = model_proto(peephole.LSTM(1, 2, peephole="none", seed=0), "lstm").SerializeToString()
    foreign, x = simple()
    other = foreign.bytes(foreign.lstm(x, peephole=True)[0])
    rng, refusals = np.random.default_rng(0), 0
    for original in (data, other):
        for place in rng.integers(0, len(original), 700):
            changed = bytearray(original)
            changed[place] ^= int(rng.integers(1, 256))
            try:
                from_onnx(bytes(changed))
            except ValueError as error:
                refusals += 1
                assert str(error)
    assert refusals > 300


def node(change=None, **options):
    """A graph of one LSTM node, whose ModelProto `change` may change."""
    builder, x = simple()
    model = builder.model(builder.lstm(x, **options)[0])
    if change is not None:
        change(model)
    return model.SerializeToString()


def lstm_of(model):
    return next(n for n in model.graph.node if n.op_type == "LSTM")


def set_weights(k, array):
    def change(model):
        onnx, _ = packages()
        name = lstm_of(model).input[k]
        for held in list(model.graph.initializer):
            if held.name == name:
                model.graph.initializer.remove(held)
        for constant in list(model.graph.node):
            if name in constant.output:
                model.graph.node.remove(constant)
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), name))

    return change


def change_tensor(**fields):
    def change(model):
        tensor = model.graph.initializer[0]
        for name, value in fields.items():
            if name == "dims":
                del tensor.dims[:]
                tensor.dims.extend(value)
            else:
                setattr(tensor, name, value)

    return change


def cycle(model):
    n = lstm_of(model)
    n.input[0] = n.output[0]


def reorder(model):
    model.graph.node.reverse()


def same_name(model):
    model.graph.node.append(lstm_of(model))


def no_opset(model):
    model.opset_import[0].version = 6


def external(model):
    onnx, _ = packages()
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")


def sparse(model):
    model.graph.sparse_initializer.add()


def no_output(model):
    model.graph.output[0].name = "other"


W, R, B = (1, 4 * UNITS, INPUTS), (1, 4 * UNITS, UNITS), (1, 8 * UNITS)
BROKEN = {
    "clip": (None, {"clip": 3.0}, "clip is not supported"),
    "unknown attribute": (None, {"projection": 3}, "unknown attribute 'projection'"),
    "unknown direction": (None, {"direction": "sideways"}, "unknown direction 'sideways'"),
    "direction is a number": (None, {"direction": 3}, "unknown direction 3"),
    "reverse alone": (None, {"direction": "reverse"}, "direction reverse alone"),
    "layout": (None, {"layout": 2}, "unknown layout 2"),
    "few activations": (None, {"activations": ["Tanh"]}, "expected 3 activations, got Tanh"),
    "activations are numbers": (None, {"activations": [1, 2, 3]}, "LSTM node .* is wrong"),
    "no activation": (None, {"activations": ["Tanh", "Tanh", "Cos"]}, "'Cos' is none of"),
    "Elu": (None, {"activations": ["Elu", "Tanh", "Tanh"]}, "Elu with alpha=1 has no equal"),
    "Keras 3's hard sigmoid": (
        None,
        {"activations": ["HardSigmoid", "Tanh", "Tanh"], "activation_alpha": [1 / 6]},
        "HardSigmoid with alpha=0.166667, beta=0.5 has no equal",
    ),
    "alpha without a function": (None, {"activation_alpha": [0.2]}, "activation_alpha has more"),
    "W of another size": (set_weights(1, np.zeros((1, 8, INPUTS), "f")), {}, "expected W"),
    "W of two axes": (set_weights(1, np.zeros((16, 3), "f")), {}, "expected W"),
    "R of another size": (set_weights(2, np.zeros((1, 16, 5), "f")), {}, "expected W"),
    "R without units": (set_weights(2, np.zeros((1, 0, 0), "f")), {}, "expected W"),
    "B of another size": (set_weights(3, np.zeros((1, 16), "f")), {}, "expected B"),
    "W of float16": (set_weights(1, np.zeros(W, np.float16)), {}, "float16"),
    "W of integers": (set_weights(1, np.zeros(W, np.int32)), {}, "int32"),
    "R of another type": (set_weights(2, np.zeros(R)), {}, "expected R .* of float32"),
    "W of texts": (set_weights(1, np.full(W, "a")), {}, "tensor 't0'"),
    "huge shape": (change_tensor(dims=[2**40, 2**20]), {}, "values for"),
    "negative size": (change_tensor(dims=[-1, 16, 3]), {}, "sizes of 0 or more"),
    "few bytes": (change_tensor(raw_data=b"abcd"), {}, "expected 48 values"),
    "part of a value": (change_tensor(raw_data=bytes(4 * 48 + 3)), {}, "cannot be read"),
    "unknown type": (change_tensor(data_type=999), {}, "unknown"),
    "external data": (external, {}, "external data"),
    "sparse": (sparse, {}, "sparse"),
    "cycle": (cycle, {}, "cycle"),
    "nodes in another order": (reorder, {}, "no earlier node"),
    "two values of one name": (same_name, {}, "two values named"),
    "old opset": (no_opset, {}, "expected opset 7 or later, got 6"),
    "no such output": (no_output, {}, "no node gives the graph's output 'other'"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_node(name):
    change, options, match = BROKEN[name]
    refused(node(change, **options), match)


def test_the_unchanged_node_is_read():
    assert from_onnx(node()).hidden_sizes == (UNITS,)


def test_external_data_outside_of_the_folder(tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(10_000))
    folder = tmp_path / "models"
    folder.mkdir()

    def escape(model):
        external(model)
        model.graph.initializer[0].external_data[0].value = "../secret"

    (folder / "model.onnx").write_bytes(node(escape))
    refused(folder / "model.onnx", "external data of tensor")


def after(kind, *more, **attributes):
    def graph():
        builder, x = simple()
        y = builder.add("Squeeze", builder.lstm(x)[0], builder.integers(1))
        constants = [builder.tensor(value) for value in more]
        return builder.bytes(builder.add(kind, y, *constants, **attributes))

    return graph


def two_dense_layers():
    builder, x = simple()
    y = builder.add("Squeeze", builder.lstm(x)[0], builder.integers(1))
    return builder.bytes(builder.dense(builder.dense(y, UNITS), 2))


def pooled_alone():
    builder, x = simple()
    y = builder.add("Squeeze", builder.lstm(x)[0], builder.integers(1))
    return builder.bytes(builder.add("ReduceMean", y, axes=[0], keepdims=0))


def last_step_of_reverse():
    builder, x = simple()
    y = builder.add(
        "Gather", builder.lstm(x, directions=2)[0], builder.tensor(-1, np.int64), axis=0
    )
    return builder.bytes(y)


def last_step_of_ragged():
    builder, x = simple()
    lengths = builder.input("n", "b", kind="INT32")
    y = builder.lstm(x, lengths=lengths)[0]
    return builder.bytes(builder.add("Gather", y, builder.tensor(-1, np.int64), axis=0))


def initial_values():
    builder, x = simple()
    state = builder.tensor(np.ones((1, 1, UNITS)))
    return builder.bytes(builder.lstm(x, state=(state, state))[0])


def parallel():
    builder, x = simple()
    return builder.bytes(builder.lstm(x)[0], builder.lstm(builder.input("z", "t", "b", 3))[0])


def inner_y():
    builder, x = simple()
    y = builder.add("Squeeze", builder.lstm(x)[0], builder.integers(1))
    return builder.bytes(builder.lstm(y, UNITS)[0], y)


def mixed_features():
    """Directions concatenated in the order reverse, forward."""
    builder, x = simple()
    y = builder.add("Transpose", builder.lstm(x, directions=2)[0], perm=[0, 2, 3, 1])
    return builder.bytes(builder.dense(builder.add("Reshape", y, builder.integers(0, 0, 8)), 8))


def part_of_the_input():
    builder = Builder()
    x = builder.input("x", "t", "b", 5)
    x = builder.add("Slice", x, *map(builder.integers, (0, 3, 2)))
    return builder.bytes(builder.lstm(x)[0])


def quantised():
    builder, x = simple()
    scale, zero = builder.tensor(0.1), builder.tensor(0, np.uint8)
    x = builder.add("DequantizeLinear", builder.add("QuantizeLinear", x, scale, zero), scale, zero)
    return builder.bytes(builder.lstm(x)[0])


def gru():
    builder, x = simple()
    weights = builder.random(1, 12, INPUTS), builder.random(1, 12, UNITS)
    return builder.bytes(builder.add("GRU", x, *weights, outputs=2, hidden_size=4)[0])


def growing_constants():
    builder, x = simple()
    value = builder.random(1000)
    for _ in range(60):
        value = builder.add("Concat", value, value, axis=0)
    return builder.bytes(builder.lstm(x)[0], value)


def growing_shapes():
    builder, x = simple()
    size = builder.add("Shape", x)
    for _ in range(60):
        size = builder.add("Concat", size, size, axis=0)
    return builder.bytes(builder.add("Reshape", builder.lstm(x)[0], size))


def growing_outputs():
    builder, x = simple()
    h = builder.lstm(x)[1]
    for _ in range(60):
        h = builder.add("Concat", h, h, axis=0)
    return builder.bytes(h)


FOREIGN = {
    after("Relu"): "Relu node",
    after("LayerNormalization", np.ones(UNITS)): "LayerNormalization node",
    after("Clip"): "Clip node",
    after("Cast", to=10): "a change of the type",
    after("Gemm", np.ones((4, 2)), alpha=2.0): "alpha=2",
    after("MatMul", np.ones((5, 2))): "weights for 4 features",
    after("Transpose", perm=[0, 0, 1]): r"perm=\[0, 0, 1\]",
    two_dense_layers: "a second dense layer",
    pooled_alone: "without a dense layer",
    last_step_of_reverse: "last step of the reverse direction",
    last_step_of_ragged: "lengths vary, which is padding",
    initial_values: "initial_h has values other than 0",
    parallel: "not in one chain",
    inner_y: "not the last layer",
    mixed_features: "another axis than the units",
    part_of_the_input: "X is not an input with 3 features",
    quantised: "QuantizeLinear node .* quantised",
    gru: "no LSTM node; it has GRU",
    growing_constants: "much larger than the file",
    growing_shapes: "sizes",
    growing_outputs: "more than once",
}


@pytest.mark.parametrize("graph", FOREIGN, ids=list(FOREIGN.values()))
def test_foreign_graph(graph):
    refused(graph(), FOREIGN[graph])


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
    "option is gone": (metadata('"zoneout"', '"zone"'), "the options"),
    "other activation": (metadata('"g": "tanh"', '"g": "relu"'), "the graph is not the one"),
    "unknown activation": (metadata('"g": "tanh"', '"g": "cos"'), "cos"),
    "other gates": (metadata('"ifgo"', '"ifg"'), "only zeros"),
    "other head": (metadata('"softmax"', '"tanh"'), "the graph is not the one"),
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

"""Broken and hostile ONNX files."""

import pickle
import re

import numpy as np
import peephole
import pytest
from peephole.interop import from_onnx
from peephole.interop.onnx.exporting import model_proto
from support.onnx_files import packages, refused
from support.onnx_graphs import INPUTS, UNITS, Builder

pytestmark = pytest.mark.usefixtures("onnx_packages")


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
    "clip of 0": (None, {"clip": 0.0}, "clip: expected a finite number above 0, got 0"),
    "infinite clip": (None, {"clip": float("inf")}, "clip: expected a finite number"),
    "clip is no number": (None, {"clip": [1.0]}, "LSTM node .* is wrong"),
    "unknown attribute": (None, {"projection": 3}, "unknown attribute 'projection'"),
    "unknown direction": (None, {"direction": "sideways"}, "unknown direction 'sideways'"),
    "direction is a number": (None, {"direction": 3}, "unknown direction 3"),
    "reverse alone": (None, {"direction": "reverse"}, "direction reverse alone"),
    "layout": (None, {"layout": 2}, "unknown layout 2"),
    "few activations": (None, {"activations": ["Tanh"]}, "expected 3 activations, got Tanh"),
    "activations are numbers": (None, {"activations": [1, 2, 3]}, "LSTM node .* is wrong"),
    "no activation": (None, {"activations": ["Tanh", "Tanh", "Cos"]}, "unknown activation 'Cos'"),
    "Elu": (None, {"activations": ["Elu", "Tanh", "Tanh"]}, "Elu with alpha=1 is not available"),
    "Keras 3's hard sigmoid": (
        None,
        {"activations": ["HardSigmoid", "Tanh", "Tanh"], "activation_alpha": [1 / 6]},
        "HardSigmoid with alpha=0.166667, beta=0.5 is not available",
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

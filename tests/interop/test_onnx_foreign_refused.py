"""ONNX graphs of other packages that no model here can express."""

from functools import partial

import numpy as np
import pytest
from support.onnx_files import refused
from support.onnx_graphs import INPUTS, UNITS, Builder

pytestmark = pytest.mark.usefixtures("onnx_packages")


def simple():
    """A builder with x (T, B, I)."""
    builder = Builder()
    return builder, builder.input("x", "t", "b", INPUTS)


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


def first_step_of_forward():
    builder, x = simple()
    return builder.bytes(builder.add("Slice", builder.lstm(x)[0], *builder.slice(0, 1, 0)))


def first_step_of_ragged_in_reverse():
    """0 for a length of 0, where a model gives the initial state."""
    builder, x = simple()
    lengths = builder.input("n", "b", kind="INT32")
    y = builder.lstm(x, lengths=lengths, directions=2)[0]
    y = builder.add("Slice", y, *builder.slice(1, 2, 1))
    return builder.bytes(builder.add("Slice", y, *builder.slice(0, 1, 0)))


def last_step_of_ragged():
    builder, x = simple()
    lengths = builder.input("n", "b", kind="INT32")
    y = builder.lstm(x, lengths=lengths)[0]
    return builder.bytes(builder.add("Gather", y, builder.tensor(-1, np.int64), axis=0))


def initial_state(*shape, given_c=False):
    """An initial h of values that all differ, and the same as c, or an input."""

    def graph():
        builder, x = simple()
        h = builder.tensor(np.arange(1, 1 + np.prod(shape)).reshape(shape))
        c = builder.input("c", 1, "b", UNITS) if given_c else h
        return builder.bytes(builder.lstm(x, state=(h, c))[0])

    return graph


def initial_state_by_product():
    builder, x = simple()
    h = builder.add("Mul", builder.input("z", 1, "b", UNITS), builder.tensor(2.0))
    return builder.bytes(builder.lstm(x, state=(h, h))[0])


def part_of_repeated_state():
    """The first sequence of a state that was repeated for the whole batch."""
    builder, x = simple()
    h = builder.add("Expand", builder.tensor(np.ones((1, 1, UNITS))), builder.integers(1, 2, UNITS))
    h = builder.add("Slice", h, *builder.slice(0, 1, 1))
    return builder.bytes(builder.lstm(x, state=(h, h))[0])


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


def growing_size():
    """Its square, the square of that, and so on: 2^62 in 2^60 times as many bits."""
    builder, x = simple()
    y, size = builder.lstm(x)[0], builder.integers(2**62)
    for _ in range(60):
        size = builder.add("Mul", size, size)
    return builder.bytes(builder.add("Reshape", y, size))


def before(*kinds, head=True, **attributes):
    """Dense layers and activations before the LSTM node."""
    builder, x = simple()
    for kind in kinds:
        if kind == "MatMul":
            x = builder.add("MatMul", x, builder.random(INPUTS, INPUTS))
        else:
            x = builder.add(kind, x, **attributes)
    y = builder.add("Squeeze", builder.lstm(x)[0], builder.integers(1))
    return builder.bytes(builder.dense(y, UNITS) if head else y)


FOREIGN = {
    partial(before, "MatMul", "MatMul"): "a second dense layer after the first",
    partial(before, "MatMul", "Tanh", "MatMul"): "a second dense layer after the first",
    partial(before, "MatMul", "Tanh", "Relu"): "a second activation of the dense layer",
    partial(before, "MatMul", "Softmax"): "unknown activation 'Softmax'",
    partial(before, "MatMul", "HardSigmoid", alpha=0.5): "HardSigmoid with alpha=0.5",
    partial(before, "Tanh"): "Tanh node",
    partial(before, "MatMul", head=False): "only with one after them",
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
    first_step_of_forward: "steps of y other than all or the final one",
    first_step_of_ragged_in_reverse: "whose lengths vary",
    last_step_of_ragged: "lengths vary, which is padding",
    initial_state(1, 2, UNITS): "initial_h differs between the sequences",
    initial_state(2, 1, UNITS): r"expected initial_h \(1, B, 4\) of float32, got \(2, 1, 4\)",
    initial_state(1, 1, UNITS, given_c=True): "is an input, and the other has constant values",
    initial_state_by_product: "initial_h is computed in the graph",
    part_of_repeated_state: "along which a constant is repeated",
    parallel: "not in one chain",
    inner_y: "not the last layer",
    mixed_features: "another axis than the units",
    part_of_the_input: "X is not an input with 3 features",
    quantised: "QuantizeLinear node .* quantised",
    gru: "no LSTM node; it has GRU",
    growing_constants: "much larger than the file",
    growing_shapes: "sizes",
    growing_size: "more than 64 bits",
    growing_outputs: "more than once",
}


@pytest.mark.parametrize("graph", FOREIGN, ids=list(FOREIGN.values()))
def test_foreign_graph(graph):
    refused(graph(), FOREIGN[graph])

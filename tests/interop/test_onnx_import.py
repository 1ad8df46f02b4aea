"""Graphs as other packages write them, read by `from_onnx` and compared with ONNX Runtime."""

import warnings

import numpy as np
import peephole
import pytest
from peephole.interop import from_onnx
from support.onnx_files import packages, session
from support.onnx_graphs import INPUTS, OUTPUTS, UNITS, Builder
from support.tolerances import PEERS, assert_close

X = np.random.default_rng(3).standard_normal((2, 5, INPUTS)).astype(np.float32)


@pytest.fixture(autouse=True)
def _packages():
    packages()


def compare(data, expected, x=X, rows=lambda y: y, **feed):
    """That ONNX Runtime gives `expected`, after `rows`, as its first output for `x`."""
    found = session(data).run(None, {"x": x, **feed})[0]
    assert_close(expected, rows(found), PEERS["float32"])


def batch_first(builder):
    """x (B, T, I) and its transpose."""
    x = builder.input("x", "b", "t", INPUTS)
    return builder.add("Transpose", x, perm=[1, 0, 2])


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("peephole_weights", [False, True])
@pytest.mark.parametrize("coupled", [0, 1])
def test_one_node(direction, peephole_weights, coupled):
    builder, directions = Builder(), 1 + (direction == "bidirectional")
    x = builder.input("x", "t", "b", INPUTS)
    y, _, _ = builder.lstm(
        x, directions=directions, peephole=peephole_weights, input_forget=coupled
    )
    data = builder.bytes(y)
    model = from_onnx(data)
    assert type(model) is peephole.LSTM
    assert model.bidirectional == (directions == 2)
    assert model.options["peephole"] == ("diagonal" if peephole_weights else "none")
    assert model.options["coupled_input_forget"] == bool(coupled)
    rows = lambda y: y.transpose(2, 0, 1, 3).reshape(2, 5, -1)  # noqa: E731
    compare(data, model(X)[0], X.transpose(1, 0, 2).copy(), rows)


BEFORE = {
    "": "identity",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Relu": "relu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "HardSigmoid": "hard_sigmoid",
}


@pytest.mark.parametrize("kind", BEFORE)
@pytest.mark.parametrize("by_gemm", [False, True])
def test_a_dense_layer_first(kind, by_gemm):
    """MatMul and Add, or Gemm of merged axes, then an activation, before the LSTM nodes."""
    builder, width = Builder(), 6
    x = batch_first(builder)
    if by_gemm:
        flat = builder.add("Reshape", x, builder.integers(-1, INPUTS))
        weight, bias = builder.random(width, INPUTS), builder.random(width)
        u = builder.add("Gemm", flat, weight, bias, transB=1)
    else:
        u = builder.add("MatMul", x, builder.random(INPUTS, width))
        u = builder.add("Add", builder.random(width), u)
    u = builder.add(kind, u) if kind else u
    if by_gemm:
        sizes = builder.add("Slice", builder.add("Shape", x), *map(builder.integers, (0, 2, 0)))
        shape = builder.add("Concat", sizes, builder.integers(width), axis=0)
        u = builder.add("Reshape", u, shape)
    y = builder.add("Squeeze", builder.lstm(u, inputs=width)[0], builder.integers(1))
    data = builder.bytes(builder.dense(builder.add("Transpose", y, perm=[1, 0, 2]), UNITS))
    model = from_onnx(data)
    assert (model.input_size, model.options["input_dense_size"]) == (INPUTS, width)
    assert model.options["input_activation"] == BEFORE[kind]
    compare(data, model.predict(X))


ACTIVATIONS = [
    (["Sigmoid", "Tanh", "Tanh"], [], [], ["sigmoid", "tanh", "tanh"]),
    (["HardSigmoid", "Relu", "Softsign"], [], [], ["hard_sigmoid", "relu", "softsign"]),
    (
        ["HardSigmoid", "Affine", "Tanh"],
        [0.2, 1.0],
        [0.5, 0.0],
        ["hard_sigmoid", "identity", "tanh"],
    ),
    (["Affine", "Tanh", "Affine"], [0.0, 1.0], [1.0, 0.0], ["one", "tanh", "identity"]),
    (["Sigmoid", "ScaledTanh", "Tanh"], [1.0], [1.0], ["sigmoid", "tanh", "tanh"]),
]


@pytest.mark.parametrize(("names", "alpha", "beta", "ours"), ACTIVATIONS)
def test_activations(names, alpha, beta, ours):
    builder = Builder()
    lists = {"activation_alpha": alpha, "activation_beta": beta} if alpha else {}
    y, _, _ = builder.lstm(batch_first(builder), peephole=True, activations=names, **lists)
    y = builder.add("Squeeze", y, builder.integers(1))
    data = builder.bytes(builder.add("Transpose", y, perm=[1, 0, 2]))
    model = from_onnx(data)
    found = model.options["activations"][0]
    assert [found[k] for k in "igc"] == ours
    compare(data, model(X)[0])


def test_tf2onnx_stack_with_dense_layers():
    """Keras' LSTM(return_sequences) twice and Dense, as tf2onnx writes them: states by Expand."""
    builder = Builder(opset=13)
    x = batch_first(builder)
    for width in (INPUTS, UNITS):
        batch = builder.add("Slice", builder.add("Shape", x), *map(builder.integers, (1, 2, 0)))
        shape = builder.add("Concat", builder.integers(1), batch, builder.integers(UNITS), axis=0)
        zeros = builder.add("Expand", builder.tensor(np.zeros((1, 1, 1))), shape)
        y, _, _ = builder.lstm(x, width, state=(zeros, zeros))
        x = builder.add("Squeeze", y, builder.integers(1))
    y = builder.add("Transpose", x, perm=[1, 0, 2])
    flat = builder.add("Reshape", y, builder.integers(-1, UNITS))
    product = builder.add("MatMul", flat, builder.random(UNITS, OUTPUTS))
    sizes = builder.add("Slice", builder.add("Shape", y), *map(builder.integers, (0, 2, 0)))
    shape = builder.add("Concat", sizes, builder.integers(OUTPUTS), axis=0)
    y = builder.add("Add", builder.add("Reshape", product, shape), builder.random(OUTPUTS))
    data = builder.bytes(builder.add("Sigmoid", y))
    model = from_onnx(data)
    assert (model.hidden_sizes, model.head, model.readout) == ((4, 4), "sigmoid", "all")
    compare(data, model(X)[0])


@pytest.mark.parametrize("axes", [[0, 1], [-3, -2]])
@pytest.mark.parametrize("flat_by_product", [False, True])
def test_tf2onnx_dense_layer_of_each_step(axes, flat_by_product):
    """TensorFlow's Tensordot: the sizes of several axes by one Gather, and their product."""
    builder = Builder()
    y = builder.add("Squeeze", builder.lstm(batch_first(builder))[0], builder.integers(1))
    y = builder.add("Transpose", y, perm=[1, 0, 2])
    sizes = builder.add("Cast", builder.add("Shape", y), to=6)
    sizes = builder.add("Gather", sizes, builder.integers(*axes), axis=0)
    shape = builder.add("Concat", sizes, builder.tensor([OUTPUTS], np.int32), axis=0)
    rows = builder.integers(-1)
    if flat_by_product:
        rows = builder.add("ReduceProd", sizes, axes=[0], keepdims=0)
        rows = builder.add("Unsqueeze", builder.add("Cast", rows, to=7), builder.integers(0))
    target = builder.add("Concat", rows, builder.integers(UNITS), axis=0)
    flat = builder.add("Reshape", y, target)
    product = builder.add("MatMul", flat, builder.random(UNITS, OUTPUTS))
    y = builder.add("Reshape", product, builder.add("Cast", shape, to=7))
    data = builder.bytes(builder.add("Add", y, builder.random(OUTPUTS)))
    model = from_onnx(data)
    assert (model.head, model.readout) == ("identity", "all")
    compare(data, model(X)[0])


def test_tf2onnx_final_steps_of_both_directions():
    """The last step forward and the first one in reverse, each by Slice, as Keras reads them."""
    builder = Builder()
    y, _, _ = builder.lstm(batch_first(builder), directions=2)
    h = []
    for direction, step in ((0, (-1, 2**31 - 1)), (1, (0, 1))):
        part = builder.add("Slice", y, *builder.slice(direction, direction + 1, 1))
        part = builder.add("Squeeze", part, builder.integers(1))
        part = builder.add("Slice", part, *builder.slice(*step, 0))
        h.append(builder.add("Squeeze", part, builder.integers(0)))
    data = builder.bytes(builder.dense(builder.add("Concat", *h, axis=1), 2 * UNITS))
    model = from_onnx(data)
    assert (model.bidirectional, model.readout) == (True, "last")
    compare(data, model(X)[0])


def test_two_nodes_are_two_directions():
    builder = Builder()
    x = batch_first(builder)
    ys = [builder.lstm(x, direction=d)[0] for d in ("forward", "reverse")]
    ys = [builder.add("Squeeze", y, builder.integers(1)) for y in ys]
    y = builder.add("Transpose", builder.add("Concat", *ys, axis=2), perm=[1, 0, 2])
    data = builder.bytes(y)
    model = from_onnx(data)
    assert model.bidirectional
    compare(data, model(X)[0])


@pytest.mark.parametrize("readout", ["mean", "max"])
def test_pooling(readout):
    builder = Builder()
    y, _, _ = builder.lstm(batch_first(builder), directions=2)
    y = builder.add("Transpose", y, perm=[2, 0, 1, 3])
    y = builder.add("Reshape", y, builder.integers(0, 0, 2 * UNITS))
    pooled = builder.add(f"Reduce{readout.title()}", y, axes=[1], keepdims=0)
    head = builder.add("Softmax", builder.dense(pooled, 2 * UNITS), axis=1)
    data = builder.bytes(head)
    model = from_onnx(data)
    assert (model.readout, model.head) == (readout, "softmax")
    compare(data, model(X)[0])


def test_lengths():
    builder = Builder()
    lengths = builder.input("lengths", "b", kind="INT32")
    _, h, _ = builder.lstm(batch_first(builder), directions=2, lengths=lengths)
    h = builder.add("Reshape", builder.add("Transpose", h, perm=[1, 0, 2]), builder.integers(-1, 8))
    data = builder.bytes(builder.dense(h, 2 * UNITS))
    model = from_onnx(data)
    assert model.readout == "last"
    lengths = np.array([5, 2], np.int32)
    compare(data, model(X, None, lengths)[0], lengths=lengths)


def repeated(builder, x, state):
    """Expand of a state (D, 1, H) to the batch of x (T, B, I), as PyTorch writes it."""
    batch = builder.add("Slice", builder.add("Shape", x), *map(builder.integers, (1, 2, 0)))
    sizes = [builder.integers(state.shape[0]), batch, builder.integers(state.shape[2])]
    return builder.add("Expand", builder.tensor(state), builder.add("Concat", *sizes, axis=0))


@pytest.mark.parametrize("form", ["rows", "expanded", "part"])
@pytest.mark.parametrize("directions", [1, 2])
def test_constant_initial_state(directions, form):
    """It becomes a learned one; the second layer begins at zeros."""
    builder = Builder()
    x = batch_first(builder)
    h, c = builder.rng.uniform(-1, 1, (2, directions, 1, UNITS)).astype(np.float32)
    if form == "rows":
        state = [builder.tensor(np.repeat(one, len(X), axis=1)) for one in (h, c)]
    elif form == "expanded":
        state = [repeated(builder, x, one) for one in (h, c)]
    else:
        both = [repeated(builder, x, np.concatenate([one, one + 1])) for one in (h, c)]
        state = [builder.add("Slice", b, *builder.slice(0, directions, 0)) for b in both]
    y, _, _ = builder.lstm(x, directions=directions, state=tuple(state))
    y = builder.add("Transpose", y, perm=[0, 2, 1, 3])
    x = builder.add("Reshape", y, builder.integers(0, 0, directions * UNITS))
    y, _, _ = builder.lstm(x, directions * UNITS, directions=directions)
    y = builder.add("Transpose", y, perm=[2, 0, 1, 3])
    data = builder.bytes(builder.add("Reshape", y, builder.integers(0, 0, directions * UNITS)))
    model = from_onnx(data)
    assert model.options["initial_state"] == "learned"
    for d, suffix in enumerate(["", "_reverse"][:directions]):
        np.testing.assert_array_equal(model.parameters[f"h0_l0{suffix}"], h[d, 0])
        np.testing.assert_array_equal(model.parameters[f"c0_l0{suffix}"], c[d, 0])
        assert not model.parameters[f"h0_l1{suffix}"].any()
    compare(data, model(X)[0])


def test_initial_state_of_c_alone():
    """And h of zeros, in the layout that ONNX Runtime does not have."""
    builder = Builder()
    x = builder.input("x", "b", "t", INPUTS)
    c = builder.rng.uniform(-1, 1, (1, 1, UNITS)).astype(np.float32)
    model = from_onnx(builder.bytes(builder.lstm(x, layout=1, state=("", builder.tensor(c)))[0]))
    assert not model.parameters["h0_l0"].any()
    np.testing.assert_array_equal(model.parameters["c0_l0"], c[0, 0])


def test_batch_first_layout():
    """ONNX Runtime has no layout=1: compared with the same weights in layout 0."""
    data = {}
    for layout in (0, 1):
        builder = Builder()
        x = builder.input("x", "a", "b", INPUTS)
        data[layout] = builder.bytes(builder.lstm(x, layout=layout, directions=2)[0])
    a, b = from_onnx(data[0]), from_onnx(data[1])
    assert a.options == b.options
    assert all(np.array_equal(a.parameters[n], b.parameters[n]) for n in a.parameters)


def test_one_node_of_a_larger_graph():
    builder = Builder()
    x = builder.add("Erf", batch_first(builder))
    y, _, _ = builder.lstm(x)
    y, _, _ = builder.lstm(
        builder.add("Erf", builder.add("Squeeze", y, builder.integers(1))), UNITS
    )
    data = builder.bytes(y)
    with pytest.raises(ValueError, match=r"Erf node .*node= picks"):
        from_onnx(data)
    name = next(node.name for node in builder.nodes if node.op_type == "LSTM")
    model = from_onnx(data, name)
    assert (model.input_size, model.hidden_sizes) == (INPUTS, (UNITS,))
    assert from_onnx(data, y).input_size == UNITS
    with pytest.raises(ValueError, match=rf"no LSTM node is named 'other'; there are {name}"):
        from_onnx(data, "other")


def test_float64():
    builder = Builder()
    x = builder.input("x", "t", "b", INPUTS, kind="DOUBLE")
    weights = [builder.rng.uniform(-1, 1, (1, 4 * UNITS, width)) for width in (INPUTS, UNITS)]
    names = [builder.tensor(w, np.float64) for w in weights]
    y, *_ = builder.add("LSTM", x, *names, outputs=3)
    model = from_onnx(builder.bytes(y))
    assert model.dtype == np.float64
    i, o, f, g = np.split(weights[0][0], 4)
    np.testing.assert_array_equal(model.parameters["weight_ih_l0"], np.concatenate([i, f, g, o]))
    assert "bias_l0" not in model.parameters


class TestTorch:
    """Modules that torch.onnx.export writes, by both of its exporters."""

    @pytest.fixture
    def torch(self):
        return pytest.importorskip("torch", reason="exports its modules")

    def export(self, torch, module, dynamo, path, dynamic):
        axes = {"x": {0: "batch", 1: "time"}}
        options = {"dynamic_axes": axes if dynamic else None, "opset_version": 17}
        if dynamo:
            shapes = tuple(torch.export.Dim(n, min=1, max=99) for n in ("batch", "time"))
            shapes = ({0: shapes[0], 1: shapes[1]},)
            options = {"dynamic_shapes": shapes if dynamic else None, "verbose": False}
        x = torch.from_numpy(X)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module.eval(), (x,), path, input_names=["x"], dynamo=dynamo, **options
            )
        with torch.no_grad():
            return module(x).numpy()

    # The newer exporter takes seconds for each.
    @pytest.mark.parametrize(("dynamo", "dynamic"), [(False, False), (False, True), (True, True)])
    @pytest.mark.parametrize(
        ("layers", "bidirectional", "readout"),
        [
            (1, False, "all"),
            (2, True, "all"),
            (3, False, "step"),
            (2, True, "h_n"),
            (1, False, "mean"),
        ],
    )
    def test_classifier(self, torch, dynamo, dynamic, layers, bidirectional, readout, tmp_path):
        class Classifier(torch.nn.Module):
            def __init__(self):
                super().__init__()
                options = {"batch_first": True, "bidirectional": bidirectional}
                self.lstm = torch.nn.LSTM(INPUTS, UNITS, layers, **options)
                self.head = torch.nn.Linear(UNITS * (1 + bidirectional), OUTPUTS)

            def forward(self, x):
                y, (h, _) = self.lstm(x)
                if readout == "step":
                    y = y[:, -1]
                elif readout == "h_n":
                    y = torch.cat([h[-2], h[-1]], -1)
                elif readout == "mean":
                    y = y.mean(1)
                return torch.softmax(self.head(y), -1)

        if dynamo:
            pytest.importorskip("onnxscript", reason="torch's newer exporter needs it")
        torch.manual_seed(0)
        path = str(tmp_path / "model.onnx")
        expected = self.export(torch, Classifier(), dynamo, path, dynamic)
        model = from_onnx(path)
        assert (model.num_layers, model.head) == (layers, "softmax")
        assert_close(model(X)[0], expected, PEERS["float32"])

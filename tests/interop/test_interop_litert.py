"""LiteRT's sequence LSTM, against its interpreter; graphs are made by the schema's own classes."""

import numpy as np
import pytest
from peephole import interop

interpreter = pytest.importorskip("ai_edge_litert.interpreter", exc_type=ImportError)
schema = pytest.importorskip("ai_edge_litert.schema_py_generated", exc_type=ImportError)
flatbuffers = pytest.importorskip("flatbuffers")

B, T = 2, 7
LSTM, DENSE, SOFTMAX, RELU = 44, 9, 25, 19


class Builder:
    """A graph of operators one after the other."""

    def __init__(self, features, seed=0):
        self.rng = np.random.default_rng(seed)
        self.tensors, self.buffers, self.operators, self.codes = [], [schema.BufferT()], [], []
        self.current = self.first = self.tensor((B, T, features))

    def tensor(self, shape, values=None, variable=False, kind=0):
        tensor = schema.TensorT()
        tensor.shape, tensor.type = list(shape), kind
        tensor.isVariable = variable
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(values.astype("<f4").tobytes(), np.uint8)
            self.buffers.append(buffer)
            tensor.buffer = len(self.buffers) - 1
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def weights(self, *shape):
        return self.tensor(shape, 0.4 * self.rng.standard_normal(shape))

    def operator(self, code, inputs, shape, kind=0, options=None):
        operator, row = schema.OperatorT(), schema.OperatorCodeT()
        row.builtinCode, row.deprecatedBuiltinCode, row.version = code, min(code, 127), 1
        self.codes.append(row)
        operator.opcodeIndex = len(self.codes) - 1
        operator.inputs = [self.current, *inputs]
        self.current = self.tensor(shape)
        operator.outputs = [self.current]
        operator.builtinOptionsType, operator.builtinOptions = kind, options
        self.operators.append(operator)

    def lstm(
        self,
        features,
        units,
        peephole=False,
        coupled=False,
        activation=4,
        norm=False,
        projection=0,
        **changes,
    ):
        outputs = projection or units
        inputs = [self.weights(units, features) for _ in range(4)]
        inputs += [self.weights(units, outputs) for _ in range(4)]
        inputs += [self.weights(units) if peephole else -1 for _ in range(3)]
        inputs += [self.weights(units) for _ in range(4)]
        if coupled:
            for k in (0, 4, 8, 11):
                inputs[k] = -1
        gains = [self.weights(units) if norm else -1 for _ in range(4)]
        if coupled:
            gains[0] = -1
        inputs += [self.weights(projection, units) if projection else -1, -1]
        inputs += [self.tensor((B, size), variable=True) for size in (outputs, units)]
        inputs += gains
        for place, tensor in changes.pop("inputs", {}).items():
            inputs[place - 1] = tensor
        options = schema.UnidirectionalSequenceLSTMOptionsT()
        options.fusedActivationFunction = activation
        for name, value in changes.items():
            setattr(options, name, value)
        self.operator(LSTM, inputs, (B, T, outputs), 71, options)
        return self

    def dense(self, units, outputs):
        options = schema.FullyConnectedOptionsT()
        options.keepNumDims = True
        inputs = [self.weights(outputs, units), self.weights(outputs)]
        self.operator(DENSE, inputs, (B, T, outputs), 8, options)
        return self

    def softmax(self, outputs, beta=1.0):
        options = schema.SoftmaxOptionsT()
        options.beta = beta
        self.operator(SOFTMAX, [], (B, T, outputs), 9, options)
        return self

    def bytes(self):
        graph, model = schema.SubGraphT(), schema.ModelT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [self.first], [self.current]
        model.version, model.subgraphs = 3, [graph]
        model.operatorCodes, model.buffers = self.codes, self.buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def run(content, x):
    engine = interpreter.Interpreter(model_content=content)
    engine.allocate_tensors()
    engine.set_tensor(engine.get_input_details()[0]["index"], x)
    engine.invoke()
    return engine.get_tensor(engine.get_output_details()[0]["index"])


@pytest.mark.parametrize("peephole", [False, True])
@pytest.mark.parametrize("clip", [0.0, 0.05])
@pytest.mark.parametrize("layers", [1, 2])
def test_projections(agree, tmp_path, peephole, clip, layers):
    graph = Builder(3, seed=layers)
    for features, units in [(3, 5), (2, 4)][:layers]:
        graph.lstm(features, units, peephole, projection=2, projClip=clip)
    path = tmp_path / "model.tflite"
    path.write_bytes(graph.bytes())
    lstm = interop.from_litert(path)
    assert lstm.projection_size == 2
    assert lstm.options["projection_clip"] == (np.float32(clip) if clip else None)
    x = np.random.default_rng(5).standard_normal((B, T, 3)).astype("f")
    agree(lstm(x)[0], run(path.read_bytes(), x))


@pytest.mark.parametrize("peephole", [False, True])
@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("activation", [4, 1])
def test_agrees_with_the_interpreter(agree, tmp_path, peephole, coupled, layers, activation):
    graph = Builder(3, seed=layers)
    sizes = [3, 5, 4, 6][: layers + 1]
    for features, units in zip(sizes, sizes[1:]):  # noqa: B905, RUF007
        graph.lstm(features, units, peephole, coupled, activation)
    path = tmp_path / "model.tflite"
    path.write_bytes(graph.bytes())
    x = np.random.default_rng(9).standard_normal((B, T, 3)).astype(np.float32)
    model = interop.from_litert(path)
    agree(model(x)[0], run(graph.bytes(), x))
    assert model.options["coupled_input_forget"] == coupled
    assert model.options["peephole"] == ("diagonal" if peephole else "none")


@pytest.mark.parametrize("peephole", [False, True])
@pytest.mark.parametrize("coupled", [False, True])
def test_cell_clip(agree, tmp_path, peephole, coupled):
    """The bound of the cell state, which the output gate's peephole reads, too."""
    graph = Builder(3).lstm(3, 5, peephole, coupled, cellClip=0.125)
    path = tmp_path / "model.tflite"
    path.write_bytes(graph.bytes())
    x = np.random.default_rng(9).standard_normal((B, T, 3)).astype(np.float32)
    model = interop.from_litert(path)
    assert model.options["cell_clip"] == 0.125
    agree(model(x)[0], run(graph.bytes(), x))
    without = interop.from_litert(path, ignore_cell_clip=True)
    assert without.options["cell_clip"] is None
    assert np.abs(without(x)[0] - model(x)[0]).max() > 0.01


@pytest.mark.parametrize("peephole", [False, True])
@pytest.mark.parametrize("coupled", [False, True])
def test_layer_normalisation(agree, tmp_path, peephole, coupled):
    graph = Builder(3).lstm(3, 5, peephole, coupled, norm=True)
    graph.lstm(5, 4, peephole, coupled, norm=True)
    path = tmp_path / "model.tflite"
    path.write_bytes(graph.bytes())
    x = np.random.default_rng(9).standard_normal((B, T, 3)).astype(np.float32)
    model = interop.from_litert(path)
    agree(model(x)[0], run(graph.bytes(), x))
    names = ("layer_norm", "layer_norm_cell", "layer_norm_epsilon")
    assert [model.options[name] for name in names] == ["gates", "none", 1e-8]


def test_head(agree, tmp_path):
    graph = Builder(3).lstm(3, 5).dense(5, 4).softmax(4)
    path = tmp_path / "model.tflite"
    path.write_bytes(graph.bytes())
    x = np.random.default_rng(9).standard_normal((B, T, 3)).astype(np.float32)
    net = interop.from_litert(path)
    assert net.head == "softmax"
    agree(net.predict(x), run(graph.bytes(), x))


def with_other(code):
    graph = Builder(3).lstm(3, 5)
    graph.operator(code, [], (B, T, 5))
    return graph


def quantised():
    graph = Builder(3).lstm(3, 5)
    graph.tensors[graph.operators[0].inputs[1]].type = 9
    return graph


def wrong_shape():
    graph = Builder(3).lstm(3, 5)
    graph.tensors[graph.operators[0].inputs[2]].shape = [2**31 - 1, 2**31 - 1]
    return graph


def no_buffer():
    graph = Builder(3).lstm(3, 5)
    graph.tensors[graph.operators[0].inputs[2]].buffer = 10**6
    return graph


def biased_projection():
    graph = Builder(3)
    bias = graph.weights(2)
    return graph.lstm(3, 5, projection=2, inputs={17: bias})


def other_projection():
    graph = Builder(3)
    matrix = graph.weights(3, 5)
    return graph.lstm(3, 5, projection=2, inputs={16: matrix})


def cycle():
    graph = Builder(3).lstm(3, 5)
    graph.operators[0].inputs[0] = graph.current
    return graph


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Builder(3), "LSTM, got none"),
        (lambda: with_other(RELU), "operator 19 of the schema"),
        (lambda: Builder(3).dense(3, 2), "operator 9 of the schema"),
        (lambda: Builder(3).lstm(3, 5, cellClip=-2.0), "cell_clip: expected 0 or a finite bound"),
        (lambda: Builder(3).lstm(3, 5, cellClip=np.nan), "cell_clip: expected 0 or a finite bound"),
        (lambda: Builder(3).lstm(3, 5, cellClip=2.0).lstm(5, 4), "options of the first one"),
        (lambda: Builder(3).lstm(3, 5, diagonalRecurrentTensors=True), "diagonal recurrent"),
        (lambda: Builder(3).lstm(3, 5, inputs={16: 1}), r"shape \(any, 5\), got \(5, 3\)"),
        (lambda: Builder(3).lstm(3, 5, projection=5), "projection_size: expected less"),
        (lambda: Builder(3).lstm(3, 5, projection=2, inputs={17: 9}), "shape \\(2\\)"),
        (biased_projection, "a projection with a bias"),
        (other_projection, "recurrent weights for the 3 values of the projection, got .* for 2"),
        (lambda: Builder(3).lstm(3, 5, projection=2).lstm(2, 4), "of the same size in all"),
        (lambda: Builder(3).lstm(3, 5, inputs={21: 1}), r"expected shape|no tensor|\[2, 7, 3\]"),
        (lambda: Builder(3).lstm(3, 5, norm=True).lstm(5, 4), "options of the first one"),
        (lambda: Builder(3).lstm(3, 5, inputs={7: -1}), "no tensor -1"),
        (lambda: Builder(3).lstm(3, 5, inputs={7: 10**6}), "no tensor 1000000"),
        (lambda: Builder(3).lstm(3, 5, activation=3), "activation 3"),
        (lambda: Builder(3).lstm(3, 5, True).lstm(5, 4), "options of the first one"),
        (lambda: Builder(3).lstm(3, 5).lstm(4, 4), "for 5 features"),
        (lambda: Builder(3).lstm(3, 5).dense(5, 2).softmax(2, beta=0.5), "beta=0.5"),
        (quantised, "in float32, got type 9"),
        (wrong_shape, "expected .* values"),
        (no_buffer, "no buffer 1000000"),
        (cycle, "expected a chain"),
    ],
)
def test_names_what_it_cannot_express(make, said, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(make().bytes())
    with pytest.raises(ValueError, match=said):
        interop.from_litert(path)


def test_damaged_files(tmp_path):
    """Whatever is wrong, it is a ValueError, or values changed and the rest is whole."""
    good, path, refused = Builder(3).lstm(3, 5, True).bytes(), tmp_path / "model.tflite", 0
    rng = np.random.default_rng(0)
    for k in range(600):
        if k % 2:
            content = good[: rng.integers(len(good))]
        else:
            content = bytearray(good)
            for _ in range(8):
                content[rng.integers(len(good))] = rng.integers(256)
        path.write_bytes(content)
        try:
            interop.from_litert(path)
        except ValueError:
            refused += 1
    assert refused > 300
    for content in (b"", b"TFL3", b"\x80\x04cos\nsystem\n.", good[8:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="LiteRT file"):
            interop.from_litert(path)

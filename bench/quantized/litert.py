"""LiteRT's UNIDIRECTIONAL_SEQUENCE_LSTM in its hybrid form: weights in int8, the rest in float32.

The file is written with the schema that the package ships; TensorFlow is not needed. Each gate has
its own matrices, with one scale each; peepholes, in int8 too, are on i, f and o, which reads c_t.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np

from bench.implementations.interface import Implementation, Opened, not_installed
from bench.problem import ONNX, Array, Arrays, Problem
from bench.timing import Call

_OPERATOR_VERSION = 2  # of the hybrid form
_FILE_VERSION = 3
_GATES = range(4)  # i, f, g, o, as ours
_PEEPHOLES = (0, 1, 3)


class LiteRT(Implementation):
    """A file of one operator."""

    name = "LiteRT int8"
    model = ONNX

    def version(self) -> str:
        """See Implementation."""
        return version("ai-edge-litert")

    def missing(self, dtype: str) -> str | None:
        """See Implementation."""
        reason = not_installed("ai_edge_litert", "flatbuffers")
        return reason and f"{reason} (pip install ai-edge-litert)"

    def open(self, problem: Problem, threads: int) -> LiteRTOpened:
        """See Implementation."""
        return LiteRTOpened(problem, threads)


class LiteRTOpened(Opened):
    """An interpreter; x is set ahead."""

    def __init__(self, problem: Problem, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.interpreter = Interpreter(model_content=_file(problem), num_threads=threads)
        self.interpreter.allocate_tensors()
        x = np.ascontiguousarray(problem.x.transpose(1, 0, 2))
        self.interpreter.set_tensor(self.interpreter.get_input_details()[0]["index"], x)
        self.inference = Call(self.infer)

    def infer(self) -> None:
        """Inference from zero state; y stays in the interpreter."""
        self.interpreter.reset_all_variables()
        self.interpreter.invoke()

    def answers(self, gradients: bool) -> Arrays:
        """See Opened; no gradients."""
        self.infer()
        y = self.interpreter.get_tensor(self.interpreter.get_output_details()[0]["index"])
        return {"y": y.transpose(1, 0, 2)}


class _Tensors:
    """The tensors of a file, and their buffers."""

    def __init__(self, schema: Any) -> None:
        self.schema = schema
        self.tensors: list[Any] = []
        self.buffers = [schema.BufferT()]  # the first is empty, for tensors without constants

    def add(self, name: str, shape: tuple[int, ...], values: Array | None = None) -> int:
        """The number of a tensor: float32, or constant in the dtype of `values`."""
        tensor = self.schema.TensorT()
        tensor.name, tensor.shape = name, list(shape)
        tensor.type = self.schema.TensorType.FLOAT32
        tensor.buffer = 0
        if values is not None:
            tensor.buffer = len(self.buffers)
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
            self.buffers.append(buffer)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def add_int8(self, name: str, values: Array) -> int:
        """The number of a constant that is rounded to int8, with one scale."""
        scale = float(np.abs(values).max()) / 127 or 1.0
        rounded = np.rint(values / scale).astype(np.int8)
        number = self.add(name, values.shape, rounded)
        tensor = self.tensors[number]
        tensor.type = self.schema.TensorType.INT8
        tensor.quantization = self.schema.QuantizationParametersT()
        tensor.quantization.scale, tensor.quantization.zeroPoint = [scale], [0]
        return number

    def add_state(self, name: str, shape: tuple[int, ...]) -> int:
        """The number of a variable, zero at first."""
        number = self.add(name, shape)
        self.tensors[number].isVariable = True
        return number


def _file(problem: Problem) -> bytes:
    from ai_edge_litert import schema_py_generated as schema

    T, B, I, H = problem.shape[1:5]  # noqa: E741
    of = problem.parameters
    tensors = _Tensors(schema)
    x = tensors.add("x", (T, B, I))
    y = tensors.add("y", (T, B, H))
    inputs = [x]
    for name in ("weight_ih", "weight_hh"):
        inputs += [
            tensors.add_int8(f"{name}_{k}", block)
            for k, block in zip(_GATES, np.split(of[name], 4), strict=True)
        ]
    peepholes = problem.peepholes(ONNX)
    inputs += [tensors.add_int8(f"peephole_{k}", peepholes[k]) for k in _PEEPHOLES]
    inputs += [
        tensors.add(f"bias_{k}", (H,), block)
        for k, block in zip(_GATES, np.split(of["bias"], 4), strict=True)
    ]
    inputs += [-1, -1, tensors.add_state("h", (B, H)), tensors.add_state("c", (B, H))]
    inputs += [-1] * 4  # no layer normalisation

    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, inputs, [y]
    operator.builtinOptionsType = schema.BuiltinOptions.UnidirectionalSequenceLSTMOptions
    operator.builtinOptions = options = schema.UnidirectionalSequenceLSTMOptionsT()
    options.fusedActivationFunction = schema.ActivationFunctionType.TANH
    options.timeMajor = True

    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs = tensors.tensors, [x], [y]
    graph.operators = [operator]
    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM
    code.deprecatedBuiltinCode = code.builtinCode
    code.version = _OPERATOR_VERSION
    model = schema.ModelT()
    model.version, model.operatorCodes = _FILE_VERSION, [code]
    model.subgraphs, model.buffers = [graph], tensors.buffers
    return _packed(model)


def _packed(model: Any) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())

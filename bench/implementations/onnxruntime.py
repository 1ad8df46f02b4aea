"""The LSTM of ONNX Runtime, with peepholes P on i, f and o; it only infers."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np

from bench.implementations.interface import Implementation, Opened, not_installed
from bench.problem import ONNX, Array, Arrays, Problem
from bench.timing import Call

# ONNX orders gates i, o, f, c and peepholes i, o, f; the arrays here i, f, g, o.
GATES = (0, 3, 1, 2)
PEEPHOLES = (0, 3, 1)

OPSET, IR_VERSION = 14, 8


class OnnxRuntime(Implementation):
    """A model of one node, whose weights are constants, so that the runtime may pack them."""

    name = "onnxruntime"
    model = ONNX

    def version(self) -> str:
        """See Implementation."""
        return version("onnxruntime")

    def missing(self, dtype: str) -> str | None:
        """See Implementation."""
        if dtype != "float32":
            return "its LSTM is float32 only"
        return not_installed("onnxruntime", "onnx")

    def open(self, problem: Problem, threads: int) -> OnnxRuntimeOpened:
        """See Implementation."""
        return OnnxRuntimeOpened(problem, threads, model_of(problem))


class OnnxRuntimeOpened(Opened):
    """A session with its input and outputs bound, which saves it copies."""

    def __init__(self, problem: Problem, threads: int, model: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        x = np.ascontiguousarray(problem.x.transpose(1, 0, 2))
        T, B, _ = x.shape
        self.y = onnxruntime.OrtValue.ortvalue_from_numpy(
            np.zeros((T, 1, B, problem.shape.H), problem.dtype)
        )
        binding = session.io_binding()
        binding.bind_ortvalue_input("X", onnxruntime.OrtValue.ortvalue_from_numpy(x))
        binding.bind_ortvalue_output("Y", self.y)
        self.run = lambda: session.run_with_iobinding(binding)
        self.inference = Call(self.run)

    def answers(self, gradients: bool) -> Arrays:
        """See Opened; no gradients."""
        self.run()
        return {"y": self.y.numpy()[:, 0].transpose(1, 0, 2)}


def model_of(problem: Problem) -> bytes:
    """The model of one LSTM node, with the problem's parameters."""
    from onnx import TensorProto, helper, numpy_helper

    shape = problem.shape
    of = problem.parameters
    bias = _reordered(of["bias"], GATES)
    constants = {
        "W": _reordered(of["weight_ih"], GATES),
        "R": _reordered(of["weight_hh"], GATES),
        "B": np.concatenate([bias, np.zeros_like(bias)]),  # ONNX adds two biases
        "P": _reordered(problem.peepholes(ONNX), PEEPHOLES).reshape(-1),
    }
    # Empty names: the optional sequence_lens, initial_h and initial_c, which come before P.
    inputs = ["X", "W", "R", "B", "", "", "", "P"]
    node = helper.make_node("LSTM", inputs, ["Y"], hidden_size=shape.H)
    graph = helper.make_graph(
        [node],
        "lstm",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, (shape.T, shape.B, shape.I))],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, (shape.T, 1, shape.B, shape.H))],
        [numpy_helper.from_array(value[np.newaxis], name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    return bytes(model.SerializeToString())


def _reordered(array: Array, order: tuple[int, ...]) -> Array:
    gates: Any = np.split(array, 4)
    return np.concatenate([gates[gate] for gate in order])

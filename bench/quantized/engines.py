"""The engines of the mode `quantized`, behind the interface of the other implementations."""

from __future__ import annotations

import warnings
from typing import Any

from bench import machine
from bench.implementations import Implementation, Ours
from bench.implementations.onnxruntime import OnnxRuntime, OnnxRuntimeOpened, model_of
from bench.implementations.ours import OursOpened
from bench.implementations.torch import Torch, TorchOpened
from bench.problem import Arrays, Problem
from bench.quantized.litert import LiteRT
from bench.shapes import Shape

# Of our formats, in float32 too.
FORMATS: dict[str, dict[str, str]] = {
    "int16": {"format": "int16"},
    "int8": {"format": "int8"},
    "int8_fast": {"format": "int8", "input_format": "int8"},
}


class Quantized(Ours):
    """Ours in one of FORMATS, with diagonal peepholes on all four gates."""

    def __init__(self, format: str) -> None:
        super().__init__()
        self.format = format

    def open(self, problem: Problem, threads: int) -> OursOpened:
        """See Implementation."""
        return QuantizedOpened(self, problem, threads)


class QuantizedOpened(OursOpened):
    """The quantized layer; inference only."""

    def __init__(self, ours: Quantized, problem: Problem, threads: int) -> None:
        super().__init__(ours, problem, threads)
        self.lstm: Any = self.lstm.quantize(**FORMATS[ours.format])
        self.training = None


class OnnxRuntimeInt8(OnnxRuntime):
    """DynamicQuantizeLSTM, which `quantize_dynamic` makes of the LSTM node.

    Its documentation recommends `reduce_range`, weights of 7 bits, for processors without VNNI,
    where sums of two products may saturate.
    """

    def open(self, problem: Problem, threads: int) -> OnnxRuntimeOpened:
        """See Implementation."""
        return OnnxRuntimeOpened(problem, threads, _quantized(model_of(problem)))


def _quantized(content: bytes) -> bytes:
    import logging
    import tempfile
    from pathlib import Path

    import onnx
    from onnxruntime.quantization import quantize_dynamic

    has_vnni = "vnni" in machine.flags()
    with tempfile.TemporaryDirectory(prefix="peephole-bench-") as folder:
        path = Path(folder, "quantized.onnx")
        logging.disable(logging.WARNING)  # it advises to optimise graphs of one node first
        try:
            quantize_dynamic(onnx.load_from_string(content), path, reduce_range=not has_vnni)
        finally:
            logging.disable(logging.NOTSET)
        made = path.read_bytes()
    operators = [node.op_type for node in onnx.load_from_string(made).graph.node]
    if operators != ["DynamicQuantizeLSTM"]:
        raise RuntimeError(f"expected a DynamicQuantizeLSTM, got {', '.join(operators)}")
    return made


class TorchInt8(Torch):
    """`nn.LSTM` by `torch.ao.quantization.quantize_dynamic`, with weights in qint8."""

    def open(self, problem: Problem, threads: int) -> TorchOpened:
        """See Implementation."""
        import torch

        return TorchInt8Opened(torch, problem, threads)


class TorchInt8Opened(TorchOpened):
    """The quantized layer."""

    def __init__(self, torch: Any, problem: Problem, threads: int) -> None:
        super().__init__(torch, problem, threads)
        # It replaces layers inside a module.
        holder = torch.nn.ModuleDict({"lstm": self.lstm})
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is deprecated, in favour of a package of its own
            of_types = {torch.nn.LSTM}
            quantized = torch.ao.quantization.quantize_dynamic(holder, of_types, torch.qint8)
        self.lstm = quantized["lstm"]
        self.training = None


class TorchBfloat16(Torch):
    """`nn.LSTM` with weights, x and y in bfloat16."""

    def open(self, problem: Problem, threads: int) -> TorchOpened:
        """See Implementation."""
        import torch

        return TorchBfloat16Opened(torch, problem, threads)


class TorchBfloat16Opened(TorchOpened):
    """The layer, and x converted ahead."""

    def __init__(self, torch: Any, problem: Problem, threads: int) -> None:
        super().__init__(torch, problem, threads)
        self.lstm = self.lstm.to(torch.bfloat16)
        self.x = self.x.to(torch.bfloat16)
        self.training = None

    def answers(self, gradients: bool) -> Arrays:
        """See Opened; no gradients."""
        self.turn()
        return {"y": self.infer()[0].float().transpose(0, 1).numpy()}


# In the order of the tables.
OURS: dict[str, Implementation] = {
    "float32": Ours(),
    **{format: Quantized(format) for format in FORMATS},
}
PEERS: dict[str, Implementation] = {
    "ORT float32": OnnxRuntime(),
    "ORT int8": OnnxRuntimeInt8(),
    "torch int8": TorchInt8(),
    "torch bf16": TorchBfloat16(),
    "LiteRT int8": LiteRT(),
}
ENGINES = OURS | PEERS


def left_out(name: str, shape: Shape) -> bool:
    """Whether an engine is not measured at a shape: LiteRT takes seconds a call for batches."""
    return name == "LiteRT int8" and shape.B > 1

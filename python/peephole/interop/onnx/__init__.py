"""ONNX files: `to_onnx` writes them, `from_onnx` reads them.

ONNX is at https://onnx.ai; its LSTM operator is specified at
https://onnx.ai/onnx/operators/onnx__LSTM.html.
"""

from peephole.interop.onnx.exporting import to_onnx
from peephole.interop.onnx.importing import from_onnx

__all__ = ["from_onnx", "to_onnx"]

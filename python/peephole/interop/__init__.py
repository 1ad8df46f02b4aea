"""Models from and for other frameworks.

What a model or a foreign format cannot express raises an error that names it; nothing is
approximated, except that a quantized model is written as its `dequantize()`, with a UserWarning.
Nothing in a file is executed. Foreign packages are imported only by the functions that need them.
"""

from peephole.interop.chainer import from_chainer
from peephole.interop.keras import from_keras, to_keras
from peephole.interop.litert import from_litert
from peephole.interop.nam import from_nam, to_nam
from peephole.interop.onnx import from_onnx, to_onnx
from peephole.interop.rtneural import from_rtneural, to_rtneural
from peephole.interop.tensorflow import from_tensorflow
from peephole.interop.torch import from_torch, to_torch

__all__ = [
    "from_chainer",
    "from_keras",
    "from_litert",
    "from_nam",
    "from_onnx",
    "from_rtneural",
    "from_tensorflow",
    "from_torch",
    "to_keras",
    "to_nam",
    "to_onnx",
    "to_rtneural",
    "to_torch",
]

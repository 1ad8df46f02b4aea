"""Models from and for other packages: each foreign format has a module here.

What a foreign format has and a peephole model cannot express is refused with a ValueError that
names it; nothing is approximated.
"""

from peephole.interop.onnx import from_onnx, to_onnx

__all__ = ["from_onnx", "to_onnx"]

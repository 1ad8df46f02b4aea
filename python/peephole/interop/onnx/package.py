"""The package onnx, imported when it is first needed."""

from __future__ import annotations

from typing import Any

from peephole._fork_gate import fork_gate


def onnx_package() -> Any:
    """The module `onnx`, with its `helper` and `numpy_helper`.

    Raises:
        ImportError: If onnx is not installed; the message says how to install it.
    """
    with fork_gate:
        try:
            import onnx
            import onnx.helper
            import onnx.numpy_helper
        except ImportError as error:
            raise ImportError(
                'ONNX files need the package onnx: pip install "peephole[onnx]"'
            ) from error
        return onnx

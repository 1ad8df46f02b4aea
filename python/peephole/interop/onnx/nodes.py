"""The nodes of a graph or function while it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole.interop.onnx.package import onnx_package

DOMAIN = "peephole"  # of our functions


class Nodes:
    """A growing list of nodes and initialisers. Values are identified by their names.

    The same calls give the same names, so a graph can be compared with one that is written again.
    """

    def __init__(self, prefix: str = "") -> None:
        self._onnx = onnx_package()
        self._prefix = prefix
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self.nodes: list[Any] = []
        self.initialisers: list[Any] = []

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """A node of one output; returns the name of the output."""
        name = output or f"{self._prefix}{kind.lower()}_{len(self.nodes)}"
        self._append(kind, inputs, [name], attributes)
        return name

    def add_many(
        self, kind: str, *inputs: str, outputs: int | list[str], **attributes: Any
    ) -> list[str]:
        """A node of several outputs, which can be named; returns their names."""
        if isinstance(outputs, int):
            name = f"{self._prefix}{kind.lower()}_{len(self.nodes)}"
            outputs = [f"{name}_{k}" for k in range(outputs)]
        self._append(kind, inputs, outputs, attributes)
        return outputs

    def _append(
        self, kind: str, inputs: tuple[str, ...], outputs: list[str], attributes: dict[str, Any]
    ) -> None:
        node = self._onnx.helper.make_node(kind, inputs, outputs, outputs[0], **attributes)
        self.nodes.append(node)

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        """A constant of this value; equal ones are written once."""
        array = np.asarray(value, dtype)
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._constants:
            tensor = self._onnx.numpy_helper.from_array(array)
            self._constants[key] = self.add("Constant", value=tensor)
        return self._constants[key]

    def initialiser(self, name: str, value: NDArray[Any]) -> str:
        """A tensor of the graph with this name."""
        array = np.ascontiguousarray(value)
        self.initialisers.append(self._onnx.numpy_helper.from_array(array, name))
        return name

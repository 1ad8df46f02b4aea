"""LiteRT (TensorFlow Lite) files with UNIDIRECTIONAL_SEQUENCE_LSTM.

The operator: https://github.com/tensorflow/tensorflow, tensorflow/lite/kernels/
unidirectional_sequence_lstm.cc; numbers below are those of tensorflow/compiler/mlir/lite/schema/
schema.fbs. Each gate has its own matrices (H, I) and (H, H), diagonal peepholes (H,) and bias (H,);
o reads c_t. Without the matrices of the input gate i = 1 - f. With a projection (P, H), the
recurrent matrices are (H, P). With layer normalisation, each gate has gains (H,), and its bias is
added after them; epsilon is kNormalizationConstant in
tensorflow/lite/kernels/internal/reference/portable_tensor_utils.cc.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._checks import flag, path_text
from peephole.interop.flatbuffer import Table
from peephole.interop.layers import Direction, Head, Layers, weight
from peephole.models.lstm import LSTM
from peephole.models.network import Network

_LSTM, _DENSE = 44, 9
_HEADS = {14: "sigmoid", 25: "softmax", 28: "tanh"}  # operators after the dense layer
_FUSED = {0: "identity", 1: "relu", 4: "tanh"}
_FLOAT32 = 0
_EPSILON = 1e-8  # of layer normalisation
_NO_TENSOR = -1
# Where the inputs of the operator begin; gates i, f, c, o, of peepholes i, f, o.
_INPUTS, _RECURRENT, _PEEPHOLES, _BIASES, _PROJECTION, _NORM = 1, 5, 9, 12, 16, 20


def from_litert(path: Any, *, ignore_cell_clip: bool = False) -> LSTM | Network:
    """The model of a LiteRT file: sequence LSTMs, then at most one fully connected layer.

    Args:
        path: A `.tflite` file in float32 whose one graph is a chain of
            UNIDIRECTIONAL_SEQUENCE_LSTM and, at the end, FULLY_CONNECTED and an activation.
        ignore_cell_clip: Whether to leave out the cell_clip of a file, the bound of the cell
            states, and with it the option of the model. TensorFlow's converter writes the bound 10
            for the LSTM layers of Keras, which have none. The results are then the file's as long
            as no cell state reaches the bound.

    Returns:
        A `Network` with readout="all", or without a dense layer an `LSTM`. Cells with peepholes
        give `peephole_gates="ifo", output_peephole="current"`, cells without matrices of the input
        gate `coupled_input_forget=True`, cells with layer normalisation `layer_norm="gates",
        layer_norm_cell="none"`. It reads (batch, time, features), also where the file's
        operator reads the time first.

    Raises:
        ValueError: If the file is broken or has something that is not supported: another operator,
            quantised weights, a bias of a projection.
        TypeError: If `ignore_cell_clip` is not a bool.
        OSError: If it cannot be read.
    """
    ignore_cell_clip = flag(ignore_cell_clip, "ignore_cell_clip")
    name = path_text(path, "path")
    data = Path(name).read_bytes()
    if data[4:8] != b"TFL3":
        raise ValueError(f"{name}: expected a LiteRT file, with TFL3 at its start")
    try:
        return _Graph(Table.root(data), ignore_cell_clip).model()
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from None


class _Graph:
    def __init__(self, model: Table, ignore_cell_clip: bool) -> None:
        self._ignore_cell_clip = ignore_cell_clip
        graphs = model.tables(2)
        if len(graphs) != 1:
            raise ValueError(
                f"expected one graph, got {len(graphs)}: the file has loops, as converters write "
                "them for the LSTM layers of Keras 3; for a Keras model use from_keras"
            )
        self._buffers = model.tables(4)
        self._codes = [max(c.number(0, "b"), c.number(3, "i")) for c in model.tables(1)]
        self._tensors = graphs[0].tables(0)
        self._operators = graphs[0].tables(3)
        inputs = graphs[0].array(1, "<i4").tolist()
        if len(inputs) != 1:
            raise ValueError(f"expected one input, got {len(inputs)}")
        self._current = inputs[0]  # the tensor that the next operator must read
        self._outputs = graphs[0].array(2, "<i4").tolist()
        self._layers: list[Direction] = []
        self._options: list[dict[str, Any]] = []
        self._head: Head | None = None

    def model(self) -> LSTM | Network:
        for operator in self._operators:
            self._add(operator)
        if self._outputs != [self._current]:
            raise ValueError("expected one output, of the last operator")
        if not self._layers:
            raise ValueError("expected a UNIDIRECTIONAL_SEQUENCE_LSTM, got none")
        shared = {name: value for name, value in self._options[0].items() if name != "activations"}
        for k, options in enumerate(self._options):
            if {n: v for n, v in options.items() if n != "activations"} != shared:
                raise ValueError(f"LSTM {k}: expected the options of the first one, {shared}")
        activations = [options["activations"] for options in self._options]
        layers = [[layer] for layer in self._layers]
        return Layers(layers, self._head, {**shared, "activations": activations}).model("float32")

    def _add(self, operator: Table) -> None:
        number = operator.number(0, "I")
        if number >= len(self._codes):
            raise ValueError(f"there is no operator code {number}")
        code = self._codes[number]
        inputs, outputs = (operator.array(k, "<i4").tolist() for k in (1, 2))
        if len(outputs) != 1 or not inputs or inputs[0] != self._current:
            raise ValueError("expected a chain of operators, each of which reads the one before it")
        self._current = outputs[0]
        options = operator.table(4)
        if code == _LSTM and self._head is None:
            self._add_lstm(inputs, options)
        elif code == _DENSE and self._layers and self._head is None:
            self._add_dense(inputs, options)
        elif code in _HEADS and self._head is not None and self._head.activation == "identity":
            if code == 25 and options is not None and options.number(0, "f") != 1:
                raise ValueError(f"softmax: beta={options.number(0, 'f')} is not supported")
            self._head = Head(self._head.weight, self._head.bias, _HEADS[code])
        else:
            raise ValueError(
                f"operator {code} of the schema at this place is not supported; expected "
                "UNIDIRECTIONAL_SEQUENCE_LSTM (44), then at most one FULLY_CONNECTED (9)"
            )

    def _add_lstm(self, inputs: list[int], options: Table | None) -> None:
        where = f"LSTM {len(self._layers)}"
        if len(inputs) not in (20, 24):
            raise ValueError(f"{where}: expected 20 or 24 inputs, got {len(inputs)}")
        if options is None:
            raise ValueError(f"{where}: there are no options")
        clip = options.number(1, "f")
        if not 0 <= clip < math.inf:
            raise ValueError(f"{where}: cell_clip: expected 0 or a finite bound, got {clip:g}")
        if options.number(5, "?", False):
            raise ValueError(f"{where}: diagonal recurrent weights are not supported")
        coupled = inputs[_INPUTS] == _NO_TENSOR
        units, outputs = self._values(inputs[_RECURRENT + 1], where, (None, None)).shape
        projection = self._projection(inputs[_PROJECTION : _PROJECTION + 2], where, units)
        if projection is None:
            outputs = units
        elif len(projection) != outputs:
            raise ValueError(
                f"{where}: expected recurrent weights for the {len(projection)} values of the "
                f"projection, got weights for {outputs}"
            )
        matrices = self._gates(inputs[_INPUTS:_RECURRENT], where, (units, None), coupled)
        recurrent = self._gates(inputs[_RECURRENT:_PEEPHOLES], where, (units, outputs), coupled)
        bias = self._gates(inputs[_BIASES:_PROJECTION], where, (units,), coupled)
        i, f, o = inputs[_PEEPHOLES:_BIASES]
        with_peepholes = f != _NO_TENSOR or o != _NO_TENSOR
        peepholes = None
        if with_peepholes:
            rows = self._gates([i, f, f, o], where, (units,), coupled).reshape(4, units)
            rows[2] = 0
            peepholes = rows
        normalises = any(tensor != _NO_TENSOR for tensor in inputs[_NORM:])
        gains = {"gain": self._gains(inputs[_NORM:], where, units, coupled)} if normalises else {}
        self._layers.append(Direction(matrices, recurrent, bias, peepholes, gains, projection))
        cell = _fused(options, where)
        self._options.append({"activations": {"g": cell, "c": cell}})
        if clip > 0 and not self._ignore_cell_clip:
            self._options[-1]["cell_clip"] = float(clip)
        if projection is not None and (bound := options.number(2, "f")):
            self._options[-1]["projection_clip"] = float(bound)
        if coupled:
            self._options[-1]["coupled_input_forget"] = True
        if normalises:
            self._options[-1] |= {
                "layer_norm": "gates",
                "layer_norm_cell": "none",
                "layer_norm_epsilon": _EPSILON,
            }
        if with_peepholes:
            self._options[-1] |= {
                "peephole": "diagonal",
                "peephole_gates": "ifo",
                "output_peephole": "current",
            }

    def _projection(self, tensors: list[int], where: str, units: int) -> NDArray[Any] | None:
        """The matrix (P, H) of a projection, from the tensors of its matrix and bias, or None."""
        matrix, bias = tensors
        if matrix == _NO_TENSOR:
            return None
        projection = self._values(matrix, where, (None, units))
        if bias != _NO_TENSOR and self._values(bias, where, (len(projection),)).any():
            raise ValueError(f"{where}: a projection with a bias is not supported")
        return projection

    def _gates(
        self, tensors: list[int], where: str, shape: tuple[int | None, ...], coupled: bool
    ) -> NDArray[Any]:
        """Weights of the gates i, f, c, o, concatenated along the rows."""
        f, c, o = (self._values(tensor, where, shape) for tensor in tensors[1:])
        # With i = 1 - f, a_i = -a_f: the sigmoid of -a is 1 - that of a.
        i = -f if coupled else self._values(tensors[0], where, shape)
        if any(gate.shape != f.shape for gate in (i, c, o)):
            raise ValueError(f"{where}: expected weights of one shape for all gates")
        return np.concatenate([i, f, c, o])

    def _gains(self, tensors: list[int], where: str, units: int, coupled: bool) -> NDArray[Any]:
        """(4H,) gains of the gates i, f, c, o."""
        f, c, o = (self._values(tensor, where, (units,)) for tensor in tensors[1:])
        # With i = 1 - f, a_i = -a_f: LN(-z) = -LN(z), so the gain is that of f.
        i = f if coupled else self._values(tensors[0], where, (units,))
        return np.concatenate([i, f, c, o])

    def _add_dense(self, inputs: list[int], options: Table | None) -> None:
        if options is None or options.number(1, "b"):
            raise ValueError("FULLY_CONNECTED: expected options, and weights in the default format")
        fused = _fused(options, "FULLY_CONNECTED")
        if fused == "relu":
            raise ValueError("FULLY_CONNECTED: relu is not supported")
        if len(inputs) not in (2, 3):
            raise ValueError(f"FULLY_CONNECTED: expected 2 or 3 inputs, got {len(inputs)}")
        matrix = self._values(inputs[1], "FULLY_CONNECTED", (None, None))
        bias = None
        if len(inputs) == 3 and inputs[2] != _NO_TENSOR:
            bias = self._values(inputs[2], "FULLY_CONNECTED", (len(matrix),))
        self._head = Head(matrix, bias, fused)

    def _values(self, tensor: int, where: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
        """A constant tensor of this shape."""
        if not 0 <= tensor < len(self._tensors):
            raise ValueError(f"{where}: there is no tensor {tensor}")
        table = self._tensors[tensor]
        if (kind := table.number(1, "b")) != _FLOAT32:
            raise ValueError(f"{where}: expected weights in float32, got type {kind} of the schema")
        number = table.number(2, "I")
        if number >= len(self._buffers):
            raise ValueError(f"{where}: there is no buffer {number}")
        values = self._buffers[number].array(0, "u1")
        sizes = table.array(0, "<i4").tolist()
        if min(sizes, default=1) < 0 or values.size != 4 * math.prod(sizes):
            raise ValueError(f"{where}: expected {sizes} values, got {values.size} bytes")
        return weight(values.view("<f4").reshape(sizes), where, shape)


def _fused(options: Table, where: str) -> str:
    number = options.number(0, "b")
    if number not in _FUSED:
        raise ValueError(f"{where}: activation {number} of the schema is not supported")
    return _FUSED[number]

"""RTNeural's JSON files with LSTM layers and a dense layer, both ways.

The format: https://github.com/jatinchowdhury18/RTNeural, RTNeural/model_loader.h. The weights are
those of Keras: kernel (I, 4H), recurrent kernel (H, 4H), bias (4H,), columns i, f, c, o.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._checks import dtype_name
from peephole.interop.json_files import entry, numbers, read_json, write_json
from peephole.interop.layers import Direction, Head, Layers, plain_layers
from peephole.interop.nam import only_steps
from peephole.models.lstm import LSTM
from peephole.models.network import Network

_TARGET = "an RTNeural file"
_DENSE = ("dense", "time-distributed-dense")
_HEADS = {"": "identity", "tanh": "tanh", "sigmoid": "sigmoid", "softmax": "softmax"}
# What plugins add beside the layers, and the value that leaves the output as it is.
_NEUTRAL = {"in_skip": 0, "in_gain": 0, "out_gain": 0}


def from_rtneural(path: Any, *, dtype: str = "float32") -> LSTM | Network:
    """The model of an RTNeural file of LSTM layers and, at the end, at most one dense layer.

    Args:
        path: The JSON file.
        dtype: "float32" or "float64".

    Returns:
        A `Network` with readout="all", or without a dense layer an `LSTM`.

    Raises:
        ValueError: If the file is not such a file, or has a layer that is not supported.
        OSError: If it cannot be read.
    """
    dtype = dtype_name(dtype)
    content = read_json(path)
    for key, neutral in _NEUTRAL.items():
        if content.get(key, neutral) not in (neutral, False, None):
            raise ValueError(f"{key}: not supported, got {content[key]!r}")
    features = _last(entry(content, "in_shape", list, "path"), "in_shape")
    directions: list[list[Direction]] = []
    head: Head | None = None
    for k, layer in enumerate(entry(content, "layers", list, "path")):
        where = f"layers[{k}]"
        kind = entry(layer, "type", str, where)
        activation = layer.get("activation", "")
        if kind == "lstm" and head is None:
            directions.append([_lstm(layer, features, activation, where, dtype)])
            features = directions[-1][0].units
        elif kind in _DENSE and directions and head is None:
            head = _dense(layer, features, activation, where, dtype)
        elif kind == "activation" and head is not None and head.activation == "identity":
            head = Head(head.weight, head.bias, _head(activation, where))
        else:
            raise ValueError(
                f"{where}: expected LSTM layers, then at most one dense layer; got "
                f"{kind!r} at this place, which is not supported"
            )
    if not directions:
        raise ValueError("layers: expected at least one of type 'lstm', got none")
    return Layers(directions, head).model(dtype)


def to_rtneural(model: LSTM | Network, path: Any) -> None:
    """Writes a model as an RTNeural file.

    Args:
        model: An `LSTM`, or a `Network` with readout="all", with peephole="none", the default
            activations and one direction.
        path: The file.

    Raises:
        ValueError: If the format cannot express the model.
        OSError: If the file cannot be written.
    """
    layers = plain_layers(model, _TARGET)
    only_steps(model, _TARGET)
    content = [_written(direction) for (direction,) in layers.directions]
    if (head := layers.head) is not None:
        activation = next(name for name, ours in _HEADS.items() if ours == head.activation)
        content.append(_layer("dense", activation, [head.weight.T, head.bias]))
    write_json(path, {"in_shape": [None, None, model.input_size], "layers": content})


def _written(direction: Direction) -> dict[str, Any]:
    bias = direction.bias
    if bias is None:
        bias = np.zeros(len(direction.weight_ih), direction.weight_ih.dtype)
    # Keras' order of gates, i, f, c, o, is ours: c is g.
    return _layer("lstm", "tanh", [direction.weight_ih.T, direction.weight_hh.T, bias])


def _layer(kind: str, activation: str, weights: Sequence[Any]) -> dict[str, Any]:
    units = len(weights[-1]) // (4 if kind == "lstm" else 1)
    return {
        "type": kind,
        "activation": activation,
        "shape": [None, None, units],
        "weights": [np.asarray(values, np.float64).tolist() for values in weights],
    }


def _lstm(
    layer: Mapping[str, Any], features: int, activation: Any, where: str, dtype: str
) -> Direction:
    if activation not in ("", "tanh"):
        raise ValueError(f"{where}: activation: an LSTM has tanh in RTNeural, got {activation!r}")
    units = _last(entry(layer, "shape", list, where), f"{where}: shape")
    shapes = [(features, 4 * units), (units, 4 * units), (4 * units,)]
    kernel, recurrent, bias = _weights(layer, shapes, where, dtype)
    return Direction(kernel.T, recurrent.T, bias)


def _dense(
    layer: Mapping[str, Any], features: int, activation: Any, where: str, dtype: str
) -> Head:
    units = _last(entry(layer, "shape", list, where), f"{where}: shape")
    shapes = [(features, units), (units,)][: len(entry(layer, "weights", list, where)) or 2]
    matrix, *bias = _weights(layer, shapes, where, dtype)
    return Head(matrix.T, bias[0] if bias else None, _head(activation, where))


def _weights(
    layer: Mapping[str, Any], shapes: Sequence[tuple[int, ...]], where: str, dtype: str
) -> list[NDArray[Any]]:
    values = entry(layer, "weights", list, where)
    if len(values) != len(shapes):
        raise ValueError(f"{where}: weights: expected {len(shapes)} arrays, got {len(values)}")
    return [
        numbers(value, f"{where}: weights[{k}]", shape, dtype)
        for k, (value, shape) in enumerate(zip(values, shapes, strict=True))
    ]


def _head(activation: Any, where: str) -> str:
    if not isinstance(activation, str) or activation not in _HEADS:
        raise ValueError(f"{where}: activation: {activation!r} is not supported")
    return _HEADS[activation]


def _last(shape: list[Any], name: str) -> int:
    """The features of a shape, its last entry."""
    value = shape[-1] if shape else None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}: expected an integer of 1 or more at the end, got {value!r}")
    return value

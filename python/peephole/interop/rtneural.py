"""RTNeural's JSON files with LSTM layers and a dense layer, both ways.

The format: https://github.com/jatinchowdhury18/RTNeural, RTNeural/model_loader.h. The weights are
those of Keras: kernel (I, 4H), recurrent kernel (H, 4H), bias (4H,), columns i, f, c, o. The
core reads them, for plugins in C++ too: peephole/interop.hpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from peephole import _core as core
from peephole._checks import dtype_name, path_text
from peephole.interop.json_files import write_json
from peephole.interop.layers import Direction, plain_layers
from peephole.interop.nam import only_steps
from peephole.models.lstm import LSTM
from peephole.models.network import Network

_TARGET = "an RTNeural file"
_HEADS = {"": "identity", "tanh": "tanh", "sigmoid": "sigmoid", "softmax": "softmax"}


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
    read = {"float32": core.load_rtneural_float32, "float64": core.load_rtneural_float64}
    model = read[dtype_name(dtype)](path_text(path, "path"))
    if isinstance(model, (core.NetworkFloat32, core.NetworkFloat64)):
        return Network._over(model)
    return LSTM._over(model)


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

"""RTNeural's JSON files with LSTM layers and dense layers around them, both ways.

The format: https://github.com/jatinchowdhury18/RTNeural, RTNeural/model_loader.h. The weights are
those of Keras: kernel (I, 4H), recurrent kernel (H, 4H), bias (4H,), columns i, f, c, o. The
core reads them, for plugins in C++ too: peephole/interop.hpp.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from peephole import _core as core
from peephole._checks import dtype_name, path_text
from peephole.interop.json_files import write_json
from peephole.interop.layers import DenseInput, Direction, Head, plain_layers
from peephole.interop.nam import only_steps
from peephole.models.lstm import LSTM
from peephole.models.network import Network

_TARGET = "an RTNeural file"
_INPUTS = {"": "identity", "tanh": "tanh", "sigmoid": "sigmoid", "relu": "relu"}
_HEADS = {"": "identity", "tanh": "tanh", "sigmoid": "sigmoid", "softmax": "softmax"}


def from_rtneural(path: Any, *, dtype: str = "float32") -> LSTM | Network:
    """The model of an RTNeural file of LSTM layers and, at the end, at most one dense layer.

    Args:
        path: The JSON file.
        dtype: "float32" or "float64".

    Returns:
        A `Network` with readout="all", or without a dense layer an `LSTM`. A network may have one
        more dense layer before the LSTM, its `input_dense_size`.

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
            activations and one direction. Before the LSTM it may have a dense layer with the
            activation "identity", "tanh", "sigmoid" or "relu".
        path: The file.

    Raises:
        ValueError: If the format cannot express the model.
        OSError: If the file cannot be written.
    """
    layers = plain_layers(model, _TARGET, allowed=["input_dense_size"])
    only_steps(model, _TARGET)
    content = [_written(direction) for (direction,) in layers.directions]
    if (dense := layers.dense_input) is not None:
        if dense.activation not in _INPUTS.values():
            raise ValueError(
                f"input_activation: {_TARGET} has one of {', '.join(_INPUTS.values())}, "
                f"and the model has {dense.activation!r}"
            )
        content.insert(0, _dense_layer(dense, _INPUTS))
    if layers.head is not None:
        content.append(_dense_layer(layers.head, _HEADS))
    write_json(path, {"in_shape": [None, None, model.input_size], "layers": content})


def _written(direction: Direction) -> dict[str, Any]:
    bias = direction.bias
    if bias is None:
        bias = np.zeros(len(direction.weight_ih), direction.weight_ih.dtype)
    # Keras' order of gates, i, f, c, o, is ours: c is g.
    return _layer("lstm", "tanh", [direction.weight_ih.T, direction.weight_hh.T, bias])


def _dense_layer(dense: DenseInput | Head, names: Mapping[str, str]) -> dict[str, Any]:
    activation = next(name for name, ours in names.items() if ours == dense.activation)
    return _layer("dense", activation, [dense.weight.T, dense.bias])


def _layer(kind: str, activation: str, weights: Sequence[Any]) -> dict[str, Any]:
    units = len(weights[-1]) // (4 if kind == "lstm" else 1)
    return {
        "type": kind,
        "activation": activation,
        "shape": [None, None, units],
        "weights": [np.asarray(values, np.float64).tolist() for values in weights],
    }

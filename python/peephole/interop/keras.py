"""Keras 2 and 3: models in memory, `.keras` and `.h5` files.

keras.layers.LSTM: https://keras.io/api/layers/recurrent_layers/lstm/. Its weights are a kernel
(I, 4H), a recurrent kernel (H, 4H) and a bias (4H,), columns i, f, c, o.
"""

from __future__ import annotations

import json
import re
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from peephole._checks import path_text
from peephole.interop import hdf5
from peephole.interop.json_files import entry, parse_json
from peephole.interop.keras_config import ACTIVATIONS, Cell, Chain, class_of, layers_of
from peephole.interop.layers import DenseInput, Direction, Head, Layers, plain_layers, weight
from peephole.interop.packages import needed
from peephole.models.lstm import LSTM
from peephole.models.network import Network

_LARGEST_TEXT = 2**26  # bytes of a configuration; those of large models have some MiB
_MAX_COMPRESSION = 100  # of a member of a .keras file

# Of a layer, by its number: the part of it, where its arrays begin among all arrays of the layer,
# and the shapes of the arrays. Returns the arrays.
_Read = Callable[[int, str, int, Sequence[tuple[Any, ...]]], list[NDArray[Any]]]


def from_keras(source: Any) -> LSTM | Network:
    """The model of a Keras model of LSTM layers, and at most one Dense layer after and before them.

    Files are read by h5py alone; Keras is not needed, and nothing in a file is executed. Layers
    that act only in training, such as Dropout, are left out, and the dropout of layers is not taken
    over.

    Args:
        source: A Sequential or functional model in memory, or the path of a `.keras` or `.h5` file
            of a whole model. Its layers form a chain: Dense or TimeDistributed(Dense), only with
            one after the LSTM, too, and Activation; LSTM or Bidirectional(LSTM) with
            merge_mode="concat"; GlobalAveragePooling1D or GlobalMaxPooling1D; Dense or
            TimeDistributed(Dense); Activation.

    Returns:
        With a Dense layer a `Network`: readout is "all" if the last LSTM has return_sequences,
        otherwise "last"; "mean" or "max" for pooling. Without one an `LSTM`, whose y has every
        step.

    Raises:
        ValueError: For a layer, activation or option that is not supported, such as Masking and
            the hard_sigmoid of Keras 3, and for a file that is broken.
        OSError: If a file cannot be read.
        ImportError: If a file is given and h5py is not installed.
    """
    if callable(getattr(source, "get_config", None)):
        return _in_memory(source)
    path = path_text(source, "source")
    with open(path, "rb") as file:  # noqa: PTH123 (one way for both kinds of path)
        start = file.read(4)
    return _keras_file(path) if start[:2] == b"PK" else _h5_file(path)


def to_keras(model: LSTM | Network) -> Any:
    """The `keras.Sequential` that computes what a model without peepholes computes.

    Args:
        model: An `LSTM` or a `Network` with peephole="none" and the default activations. The
            `input_activation` of a network is one that `from_keras` reads. Dropout is not taken
            over; masked weights are written as zeros.

    Returns:
        A built `keras.Sequential`. That of an `LSTM` returns every step.

    Raises:
        ValueError: If Keras' LSTM does not have what the model has.
        ImportError: If keras is not installed, or its backend, which the environment variable
            KERAS_BACKEND names.
    """
    layers = plain_layers(model, "keras.layers.LSTM", allowed=["input_dense_size"])
    activation_before = _keras_activation(layers.dense_input)
    keras = needed("keras", "keras")
    head, options = layers.head, {"dtype": model.dtype.name}
    sequential = keras.Sequential([keras.Input((None, model.input_size), **options)])
    values: list[list[NDArray[Any] | None]] = []
    if (dense := layers.dense_input) is not None:
        sequential.add(keras.layers.Dense(len(dense.weight), activation_before, **options))
        values.append([dense.weight.T, dense.bias])
    for k, of_layer in enumerate(layers.directions):
        last = k == len(layers.directions) - 1 and head is not None and head.readout == "last"
        layer = keras.layers.LSTM(
            of_layer[0].units,
            return_sequences=not last,
            use_bias=of_layer[0].bias is not None,
            **options,
        )
        if model.bidirectional:
            layer = keras.layers.Bidirectional(layer, **options)
        sequential.add(layer)
        values.append([a for d in of_layer for a in (d.weight_ih.T, d.weight_hh.T, d.bias)])
    if head is not None:
        if head.readout == "mean":
            sequential.add(keras.layers.GlobalAveragePooling1D(**options))
        if head.readout == "max":
            sequential.add(keras.layers.GlobalMaxPooling1D(**options))
        activation = {"identity": "linear"}.get(head.activation, head.activation)
        sequential.add(keras.layers.Dense(len(head.weight), activation, **options))
        values.append([head.weight.T, head.bias])
    with_weights = [layer for layer in sequential.layers if layer.weights]
    for layer, of_layer_values in zip(with_weights, values, strict=True):
        layer.set_weights([value for value in of_layer_values if value is not None])
    return sequential


def _keras_activation(dense: DenseInput | None) -> str:
    """Keras' name of the activation before the LSTM."""
    names = {ours: theirs for theirs, ours in ACTIVATIONS.items()}
    if dense is None:
        return ""
    if dense.activation not in names:
        raise ValueError(
            f"input_activation: keras.layers.Dense has one of {', '.join(names)}, "
            f"and the model has {dense.activation!r}"
        )
    return names[dense.activation]


def _in_memory(model: Any) -> LSTM | Network:
    package = sys.modules.get(type(model).__module__.partition(".")[0])
    version = str(getattr(package, "__version__", ""))
    config = {"class_name": _kind(model), "config": model.get_config()}
    layers = layers_of(json.loads(json.dumps(config, default=str)))  # as in a file: no tuples
    names = [
        entry(entry(layer, "config", dict, "layers"), "name", str, "layers") for layer in layers
    ]

    def read(
        number: int, part: str, begin: int, shapes: Sequence[tuple[Any, ...]]
    ) -> list[NDArray[Any]]:
        arrays = model.get_layer(names[number]).get_weights()[begin:]
        where = f"layers[{number}]"
        if len(arrays) < len(shapes):
            raise ValueError(f"{where}: expected {begin + len(shapes)} arrays of weights")
        return [weight(a, where, s) for a, s in zip(arrays, shapes, strict=False)]

    return _model(layers, version, read)


def _kind(model: Any) -> str:
    classes = {c.__name__ for c in type(model).__mro__}
    return next((c for c in ("Sequential", "Functional") if c in classes), type(model).__name__)


def _keras_file(path: str) -> LSTM | Network:
    try:
        with zipfile.ZipFile(path) as archive:
            config = parse_json(_member(archive, "config.json", _LARGEST_TEXT), "config.json")
            metadata = parse_json(_member(archive, "metadata.json", _LARGEST_TEXT), "metadata.json")
            content = _member(archive, "model.weights.h5")
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError(f"{path}: expected a .keras file, got: {error}") from None
    layers = layers_of(config)
    with hdf5.opened(content, "model.weights.h5") as file:
        roots = ("layers", "_layer_checkpoint_dependencies")
        root = next((name for name in roots if name in file), roots[0])
        places = _places(layers)

        def read(
            number: int, part: str, begin: int, shapes: Sequence[tuple[Any, ...]]
        ) -> list[NDArray[Any]]:
            place = "/".join(filter(None, [root, places[number], part, "vars"]))
            return [
                hdf5.dataset(file, f"{place}/{k}", "model.weights.h5", shape)
                for k, shape in enumerate(shapes)
            ]

        return _model(layers, str(metadata.get("keras_version", "")), read)


def _member(archive: zipfile.ZipFile, name: str, largest: int | None = None) -> bytes:
    if name not in archive.namelist():
        raise ValueError(f"{archive.filename}: expected a .keras file, got one without {name}")
    info = archive.getinfo(name)
    if info.file_size > (largest or _MAX_COMPRESSION * max(info.compress_size, 1)):
        raise ValueError(f"{name}: {info.file_size} bytes are too many")
    return archive.read(name)


def _places(layers: Sequence[Any]) -> list[str]:
    """The group of each layer: its class in snake case, numbered where there are several."""
    counts: dict[str, int] = {}
    places = []
    for layer in layers:
        name = re.sub(r"(?<=[a-z0-9])([A-Z])|(?<=[A-Z])([A-Z][a-z])", r"_\1\2", class_of(layer, ""))
        name = name.lower()
        count = counts[name] = counts.get(name, -1) + 1
        places.append(f"{name}_{count}" if count else name)
    return places


def _h5_file(path: str) -> LSTM | Network:
    with hdf5.opened(path, path) as file:
        if "model_config" not in file.attrs:
            raise ValueError(
                f"{path}: expected the file of a whole model, got one without model_config; "
                "save it by model.save, not save_weights"
            )
        config = parse_json(hdf5.text(file, "model_config", path), "model_config")
        version = hdf5.text(file, "keras_version", path)
        layers = layers_of(config)
        names = [
            entry(entry(layer, "config", dict, "layers"), "name", str, "layers") for layer in layers
        ]

        def read(
            number: int, part: str, begin: int, shapes: Sequence[tuple[Any, ...]]
        ) -> list[NDArray[Any]]:
            group = hdf5.child(file, f"model_weights/{names[number]}", path)
            arrays = hdf5.texts(group, "weight_names", path)[begin : begin + len(shapes)]
            if len(arrays) < len(shapes):
                raise ValueError(f"{path}: {names[number]}: expected {len(shapes)} more weights")
            return [
                hdf5.dataset(group, array, path, shape)
                for array, shape in zip(arrays, shapes, strict=True)
            ]

        return _model(layers, version, read)


def _model(layers: Sequence[Any], version: str, read: _Read) -> LSTM | Network:
    chain = Chain(layers, keras_2=version.startswith("2."))
    directions, activations = [], []
    for number, cells in chain.recurrent:
        parts = ["cell"] if len(cells) == 1 else ["forward_layer/cell", "backward_layer/cell"]
        directions.append(
            [
                _direction(cell, number, part, k, read)
                for k, (cell, part) in enumerate(zip(cells, parts, strict=True))
            ]
        )
        activations.append(cells[0].activations)
    head = dense_input = None
    if chain.dense is not None:
        head = Head(*_dense(*chain.dense, read), chain.activation, chain.readout)
    if chain.dense_input is not None:
        dense_input = DenseInput(*_dense(*chain.dense_input, read), chain.input_activation)
    options = {"activations": activations}
    return Layers(directions, head, options, dense_input).model(chain.dtype)


def _dense(
    number: int, config: Mapping[str, Any], read: _Read
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """The weight and bias of a dense layer."""
    shapes = [(None, config["units"]), (config["units"],)][: 1 + config.get("use_bias", True)]
    kernel, *bias = read(number, "layer" if config["time_distributed"] else "", 0, shapes)
    return kernel.T, bias[0] if bias else None


def _direction(cell: Cell, number: int, part: str, which: int, read: _Read) -> Direction:
    rows = 4 * cell.units
    shapes = [(None, rows), (cell.units, rows), (rows,)][: 2 + cell.bias]
    kernel, recurrent, *bias = read(number, part, which * len(shapes), shapes)
    # Keras' order of gates, i, f, c, o, is ours: c is g.
    return Direction(kernel.T, recurrent.T, bias[0] if bias else None)

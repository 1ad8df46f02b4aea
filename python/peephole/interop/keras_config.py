"""The configuration of a Keras model: its layers, in the order of the computation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from peephole.interop.json_files import entry

# Layers that act only in training.
_OF_TRAINING = ("Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout")
_POOLING = {"GlobalAveragePooling1D": "mean", "GlobalMaxPooling1D": "max"}
ACTIVATIONS = {
    "linear": "identity",
    **{name: name for name in ("sigmoid", "tanh", "relu", "softsign", "softplus")},
}
_HEADS = {"linear": "identity", **{name: name for name in ("sigmoid", "tanh", "softmax")}}
_HINTS = {
    "Masking": "leave it out and pass lengths= to the model",
    "Embedding": "leave it out and pass the embedded values",
}


class Cell:
    """An LSTM layer of Keras in one direction.

    Attributes:
        units: H.
        bias: Whether it has one.
        sequences: Whether it returns every step.
        activations: {"i", "f", "g", "o", "c": name}, in our names.
        dtype: "float32" or "float64".
    """

    def __init__(self, layer: Any, where: str, keras_2: bool, backwards: bool = False) -> None:
        name = class_of(layer, where)
        if name != "LSTM":
            raise ValueError(f"{where}: expected an LSTM, got {name}, which is not supported")
        config = entry(layer, "config", dict, where)
        self.units = entry(config, "units", int, where)
        if self.units < 1:
            raise ValueError(f"{where}: units: expected at least 1, got {self.units}")
        self.bias = bool(config.get("use_bias", True))
        self.sequences = bool(config.get("return_sequences"))
        self.dtype = _dtype(config.get("dtype", "float32"), where)
        for key, plain in {"go_backwards": backwards, "time_major": False}.items():
            if bool(config.get(key, False)) != plain:
                raise ValueError(f"{where}: {key}={config.get(key)} is not supported here")
        cell = _activation(config.get("activation"), where, ACTIVATIONS)
        gates = config.get("recurrent_activation")
        if gates == "hard_sigmoid" and keras_2:
            gate = "hard_sigmoid"
        elif gates == "hard_sigmoid":
            raise ValueError(
                f"{where}: recurrent_activation: hard_sigmoid of Keras 3, x/6 + 0.5, is not "
                "supported; that of Keras 2, 0.2 x + 0.5, is"
            )
        else:
            gate = _activation(gates, where, ACTIVATIONS)
        self.activations = {"i": gate, "f": gate, "o": gate, "g": cell, "c": cell}


class Chain:
    """The supported layers of a Keras model.

    Attributes:
        recurrent: Of each LSTM layer its number in the model, and its cells: one, or forward and
            backward.
        dense: The number of the dense layer after them and its config, or None.
        activation: Of the dense layer, in our names.
        dense_input: The same of a dense layer before them.
        input_activation: Of that layer.
        readout: What the dense layer reads.
    """

    def __init__(self, layers: Sequence[Any], keras_2: bool) -> None:
        self.recurrent: list[tuple[int, list[Cell]]] = []
        self.dense: tuple[int, Mapping[str, Any]] | None = None
        self.activation = "identity"
        self.dense_input: tuple[int, Mapping[str, Any]] | None = None
        self.input_activation = "identity"
        self.readout = ""
        self._keras_2 = keras_2
        for number, layer in enumerate(layers):
            self._add(number, layer)
        if not self.recurrent:
            raise ValueError("layers: expected an LSTM, got none")
        *inner, (_, last) = self.recurrent
        for number, cells in inner:
            if not all(cell.sequences for cell in cells):
                raise ValueError(
                    f"layers[{number}]: return_sequences: expected True before an LSTM"
                )
        if self.readout and not last[0].sequences:
            raise ValueError("layers: pooling of a layer without return_sequences is not supported")
        if self.readout and self.dense is None:
            raise ValueError("layers: pooling without a Dense layer after it is not supported")
        self.readout = self.readout or ("all" if last[0].sequences else "last")
        cells = [cell for _, of_layer in self.recurrent for cell in of_layer]
        if len({cell.dtype for cell in cells}) > 1:
            raise ValueError(f"dtype: expected one for all layers, got {[c.dtype for c in cells]}")
        self.dtype = cells[0].dtype

    def _add(self, number: int, layer: Any) -> None:
        where = f"layers[{number}]"
        name = class_of(layer, where)
        config = entry(layer, "config", dict, where)
        if name == "InputLayer" or name in _OF_TRAINING:
            return
        if name in ("LSTM", "Bidirectional") and not self.readout and self.dense is None:
            cells = (
                [Cell(layer, where, self._keras_2)]
                if name == "LSTM"
                else _both(config, where, self._keras_2)
            )
            self.recurrent.append((number, cells))
        elif name in _POOLING and self.recurrent and not self.readout and self.dense is None:
            if config.get("keepdims"):
                raise ValueError(f"{where}: keepdims=True is not supported")
            self.readout = _POOLING[name]
        elif name in ("Dense", "TimeDistributed") and self.recurrent and self.dense is None:
            self.dense = _dense(number, name, config, where)
            self.activation = _activation(self.dense[1].get("activation"), where, _HEADS)
        elif name in ("Dense", "TimeDistributed") and not self.recurrent and not self.dense_input:
            self.dense_input = _dense(number, name, config, where)
            activation = self.dense_input[1].get("activation")
            self.input_activation = _activation(activation, where, ACTIVATIONS)
        elif name == "Activation" and self._activates_input():
            self.input_activation = _activation(config.get("activation"), where, ACTIVATIONS)
        elif name in ("Activation", "Softmax") and self.dense and self.activation == "identity":
            value = "softmax" if name == "Softmax" else config.get("activation")
            self.activation = _activation(value, where, _HEADS)
        else:
            hint = f"; {_HINTS[name]}" if name in _HINTS else ""
            raise ValueError(
                f"{where}: expected at most one Dense, LSTM layers, then at most one Dense; got "
                f"{name} at this place, which is not supported{hint}"
            )

    def _activates_input(self) -> bool:
        """Whether an activation at this place is that of the dense layer before the LSTM."""
        begun = self.dense_input is not None and not self.recurrent
        return begun and self.input_activation == "identity"


def _dense(
    number: int, name: str, config: Mapping[str, Any], where: str
) -> tuple[int, Mapping[str, Any]]:
    if name == "TimeDistributed":
        inner = entry(config, "layer", dict, where)
        if class_of(inner, where) != "Dense":
            raise ValueError(f"{where}: only TimeDistributed of Dense is supported")
        config = entry(inner, "config", dict, where)
    if entry(config, "units", int, where) < 1:
        raise ValueError(f"{where}: units: expected at least 1, got {config['units']}")
    return number, {**config, "time_distributed": name == "TimeDistributed"}


def layers_of(config: Any) -> list[Any]:
    """The layers of a model's configuration, from its input to its output.

    Raises ValueError for a model that is not a chain of layers.
    """
    name = class_of(config, "model")
    if name not in ("Sequential", "Functional", "Model"):
        raise ValueError(f"model: expected Sequential or a functional model, got {name}")
    inner = config["config"] if name == "Sequential" else entry(config, "config", dict, "model")
    if isinstance(inner, list):  # a Sequential of early versions
        return inner
    layers: list[Any] = entry(inner, "layers", list, "model")
    return layers if name == "Sequential" else _in_order(layers, inner)


def _in_order(layers: list[Any], config: Mapping[str, Any]) -> list[Any]:
    """The layers of a functional model, checked to be a chain."""
    before: Any = None
    for number, layer in enumerate(layers):
        where = f"layers[{number}]"
        nodes = entry(layer, "inbound_nodes", list, where)
        read = [place for node in nodes for place in _read_by(node)]
        if (len(nodes) > 1) or read != ([] if before is None else [before]):
            raise ValueError(
                f"{where}: expected a chain of layers, each of which reads the one before it, "
                f"got one that reads {', '.join(map(str, read)) or 'nothing'}"
            )
        before = entry(layer, "name", str, where)
    outputs = config.get("output_layers")
    names = outputs if isinstance(outputs, list) and outputs else [None]
    if isinstance(names[0], list):
        names = names[0] if len(names) == 1 else [None]
    if not names or names[0] != before:
        raise ValueError(f"output_layers: expected the last layer, {before!r}, got {outputs!r}")
    return layers


def _read_by(node: Any, depth: int = 0) -> list[Any]:
    """The names of the layers whose first outputs a node reads."""
    if isinstance(node, Mapping):
        if node.get("class_name") == "__keras_tensor__":
            config = node.get("config")
            history = config.get("keras_history") if isinstance(config, Mapping) else None
            return [_first_output(history)]
        node = list(node.values())
    if not isinstance(node, list) or depth > 8:
        return []
    if len(node) in (3, 4) and isinstance(node[0], str) and isinstance(node[1], int):
        rest = node[3] if len(node) == 4 else None
        return [_first_output(node[:3]), *_read_by(rest, depth + 1)]
    return [name for part in node for name in _read_by(part, depth + 1)]


def _first_output(history: Any) -> Any:
    if not isinstance(history, list) or len(history) != 3 or history[1:] != [0, 0]:
        return f"another output: {history}"
    return history[0]


def class_of(layer: Any, where: str) -> str:
    """The class of Keras that a layer or model has. Raises ValueError for classes of users."""
    name = str(entry(layer, "class_name", str, where))
    registered = layer.get("registered_name")
    if isinstance(registered, str) and registered != name:
        raise ValueError(f"{where}: {registered} is not a layer of Keras, and not supported")
    return name


def _both(config: Mapping[str, Any], where: str, keras_2: bool) -> list[Cell]:
    mode = config.get("merge_mode", "concat")
    if mode != "concat":
        raise ValueError(f"{where}: merge_mode: expected 'concat', got {mode!r}")
    inner = entry(config, "layer", dict, where)
    forward = Cell(inner, where, keras_2)
    backward = forward
    if config.get("backward_layer") is not None:
        backward = Cell(config["backward_layer"], where, keras_2, backwards=True)
    for name in ("units", "bias", "sequences", "activations"):
        ours, other = getattr(forward, name), getattr(backward, name)
        if ours != other:
            raise ValueError(
                f"{where}: expected the same {name} in both directions, got {ours} and {other}"
            )
    return [forward, backward]


def _activation(value: Any, where: str, known: Mapping[str, str]) -> str:
    name = "linear" if value is None else value
    if isinstance(name, Mapping):  # a function, in files of Keras 3
        name = name.get("config") if name.get("module") == "builtins" else name.get("class_name")
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"{where}: activation {name!r} is not supported")
    return known[name]


def _dtype(value: Any, where: str) -> str:
    name = value
    if isinstance(value, Mapping):  # a policy
        config = value.get("config")
        name = config.get("name") if isinstance(config, Mapping) else None
    if name not in ("float32", "float64"):
        raise ValueError(f"{where}: dtype: expected float32 or float64, got {name!r}")
    return str(name)

"""NeuralAmpModeler's `.nam` files with an LSTM, both ways.

The format: https://github.com/sdatkinson/NeuralAmpModelerCore, NAM/lstm.cpp. The weights are one
list: of each layer [W | R] (4H, I + H) by rows in the order i, f, g, o, the bias (4H,), the initial
h and c (H,); then the head's weight (O, H) and bias (O,). The core reads them, for plugins in C++
too: peephole/interop.hpp.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole import _core as core
from peephole._checks import dtype_name, path_text
from peephole._types import State
from peephole.interop.json_files import write_json
from peephole.interop.layers import equal_sizes, plain_layers, weight
from peephole.models.lstm import LSTM
from peephole.models.network import Network

_VERSION = "0.5.4"  # of the format that is written
_TARGET = "a .nam file"


def from_nam(path: Any, *, dtype: str = "float32") -> Network:
    """The network of a NeuralAmpModeler file.

    The file's initial state, as a rule the one that silence leads to, becomes the network's learned
    initial state: its calls and its streams start from it.

    Args:
        path: A `.nam` file of the architecture "LSTM".
        dtype: "float32", in which the plugin computes, or "float64".

    Returns:
        The network, with readout="all" and initial_state="learned". Its `metadata` has the texts,
        numbers and booleans of the file's metadata as strings, and "sample_rate".

    Raises:
        ValueError: If the file is not such a file, or of another architecture.
        OSError: If it cannot be read.
    """
    read = {"float32": core.load_nam_float32, "float64": core.load_nam_float64}
    core_model, metadata = read[dtype_name(dtype)](path_text(path, "path"))
    model = Network._over(core_model)
    model.metadata = metadata
    return model


def to_nam(
    model: Network,
    path: Any,
    state: State | None = None,
    *,
    sample_rate: float | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """Writes a network as a NeuralAmpModeler file.

    The plugin computes in float32, so it rounds the weights of a float64 network.

    Args:
        model: A `Network` with peephole="none", head="identity", readout="all", the default
            activations, layers of one size, and one direction.
        path: The file.
        state: The initial state: one pair (h, c), each (H,), per layer; None means the learned
            initial state of a model that has one, and otherwise zeros. To start a plugin without a
            click, give the final state of a second of silence.
        sample_rate: In Hz, what the network was trained at; None leaves it out.
        metadata: JSON values under names such as "name" and "gear_type".

    Raises:
        ValueError: If the format cannot express the model.
        TypeError: If `model` is not a `Network`.
        OSError: If the file cannot be written.
    """
    if not isinstance(model, Network):
        raise TypeError(f"model: expected a Network, got {type(model).__name__}")
    layers = plain_layers(model, _TARGET, allowed=["initial_state"])
    hidden = equal_sizes(model, _TARGET)
    only_steps(model, _TARGET)
    if model.head != "identity":
        raise ValueError(f"head: {_TARGET} has 'identity', and the model has {model.head!r}")
    assert layers.head is not None and layers.head.bias is not None  # of a Network
    parts: list[NDArray[Any]] = []
    for k, ((direction,), (h, c)) in enumerate(
        zip(layers.directions, _pairs(state, model), strict=True)
    ):
        parts += [np.concatenate([direction.weight_ih, direction.weight_hh], axis=1)]
        parts += [np.zeros(4 * hidden) if direction.bias is None else direction.bias]
        parts += [weight(h, f"state[{k}]: h", (hidden,)), weight(c, f"state[{k}]: c", (hidden,))]
    parts += [layers.head.weight, layers.head.bias]
    config = {
        "input_size": model.input_size,
        "hidden_size": hidden,
        "num_layers": model.num_layers,
    }
    if model.input_size > 1 or model.output_size > 1:
        config |= {"in_channels": model.input_size, "out_channels": model.output_size}
    content: dict[str, Any] = {
        "version": _VERSION,
        "metadata": dict(metadata or {}),
        "architecture": "LSTM",
        "config": config,
        "weights": [float(v) for part in parts for v in part.flat],
    }
    if sample_rate is not None:
        content["sample_rate"] = float(sample_rate)
    write_json(path, content)


def only_steps(model: LSTM | Network, target: str) -> None:
    """Raises ValueError if the model reads steps of the future."""
    if model.bidirectional:
        raise ValueError(f"bidirectional: {target} has one direction, and the model has both")
    if isinstance(model, Network) and model.readout != "all":
        raise ValueError(f"readout: {target} has 'all', and the model has {model.readout!r}")


def _pairs(state: State | None, model: Network) -> State:
    if state is None and model.options["initial_state"] == "learned":
        names = [(f"h0_l{k}", f"c0_l{k}") for k in range(model.num_layers)]
        return [(np.array(model.parameters[h]), np.array(model.parameters[c])) for h, c in names]
    if state is None:
        return [(np.zeros(h), np.zeros(h)) for h in model.hidden_sizes]
    try:
        pairs = [(h, c) for h, c in state]
    except (TypeError, ValueError):
        raise ValueError("state: expected a pair (h, c) for each layer") from None
    if len(pairs) != model.num_layers:
        raise ValueError(f"state: expected {model.num_layers} pairs (h, c), got {len(pairs)}")
    return pairs

"""PyTorch: `torch.nn.LSTM`, with an `nn.Linear` as head, both ways.

torch.nn.LSTM: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._fork_gate import fork_gate
from peephole.interop.layers import (
    Direction,
    Head,
    Layers,
    common_dtype,
    equal_sizes,
    plain_layers,
    weight,
)
from peephole.interop.packages import needed
from peephole.models.lstm import LSTM
from peephole.models.network import Network

_OF_LSTM = re.compile(r"(?P<prefix>.*?)(weight|bias)_(ih|hh|hr)_l\d+(_reverse)?")


def from_torch(
    source: Any,
    lstm: str | Sequence[str] | None = None,
    head: str | None = None,
    *,
    activation: str = "identity",
    readout: str = "all",
) -> LSTM | Network:
    """The model with the weights of a `torch.nn.LSTM`, and of an `nn.Linear` as its head.

    The two biases of torch are summed to one. The dropout of an `nn.LSTM` and other settings of
    training are not taken over.

    Args:
        source: An `nn.Module`, or a state dict: a mapping of names to tensors or arrays, as
            `torch.load(path, weights_only=True)` and safetensors return. A module from `to_torch`
            needs no other argument.
        lstm: The name of the `nn.LSTM` in `source`, or names of several, each of which reads what
            the one before it returns. None: the only one.
        head: The name of the `nn.Linear` that reads the outputs of the last layer. None: the result
            is an `LSTM`.
        activation: Of the head: "identity", "sigmoid", "tanh" or "softmax".
        readout: What the head reads: "all", every step; "last", h_n; "mean" or "max" over the
            steps. See `Network`.

    Returns:
        An `LSTM`, or with a head a `Network`, of the tensors' dtype, float32 or float64. It reads
        (batch, time, features), as with `batch_first=True`.

    Raises:
        ValueError: For a name or shape that does not fit, for parameters of `source` that belong to
            no part if `lstm` is None, and for other dtypes.
        TypeError: If `source` is neither a module nor a mapping.

    Example:
        >>> net = from_torch(classifier, lstm="lstm", head="fc", activation="softmax",
        ...                  readout="last")
    """
    tensors = _tensors(source)
    found = _prefixes(tensors)
    if lstm is None and head is None and _is_ours(source):
        lstm, head = "lstm", "head"
        activation, readout = source.activation, source.readout
    if isinstance(lstm, str):
        names = [lstm]
    elif lstm is None:
        names = [_only(found)]
    else:
        names = list(lstm)
    if not names:
        raise ValueError("lstm: expected at least one name, got none")
    parts = [*names, *([] if head is None else [head])]
    if lstm is None:
        _refuse_others(tensors, parts)
    taken = {}
    for part in parts:
        of_part = {n: v for n, v in tensors.items() if _within(n, part)}
        taken.update({name: _values(value, name) for name, value in of_part.items()})
    directions = [layer for name in names for layer in _stack(taken, name, found)]
    dense = None if head is None else _linear(taken, head, activation, readout)
    return Layers(directions, dense).model(common_dtype(taken))


def to_torch(model: LSTM | Network) -> Any:
    """The `nn.Module` that computes what a model without peepholes computes.

    The second bias of each layer is zero. Dropout and recurrent_dropout act only in training and
    are not taken over; masked weights are written as zeros.

    Args:
        model: An `LSTM` or a `Network` with peephole="none", the default activations and layers of
            one size.

    Returns:
        For an `LSTM` a `torch.nn.LSTM` with `batch_first=True`. For a `Network` a module with the
        parts `lstm` and `head`: `module(x, lengths=None)` returns what `model.predict` does.

    Raises:
        ValueError: If the model has something that `torch.nn.LSTM` does not have.
        ImportError: If torch is not installed.
    """
    torch = needed("torch", "torch")
    layers = plain_layers(model, "torch.nn.LSTM", allowed=["projection_size"])
    hidden = equal_sizes(model, "torch.nn.LSTM")
    options = {
        "bias": model.options["bias"],
        "batch_first": True,
        "bidirectional": model.bidirectional,
        "proj_size": model.projection_size or 0,
        "dtype": getattr(torch, model.dtype.name),
    }
    lstm = torch.nn.LSTM(model.input_size, hidden, model.num_layers, **options)
    lstm.load_state_dict(_state_dict(layers, torch))
    if layers.head is None:
        return lstm
    with fork_gate:
        from peephole.interop.torch_network import TorchNetwork

    output, width = layers.head.weight.shape
    linear = torch.nn.Linear(width, output, dtype=options["dtype"])
    linear.load_state_dict(
        {"weight": torch.tensor(layers.head.weight), "bias": torch.tensor(layers.head.bias)}
    )
    return TorchNetwork(lstm, linear, layers.head.activation, layers.head.readout)


def _is_ours(source: Any) -> bool:
    """Whether `to_torch` made it from a network."""
    module = sys.modules.get("peephole.interop.torch_network")
    return module is not None and isinstance(source, module.TorchNetwork)


def _tensors(source: Any) -> dict[str, Any]:
    if isinstance(source, Mapping):
        values = source
    elif callable(getattr(source, "state_dict", None)):
        values = source.state_dict()
    else:
        raise TypeError(
            f"source: expected an nn.Module or a state dict, got {type(source).__name__}"
        )
    for name in values:
        if not isinstance(name, str):
            raise TypeError(f"source: expected names of tensors, got {name!r}")
    return dict(values)


def _values(value: Any, name: str) -> NDArray[Any]:
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu()
        if str(value.dtype) not in ("torch.float32", "torch.float64"):
            raise ValueError(
                f"{name}: expected float32 or float64, got {value.dtype}; "
                "convert the module with .float()"
            )
        value = value.numpy()
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name}: expected a tensor or an array, got {type(value).__name__}")
    return weight(value, name, (None,) * value.ndim)


def _prefixes(tensors: Mapping[str, Any]) -> list[str]:
    """The names of all nn.LSTM; "" for the source itself."""
    matches = (_OF_LSTM.fullmatch(name) for name in tensors)
    return list(dict.fromkeys(m["prefix"].rstrip(".") for m in matches if m))


def _only(found: list[str]) -> str:
    if len(found) == 1:
        return found[0]
    what = "none" if not found else f"{', '.join(map(repr, found))}; say which by lstm="
    raise ValueError(f"source: expected one nn.LSTM, got {what}")


def _within(name: str, part: str) -> bool:
    return part == "" or name.startswith(f"{part}.")


def _refuse_others(tensors: Mapping[str, Any], parts: Sequence[str]) -> None:
    others = [n for n in tensors if not any(_within(n, part) for part in parts)]
    if others:
        raise ValueError(
            f"source: no part takes {', '.join(others[:4])}{' ...' if len(others) > 4 else ''}; "
            "say which nn.LSTM and nn.Linear to take by lstm= and head="
        )


def _stack(tensors: dict[str, NDArray[Any]], part: str, found: list[str]) -> list[list[Direction]]:
    prefix = f"{part}." if part else ""
    own = {n[len(prefix) :]: v for n, v in tensors.items() if _within(n, part)}
    if "weight_ih_l0" not in own:
        raise ValueError(
            f"lstm: expected the name of an nn.LSTM, one of {', '.join(map(repr, found))}, "
            f"got {part!r}"
        )
    suffixes = ["", "_reverse"] if "weight_ih_l0_reverse" in own else [""]
    layers: list[list[Direction]] = []
    while f"weight_ih_l{len(layers)}" in own:
        layers.append([_direction(own, f"l{len(layers)}{s}", prefix) for s in suffixes])
    if own:
        raise ValueError(f"source: expected parameters of an nn.LSTM, got {prefix}{min(own)}")
    return layers


def _direction(own: dict[str, NDArray[Any]], place: str, prefix: str) -> Direction:
    """One direction; its parameters are removed from `own`."""

    def take(name: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
        full = f"{name}_{place}"
        if full not in own:
            raise ValueError(f"source: there is no {prefix}{full}")
        return weight(own.pop(full), prefix + full, shape)

    recurrent = take("weight_hh", (None, None))
    projection = None
    if f"weight_hr_{place}" in own:
        projection = take("weight_hr", (recurrent.shape[1], None))
    rows = 4 * (recurrent if projection is None else projection).shape[1]
    if len(recurrent) != rows:
        expected = "(4H, H)" if projection is None else f"({rows}, {recurrent.shape[1]})"
        raise ValueError(
            f"{prefix}weight_hh_{place}: expected an LSTM's shape {expected}, got {recurrent.shape}"
        )
    weight_ih = take("weight_ih", (rows, None))
    bias = None
    if f"bias_ih_{place}" in own or f"bias_hh_{place}" in own:
        bias = take("bias_ih", (rows,)) + take("bias_hh", (rows,))
    return Direction(weight_ih, recurrent, bias, weight_hr=projection)


def _linear(tensors: Mapping[str, NDArray[Any]], part: str, activation: str, readout: str) -> Head:
    prefix = f"{part}." if part else ""
    if (name := f"{prefix}weight") not in tensors:
        raise ValueError(f"head: expected the name of an nn.Linear, got {part!r}")
    matrix = weight(tensors[name], name, (None, None))
    bias = tensors.get(f"{prefix}bias")
    if bias is not None:
        bias = weight(bias, f"{prefix}bias", (len(matrix),))
    return Head(matrix, bias, activation, readout)


def _state_dict(layers: Layers, torch: Any) -> dict[str, Any]:
    tensors = {}
    for k, of_layer in enumerate(layers.directions):
        for direction, suffix in zip(of_layer, ("", "_reverse"), strict=False):
            tensors[f"weight_ih_l{k}{suffix}"] = torch.tensor(direction.weight_ih)
            tensors[f"weight_hh_l{k}{suffix}"] = torch.tensor(direction.weight_hh)
            if direction.weight_hr is not None:
                tensors[f"weight_hr_l{k}{suffix}"] = torch.tensor(direction.weight_hr)
            if direction.bias is not None:
                tensors[f"bias_ih_l{k}{suffix}"] = torch.tensor(direction.bias)
                tensors[f"bias_hh_l{k}{suffix}"] = torch.zeros_like(
                    tensors[f"bias_ih_l{k}{suffix}"]
                )
    return tensors

"""Shared by all formats: layers of a foreign model in our layout, and models made of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array
from peephole.models.build import default_activations
from peephole.models.lstm import LSTM
from peephole.models.network import Network

GATES = "ifgo"


# Options that change what the equations compute; those of training alone are not among them.
_PLAIN = {
    "peephole": "none",
    "coupled_input_forget": False,
    "zoneout": 0.0,
    "initial_state": "zeros",
    "cell_clip": None,
    "preactivation_clip": None,
    "layer_norm": None,
    "projection_size": None,
    "projection_clip": None,
    "input_dense_size": None,
}


@dataclass(frozen=True)
class Direction:
    """The weights of one layer in one direction; rows are gates i, f, g, o, H each."""

    weight_ih: NDArray[Any]
    """(4H, I)"""
    weight_hh: NDArray[Any]
    """(4H, H), or with a projection (4H, P)"""
    bias: NDArray[Any] | None = None
    """(4H,)"""
    weight_ch: NDArray[Any] | None = None
    """(4, H) diagonal, (4H, H) dense"""
    gains: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """{"gain", "gain_ih", ...: of layer normalisation}, shaped as the parameters."""
    weight_hr: NDArray[Any] | None = None
    """(P, H)"""

    @property
    def units(self) -> int:
        """H."""
        return len(self.weight_hh) // 4

    @property
    def outputs(self) -> int:
        """The values of h: H, or with a projection P."""
        return int(self.weight_hh.shape[1])


@dataclass(frozen=True)
class Head:
    """A dense layer after the last LSTM layer."""

    weight: NDArray[Any]
    """(O, H), or (O, 2H) after both directions; with a projection P for H"""
    bias: NDArray[Any] | None
    """(O,)"""
    activation: str = "identity"
    readout: str = "all"


@dataclass(frozen=True)
class DenseInput:
    """A dense layer before the first LSTM layer."""

    weight: NDArray[Any]
    """(D, I)"""
    bias: NDArray[Any] | None
    """(D,)"""
    activation: str = "identity"


@dataclass(frozen=True)
class Layers:
    """A stack of foreign layers: of each layer one direction, or two, forward first."""

    directions: Sequence[Sequence[Direction]]
    head: Head | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    dense_input: DenseInput | None = None
    """Only with a head."""

    def model(self, dtype: str) -> LSTM | Network:
        """The model with these weights and options.

        Raises ValueError if the layers do not fit each other.
        """
        first = self.directions[0]
        per_layer = {len(of_layer) for of_layer in self.directions}
        if len(per_layer) > 1:
            raise ValueError(
                "bidirectional: expected all layers in one direction, or all in both; "
                f"got {[len(of_layer) for of_layer in self.directions]} directions"
            )
        self._check_sizes()
        biases = [d.bias is not None for of_layer in self.directions for d in of_layer]
        options: dict[str, Any] = {
            "peephole": "none",
            "bias": any(biases),
            "bidirectional": len(first) == 2,
            "projection_size": self._projection_size(),
            "dtype": dtype,
            "seed": 0,
            **self.options,
        }
        inputs = first[0].weight_ih if self.dense_input is None else self.dense_input.weight
        sizes = (int(inputs.shape[1]), [layer[0].units for layer in self.directions])
        model: LSTM | Network
        if self.head is None:
            if self.dense_input is not None:
                raise ValueError("a dense layer before the LSTM is read only with one after it")
            model = LSTM(*sizes, **options)
        else:
            if self.dense_input is not None:
                options["input_dense_size"] = len(self.dense_input.weight)
                options["input_activation"] = self.dense_input.activation
            model = Network(
                *sizes,
                len(self.head.weight),
                head=self.head.activation,  # type: ignore[arg-type]
                readout=self.head.readout,  # type: ignore[arg-type]
                **options,
            )
        self._fill(model)
        return model

    def _projection_size(self) -> int | None:
        sizes = {
            None if d.weight_hr is None else d.outputs
            for of_layer in self.directions
            for d in of_layer
        }
        if len(sizes) > 1:
            raise ValueError(
                "projections: expected one of the same size in all layers, or none; "
                f"got {', '.join(sorted(map(str, sizes)))}"
            )
        return sizes.pop()

    def _check_sizes(self) -> None:
        width = 0 if self.dense_input is None else len(self.dense_input.weight)
        for k, of_layer in enumerate(self.directions):
            for d in of_layer:
                if d.units != of_layer[0].units:
                    raise ValueError(
                        f"layer {k}: expected both directions to have as many units, "
                        f"got {of_layer[0].units} and {d.units}"
                    )
                inputs = d.weight_ih.shape[1]
                expected = width or of_layer[0].weight_ih.shape[1]
                if inputs != expected:
                    raise ValueError(
                        f"layer {k}: expected input weights for {expected} features, "
                        f"got weights for {inputs}"
                    )
            width = of_layer[0].outputs * len(of_layer)
        if self.head is not None and self.head.weight.shape[1] != width:
            raise ValueError(
                f"head: expected weights for {width} units, got weights for "
                f"{self.head.weight.shape[1]}"
            )

    def _fill(self, model: LSTM | Network) -> None:
        parameters = model.parameters
        for k, of_layer in enumerate(self.directions):
            for direction, suffix in zip(of_layer, ("", "_reverse"), strict=False):
                parameters[f"weight_ih_l{k}{suffix}"] = direction.weight_ih
                parameters[f"weight_hh_l{k}{suffix}"] = direction.weight_hh
                if direction.weight_hr is not None:
                    parameters[f"weight_hr_l{k}{suffix}"] = direction.weight_hr
                if direction.weight_ch is not None:
                    parameters[f"weight_ch_l{k}{suffix}"] = direction.weight_ch
                for name, values in direction.gains.items():
                    parameters[f"{name}_l{k}{suffix}"] = values
                if (bias := f"bias_l{k}{suffix}") in parameters:
                    zeros = np.zeros(len(direction.weight_ih), model.dtype)
                    parameters[bias] = zeros if direction.bias is None else direction.bias
        for name, dense in (("head", self.head), ("input", self.dense_input)):
            if dense is not None:
                zeros = np.zeros(len(dense.weight), model.dtype)
                parameters[f"{name}.weight"] = dense.weight
                parameters[f"{name}.bias"] = zeros if dense.bias is None else dense.bias


def plain_layers(model: LSTM | Network, target: str, allowed: Sequence[str] = ()) -> Layers:
    """Copies of the layers of a model that computes what `torch.nn.LSTM` computes.

    `allowed` are options that the target has, too. Of a quantized model, those of
    `in_floating_point`.

    Raises:
        TypeError: If `model` is not a model.
        ValueError: If it has something that `target`, the foreign format's name, does not have.
    """
    if not isinstance(model, (LSTM, Network)):
        raise TypeError(f"model: expected an LSTM or a Network, got {type(model).__name__}")
    options = model.options
    for name, plain in _PLAIN.items():
        if options.get(name, plain) != plain and name not in allowed:
            raise ValueError(f"{name}: {target} has none, and the model has {options[name]!r}")
    for k, activations in enumerate(options["activations"]):
        for key, name in activations.items():
            if name != default_activations()[key]:
                raise ValueError(
                    f"activations: {target} has {default_activations()[key]} for {key!r}, "
                    f"and layer {k} of the model has {name}"
                )
    model = in_floating_point(model, target, stacklevel=4)
    suffixes = ["", "_reverse"] if model.bidirectional else [""]
    directions = [[_direction(model, k, s) for s in suffixes] for k in range(model.num_layers)]
    return Layers(directions, _head(model), model.options, _dense_input(model))


def in_floating_point(model: Any, target: str, stacklevel: int) -> Any:
    """The model, or for a quantized one its `dequantize()`, with a UserWarning.

    `stacklevel` is that of `warnings.warn`, for the caller of the function that writes.
    """
    if model.quantization is None:
        return model
    warnings.warn(
        f"model: its weights, rounded to {model.quantization}, are converted to float32; "
        f"{target} does not round x and h, as the model does, so results differ a little",
        stacklevel=stacklevel,
    )
    return model.dequantize()


def _direction(model: LSTM | Network, layer: int, suffix: str) -> Direction:
    def value(name: str) -> NDArray[Any]:
        return np.array(model.parameters[f"{name}_l{layer}{suffix}"])

    bias = value("bias") if model.options["bias"] else None
    projection = value("weight_hr") if model.projection_size is not None else None
    return Direction(value("weight_ih"), value("weight_hh"), bias, weight_hr=projection)


def _head(model: LSTM | Network) -> Head | None:
    if isinstance(model, LSTM):
        return None
    return Head(*_dense(model, "head"), model.head, model.readout)


def _dense_input(model: LSTM | Network) -> DenseInput | None:
    if model.options.get("input_dense_size") is None:
        return None
    return DenseInput(*_dense(model, "input"), model.options["input_activation"])


def _dense(model: LSTM | Network, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    weight, bias = (np.array(model.parameters[f"{name}.{part}"]) for part in ("weight", "bias"))
    return weight, bias


def equal_sizes(model: LSTM | Network, target: str) -> int:
    """H, the same in all layers. Raises ValueError if the sizes of layers differ."""
    if len(set(model.hidden_sizes)) > 1:
        raise ValueError(
            f"hidden_size: {target} has one size for all layers, "
            f"and the model has {list(model.hidden_sizes)}"
        )
    return model.hidden_sizes[0]


def weight(
    value: ArrayLike, name: str, shape: tuple[int | None, ...], dtype: Any = None
) -> NDArray[Any]:
    """`value` as an array of floats of this shape; None means any size.

    Raises:
        ValueError: For another shape, and for values that are not finite.
        TypeError: For values that are not numbers.
    """
    values = array(value, name)
    if values.dtype.kind not in "fiu":
        raise TypeError(f"{name}: expected an array of floats, got one of {values.dtype}")
    if len(values.shape) != len(shape) or any(
        expected is not None and size != expected
        for size, expected in zip(values.shape, shape, strict=True)
    ):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name}: expected shape ({wanted}), got {values.shape}")
    if 0 in values.shape:
        raise ValueError(f"{name}: expected at least one value, got shape {values.shape}")
    with np.errstate(over="ignore"):
        converted = values if dtype is None else values.astype(dtype)
    if not np.isfinite(converted).all():
        raise ValueError(f"{name}: expected finite values of {converted.dtype}")
    return converted


def common_dtype(arrays: Mapping[str, NDArray[Any]]) -> str:
    """The dtype that all arrays have, float32 or float64.

    Raises ValueError that names the array with another dtype.
    """
    first = next(iter(arrays))
    expected = str(arrays[first].dtype.name)
    for name, values in arrays.items():
        if values.dtype.name not in ("float32", "float64"):
            raise ValueError(
                f"{name}: expected float32 or float64, got {values.dtype}; convert it first"
            )
        if values.dtype.name != expected:
            raise ValueError(
                f"{name}: expected {expected} as {first} has, got {values.dtype}; convert one"
            )
    return expected


def gate_rows(values: NDArray[Any], order: str) -> NDArray[Any]:
    """Rows that are gates in another order, as rows i, f, g, o.

    Args:
        values: (4H, ...), or (4H,).
        order: The gates of `values`, a permutation of "ifgo".
    """
    blocks = values.reshape(4, -1, *values.shape[1:])
    return np.concatenate([blocks[order.index(gate)] for gate in GATES])


def from_gate_rows(values: NDArray[Any], order: str) -> NDArray[Any]:
    """Rows i, f, g, o as rows of gates in the order `order`; undoes `gate_rows`."""
    blocks = values.reshape(4, -1, *values.shape[1:])
    return np.concatenate([blocks[GATES.index(gate)] for gate in order])

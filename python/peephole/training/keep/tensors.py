"""Checks that the tensors of a checkpoint are exactly those of a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole.training.keep.checkpoint import MASKS, Snapshot, under
from peephole.training.protocol import NetworkLike

_PREFIXES = (MASKS, "optimiser/", "best/", "carry/")


def weights_of(tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The weights among the tensors of a checkpoint."""
    return {name: tensor for name, tensor in tensors.items() if "/" not in name}


def check_tensors(net: NetworkLike, snapshot: Snapshot) -> None:
    """Raises ValueError unless the tensors belong to a network with these parameters and masks."""
    tensors, best = snapshot.tensors, snapshot.notes["best"]
    for name in tensors:
        if "/" in name and not name.startswith(_PREFIXES):
            raise ValueError(f"unknown tensor {name}")
    _check_weights(net, weights_of(tensors), "")
    if best is not None and best["epoch"] is not None:
        _check_weights(net, under("best/", tensors), "best/")
    elif found := under("best/", tensors):
        raise ValueError(f"unknown tensor best/{min(found)}")
    _check_masks(net, tensors)
    _check_optimiser(net, under("optimiser/", tensors))
    _check_carry(net, under("carry/", tensors))


def check_sizes(options: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> None:
    """Raises ValueError if the options ask for larger arrays than the file has.

    After this check, a network of these options takes a small multiple of the file's size, even if
    the file is forged. The tensors are checked against the network later.
    """
    sizes = options["hidden_size"]
    counts = [options["input_size"], options["output_size"], *(sizes or [0])]
    if not isinstance(sizes, list) or any(type(n) is not int or n < 1 for n in counts):
        raise ValueError("options: expected sizes of 1 or more")
    for name in ("projection_size", "input_dense_size"):
        size = options[name]
        if size is not None and (type(size) is not int or size < 1):
            raise ValueError(f"options: expected {name} of 1 or more, or null")
    projection, dense_input = options["projection_size"], options["input_dense_size"]
    layers = sum(n.startswith("weight_ih_l") and "_reverse" not in n for n in weights_of(tensors))
    if layers != len(sizes):
        raise ValueError(f"options: expected {layers} layers, as the file has, got {len(sizes)}")
    rows = {"head.weight": options["output_size"]}
    columns = {"weight_ih_l0": dense_input or options["input_size"]}
    if dense_input is not None:
        rows["input.weight"], columns["input.weight"] = dense_input, options["input_size"]
    for k, size in enumerate(sizes):
        rows |= {f"weight_ih_l{k}": 4 * size, f"weight_hh_l{k}": 4 * size}
        columns[f"weight_hh_l{k}"] = projection or size
        if projection is not None:
            rows[f"weight_hr_l{k}"], columns[f"weight_hr_l{k}"] = projection, size
        if options["peephole"] == "dense":
            columns[f"weight_ch_l{k}"] = size
    for axis, expected in ((0, rows), (1, columns)):
        for name, size in expected.items():
            shape = tensors[name].shape if name in tensors else ()
            if len(shape) != 2 or shape[axis] != size:
                raise ValueError(f"{name}: expected (rows, columns) for the options, got {shape}")


def _check_weights(net: NetworkLike, weights: Mapping[str, NDArray[Any]], prefix: str) -> None:
    for name in net.parameters:
        if name not in weights:
            raise ValueError(f"there is no tensor {prefix}{name}")
        _check(weights[name], net.parameters.shape(name), net.dtype, prefix + name)
        _check_finite(weights[name], prefix + name)
    for name in weights:
        if name not in net.parameters:
            raise ValueError(f"unknown tensor {prefix}{name}")
    for name, mask in net.masks.items():
        if weights[name][~mask].any():
            raise ValueError(f"{prefix}{name}: expected 0 where it is masked, got others")


def _check_masks(net: NetworkLike, tensors: Mapping[str, NDArray[Any]]) -> None:
    masks, mine = under(MASKS, tensors), net.masks
    if masks.keys() != mine.keys():
        raise ValueError(f"expected masks of {sorted(mine)}, got {sorted(masks)}")
    for name, mask in masks.items():
        _check(mask, mine[name].shape, np.dtype(bool), MASKS + name)


def _check_optimiser(net: NetworkLike, state: Mapping[str, NDArray[Any]]) -> None:
    for name, dtype in (("steps", np.dtype(np.int64)), ("learning_rate", np.dtype(np.float64))):
        if name not in state:
            raise ValueError(f"there is no tensor optimiser/{name}")
        _check(state[name], (), dtype, f"optimiser/{name}")
    for key, tensor in state.items():
        if key in ("steps", "learning_rate"):
            continue
        name = key.partition("/")[2]
        if name not in net.parameters:
            raise ValueError(f"unknown tensor optimiser/{key}")
        _check(tensor, net.parameters.shape(name), net.dtype, f"optimiser/{key}")
        _check_finite(tensor, f"optimiser/{key}")
        if key.startswith("v/") and (tensor < 0).any():  # of squares
            raise ValueError(f"optimiser/{key}: expected values of 0 or more, got others")


def _check_carry(net: NetworkLike, carry: Mapping[str, NDArray[Any]]) -> None:
    """(B, P) and (B, H) for each layer and direction, h and c."""
    expected = {f"{part}/{k}" for part in "hc" for k in range(len(carry) // 2)}
    if carry.keys() != expected:
        raise ValueError(f"expected carry/h/k and carry/c/k for each layer k, got {sorted(carry)}")
    if not carry:
        return
    state = carried(carry)
    batch = len(state[0][0]) if state[0][0].ndim else 0
    for name, tensor in carry.items():
        if tensor.ndim != 2 or tensor.shape[0] != batch or tensor.dtype != net.dtype:
            raise ValueError(
                f"carry/{name}: expected a state of {net.dtype}, got {tensor.dtype} {tensor.shape}"
            )
        _check_finite(tensor, f"carry/{name}")
    try:
        net._core(np.zeros((batch, 0, net.input_size), net.dtype), state, None)
    except (TypeError, ValueError) as error:
        raise ValueError(f"carry: {error}") from None


def carried(carry: Mapping[str, NDArray[Any]]) -> tuple[tuple[NDArray[Any], NDArray[Any]], ...]:
    """(h, c) of each layer and direction, from the tensors by their names after "carry/"."""
    return tuple((carry[f"h/{k}"], carry[f"c/{k}"]) for k in range(len(carry) // 2))


def _check(tensor: NDArray[Any], shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    if tensor.shape != shape or tensor.dtype != dtype:
        raise ValueError(f"{name}: expected {dtype} {shape}, got {tensor.dtype} {tensor.shape}")


def _check_finite(tensor: NDArray[Any], name: str) -> None:
    if not np.isfinite(tensor).all():
        raise ValueError(f"{name}: expected finite values, got others")

"""LSTM nodes: https://onnx.ai/onnx/operators/onnx__LSTM.html, versions 7, 14 and 22."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole.interop.onnx.activations import of_operator
from peephole.interop.onnx.values import (
    Anything,
    Atom,
    Given,
    Node,
    Outputs,
    Repeated,
    Run,
    Sizes,
    Unknown,
    Value,
    Zeros,
    plain,
)

_KNOWN = {"activation_alpha", "activation_beta", "activations", "clip", "direction"}
_KNOWN |= {"hidden_size", "input_forget", "layout"}
_DEFAULT_ACTIVATIONS = ["Sigmoid", "Tanh", "Tanh"]
_DIRECTIONS = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}


def lstm(node: Node) -> list[Anything]:
    """The outputs Y, Y_h, Y_c of an LSTM node.

    Raises:
        ValueError: If the node is wrong, or has something that a model here cannot express.
    """
    attributes, where = node.attributes, node.label
    if unknown := attributes.keys() - _KNOWN:
        raise ValueError(f"{where}: unknown attribute {min(unknown)!r}")
    clip = attributes.get("clip")
    if clip is not None and not (0 < clip < np.inf):
        raise ValueError(f"{where}: clip: expected a finite number above 0, got {clip:g}")
    direction = attributes.get("direction", "forward")
    if direction not in _DIRECTIONS:
        raise ValueError(f"{where}: unknown direction {direction!r}")
    reverse = _DIRECTIONS[direction]
    arrays = _arrays(node, len(reverse))
    units = arrays["R"].shape[2]
    if attributes.get("hidden_size", units) != units:
        raise ValueError(f"{where}: hidden_size {attributes['hidden_size']}, but R is for {units}")
    batch_first = attributes.get("layout", 0)
    if batch_first not in (0, 1):
        raise ValueError(f"{where}: unknown layout {batch_first}")
    time, batch = _axes(node, batch_first)
    activations = _activations(node, len(reverse))
    lengths = _lengths(node, time)
    initial = _initial_states(node, (len(reverse), units), batch_first, arrays["W"].dtype)
    runs = tuple(
        Run(
            node.name,
            backwards,
            {name: array[d] for name, array in arrays.items()},
            activations[d],
            bool(attributes.get("input_forget", 0)),
            node.given(0),
            lengths,
            time,
            clip,
            {name: array[d] for name, array in initial.items()},
        )
        for d, backwards in enumerate(reverse)
    )
    of_runs, unit = plain(len(runs)), Atom(units)
    if batch_first:
        y, state = (batch, time, of_runs, (unit,)), (batch, of_runs, (unit,))
    else:
        y, state = (time, of_runs, batch, (unit,)), (of_runs, batch, (unit,))
    kinds = (("y", y), ("h", state), ("c", state))
    return [Value(axes, Outputs(kind, runs, of_runs, unit)) for kind, axes in kinds]


def _arrays(node: Node, directions: int) -> dict[str, NDArray[Any]]:
    """W (D, 4H, I), R (D, 4H, H), and B (D, 8H), P (D, 3H) where there; all finite in shape."""
    arrays = {}
    for k, name in ((1, "W"), (2, "R"), (3, "B"), (7, "P")):
        value = node.given(k)
        if isinstance(value, np.ndarray):
            arrays[name] = value
        elif value is not None:
            reason = f": {value.reason}" if isinstance(value, Unknown) else ""
            raise ValueError(f"{node.label}: expected {name} to be constant{reason}")
        elif name in "WR":
            raise ValueError(f"{node.label}: there is no {name}")
    dtype = arrays["W"].dtype
    if dtype not in (np.float32, np.float64):
        raise ValueError(f"{node.label}: expected weights of float32 or float64, got {dtype}")
    units = arrays["R"].shape[-1] if arrays["R"].ndim == 3 else 0
    inputs = arrays["W"].shape[-1] if arrays["W"].ndim == 3 else 0
    if not units or not inputs:
        shapes = {name: arrays[name].shape for name in "WR"}
        raise ValueError(f"{node.label}: expected W (D, 4H, I) and R (D, 4H, H), got {shapes}")
    columns = {"W": (4 * units, inputs), "R": (4 * units, units), "B": (8 * units,)}
    columns["P"] = (3 * units,)
    for name, array in arrays.items():
        expected = (directions, *columns[name])
        if array.shape != expected or array.dtype != dtype:
            raise ValueError(
                f"{node.label}: expected {name} {expected} of {dtype}, "
                f"got {array.shape} of {array.dtype}"
            )
    return arrays


def _axes(node: Node, batch_first: int) -> tuple[tuple[Atom, ...], tuple[Atom, ...]]:
    """The axes of steps and of sequences."""
    x = node.given(0)
    if isinstance(x, Value) and len(x.axes) == 3:
        first, second = x.axes[:2]
        return (second, first) if batch_first else (first, second)
    if isinstance(x, Value):
        raise ValueError(f"{node.label}: expected X with 3 axes, got {len(x.axes)}")
    return (Atom(None),), (Atom(None),)


def _activations(node: Node, directions: int) -> list[tuple[str, str, str]]:
    """Our names of f, g, h of each direction."""
    names = node.attributes.get("activations") or _DEFAULT_ACTIVATIONS * directions
    if len(names) != 3 * directions:
        raise ValueError(
            f"{node.label}: expected {3 * directions} activations, got {', '.join(names)}"
        )
    alpha = node.attributes.get("activation_alpha", [])
    beta = node.attributes.get("activation_beta", [])
    ours = of_operator(names, alpha, beta, node.label)
    return [(ours[k], ours[k + 1], ours[k + 2]) for k in range(0, len(ours), 3)]


def _lengths(node: Node, time: tuple[Atom, ...]) -> str:
    """The name of the graph's input with the lengths; "" where all steps are valid."""
    value = node.given(4)
    if value is None or (isinstance(value, Sizes) and value.entries == (time or 1,)):
        return ""
    if isinstance(value, Value) and isinstance(value.content, Given) and len(value.axes) == 1:
        return value.content.name
    if isinstance(value, np.ndarray) and len(time) == 1 and np.all(value == time[0].size):
        return ""
    raise ValueError(
        f"{node.label}: sequence_lens is neither an input of the graph nor the number of steps"
    )


def _initial_states(
    node: Node, shape: tuple[int, int], batch_first: int, dtype: Any
) -> dict[str, NDArray[Any]]:
    """{"h0" and "c0": (D, H)} if one of them is constant and not 0; `shape` is (D, H)."""
    found = [
        _initial(node, k, name, shape, batch_first, dtype)
        for k, name in ((5, "initial_h"), (6, "initial_c"))
    ]
    if all(array is None for array in found):
        return {}
    for k in (5, 6):
        if isinstance(node.given(k), Value):
            raise ValueError(
                f"{node.label}: one of initial_h and initial_c is an input, and the other has "
                "constant values; a call of a model gives both states or none"
            )
    zeros = np.zeros(shape, dtype)
    return {
        name: zeros if array is None else array
        for name, array in zip(("h0", "c0"), found, strict=True)
    }


def _initial(
    node: Node, k: int, name: str, shape: tuple[int, int], batch_first: int, dtype: Any
) -> NDArray[Any] | None:
    """(D, H) of a constant initial state; None for zeros and for an input of the graph.

    Raises ValueError if it is anything else.
    """
    value = node.given(k)
    if value is None or isinstance(value, Zeros):
        return None
    if isinstance(value, Value) and isinstance(value.content, Given):
        return None
    array = value.array if isinstance(value, Repeated) else value
    if not isinstance(array, np.ndarray):
        reason = f": {value.reason}" if isinstance(value, Unknown) else ""
        raise ValueError(
            f"{node.label}: {name} is computed in the graph; "
            f"expected zeros, constant values or an input{reason}"
        )
    if not np.any(array):
        return None
    rows = array if batch_first else np.moveaxis(array, 1, 0) if array.ndim == 3 else array
    if rows.ndim != 3 or rows.shape[1:] != shape or array.dtype != dtype:
        axes = "(B, {}, {})" if batch_first else "({}, B, {})"
        raise ValueError(
            f"{node.label}: expected {name} {axes.format(*shape)} of {dtype}, "
            f"got {array.shape} of {array.dtype}"
        )
    if np.any(rows != rows[:1]):
        raise ValueError(
            f"{node.label}: {name} differs between the sequences of a batch; "
            "a model keeps one initial state for all"
        )
    return np.array(rows[0])

"""The gates and cells of a layer, step by step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array, flag, integer
from peephole.models.lstm import LSTM
from peephole.models.network import Network

Array = NDArray[np.float64]


class Activities(NamedTuple):
    """One layer in one direction over one sequence, each array (T, H)."""

    i: Array
    """The input gate."""
    f: Array
    """The forget gate."""
    g: Array
    """The cell input."""
    o: Array
    """The output gate."""
    c: Array
    """The cell state, after zoneout if there is any."""
    h: Array
    """The output, after zoneout if there is any."""
    peepholes: dict[str, Array]
    """{gate: P_k c}: what each gate with a peephole receives through it, before its activation.

    c is from the previous step; for the output gate with `output_peephole="current"`, from the same
    step.
    """


def gate_activities(
    model: LSTM | Network, x: ArrayLike, *, layer: int = -1, reverse: bool = False
) -> Activities:
    """The gates, cell states and outputs of one layer over one sequence, from zero states.

    Computed with NumPy in float64 by the equations of `LSTM`, for a model of any dtype.

    Args:
        model: An `LSTM`, or a `Network`, of which its `lstm` is used.
        x: (T, I), one sequence.
        layer: The number of the layer; negative numbers count from the last.
        reverse: Whether to use the reverse direction of a bidirectional layer. Row t still belongs
            to step t of the sequence.

    Raises:
        ValueError, TypeError: If an argument is wrong; the message names it.
    """
    lstm = stack_of(model)
    values = array(x, "x")
    if not np.can_cast(values.dtype, lstm.dtype, "same_kind"):
        raise TypeError(f"x: expected values castable to {lstm.dtype}, got {values.dtype}")
    if values.ndim != 2 or values.shape[1] != lstm.input_size or not len(values):
        raise ValueError(
            f"x: expected (time, {lstm.input_size}) with at least one step, got {values.shape}"
        )
    number = integer(layer, "layer")
    if not -lstm.num_layers <= number < lstm.num_layers:
        raise ValueError(
            f"layer: expected one in {-lstm.num_layers}..{lstm.num_layers - 1}, got {number}"
        )
    if flag(reverse, "reverse") and not lstm.bidirectional:
        raise ValueError("reverse: expected False for a model that is not bidirectional, got True")
    below = values.astype(np.float64)
    for k in range(number % lstm.num_layers):
        below = np.hstack([_run(lstm, below, k, way).h for way in _directions(lstm)])
    return _run(lstm, below, number % lstm.num_layers, bool(reverse))


def stack_of(model: LSTM | Network) -> LSTM:
    """`model`, or the LSTM inside it."""
    if isinstance(model, Network):
        return model.lstm
    if not isinstance(model, LSTM):
        raise TypeError(f"model: expected an LSTM or a Network, got {type(model).__name__}")
    return model


def _directions(lstm: LSTM) -> tuple[bool, ...]:
    return (False, True) if lstm.bidirectional else (False,)


def _run(lstm: LSTM, x: Array, layer: int, reverse: bool) -> Activities:
    options = lstm.options
    names = options["activations"][layer]
    suffix = f"_l{layer}" + ("_reverse" if reverse else "")
    # Copies, because the model keeps no packed weights while a view is alive.
    weights = {
        name.removesuffix(suffix): np.array(lstm.parameters[name], np.float64)
        for name in lstm.parameters
        if name.endswith(suffix)
    }
    peepholes = _peepholes(weights, options)
    output_peephole = peepholes.pop("o", None) if options["output_peephole"] == "current" else None
    bias = weights.get("bias", 0.0)
    z = options["zoneout"]

    h = c = np.zeros(lstm.hidden_sizes[layer])
    steps: list[dict[str, Array]] = []
    for x_t in x[::-1] if reverse else x:
        a = weights["weight_ih"] @ x_t + weights["weight_hh"] @ h + bias
        step = dict(zip("ifgo", a.reshape(4, -1), strict=True))
        for gate, peephole in peepholes.items():
            step["P" + gate] = peephole(c)
            step[gate] = step[gate] + step["P" + gate]
        for gate in "ifg":
            step[gate] = _ACTIVATIONS[names[gate]](step[gate])
        if options["coupled_input_forget"]:
            step["f"] = 1 - step["i"]
        updated = step["f"] * c + step["g"] * step["i"]
        if output_peephole is not None:
            step["Po"] = output_peephole(updated)
            step["o"] = step["o"] + step["Po"]
        step["o"] = _ACTIVATIONS[names["o"]](step["o"])
        h = z * h + (1 - z) * _ACTIVATIONS[names["c"]](updated) * step["o"]
        c = z * c + (1 - z) * updated
        steps.append({**step, "c": c, "h": h})
    if reverse:
        steps.reverse()
    return _over_time(steps)


def _over_time(steps: list[dict[str, Array]]) -> Activities:
    series = {name: np.array([step[name] for step in steps]) for name in steps[0]}
    received = {gate: series["P" + gate] for gate in "ifgo" if "P" + gate in series}
    return Activities(**{name: series[name] for name in "ifgoch"}, peepholes=received)


def _peepholes(
    weights: dict[str, Array], options: dict[str, Any]
) -> dict[str, Callable[[Array], Array]]:
    """{gate: the function c -> P_k c}."""
    if options["peephole"] == "none":
        return {}
    multiply = np.matmul if options["peephole"] == "dense" else _multiply_elements
    blocks = zip("ifgo", np.split(weights["weight_ch"], 4), strict=True)
    return {
        gate: partial(multiply, block)
        for gate, block in blocks
        if gate in options["peephole_gates"]
    }


def _multiply_elements(P: Array, c: Array) -> Array:
    """P (1, H) times c (H,)."""
    product: Array = P[0] * c
    return product


_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda a: 0.5 * (1 + np.tanh(0.5 * a)),  # never overflows
    "tanh": np.tanh,
    "identity": lambda a: a,
    "relu": lambda a: np.maximum(a, 0.0),
    "softsign": lambda a: a / (1 + np.abs(a)),
    "softplus": lambda a: np.logaddexp(0.0, a),
    "hard_sigmoid": lambda a: np.clip(0.2 * a + 0.5, 0.0, 1.0),
    "one": np.ones_like,
}

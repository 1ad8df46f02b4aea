"""The gates and cells of a layer, step by step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array, flag, integer
from peephole.models.lstm import LSTM
from peephole.models.network import Network

Array = NDArray[np.float64]


class Activities(NamedTuple):
    """One layer in one direction over one sequence: arrays (T, H), h with a projection (T, P)."""

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
    """{gate: P_k c}: what each gate with a peephole receives through it, before its activation and,
    with layer_norm="gates", before it is normalised.

    c is from the previous step; for the output gate with `output_peephole="current"`, from the same
    step.
    """


def gate_activities(
    model: LSTM | Network, x: ArrayLike, *, layer: int = -1, reverse: bool = False
) -> Activities:
    """The gates, cell states and outputs of one layer over one sequence, without a given state.

    They are the values that the model computes, in its own dtype, returned as float64. With zoneout
    they are those of inference, where nothing is random.

    Args:
        model: An `LSTM` or a `Network`.
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
    if values.ndim != 2 or values.shape[1] != model.input_size or not len(values):
        raise ValueError(
            f"x: expected (time, {model.input_size}) with at least one step, got {values.shape}"
        )
    number = integer(layer, "layer")
    if not -lstm.num_layers <= number < lstm.num_layers:
        raise ValueError(
            f"layer: expected one in {-lstm.num_layers}..{lstm.num_layers - 1}, got {number}"
        )
    if flag(reverse, "reverse") and not lstm.bidirectional:
        raise ValueError("reverse: expected False for a model that is not bidirectional, got True")
    tape = model._core.trace(values)[-1]
    which = number % lstm.num_layers
    gates = {k: a.astype(np.float64) for k, a in tape.gates(which, int(bool(reverse))).items()}
    return Activities(**gates, peepholes=_peepholes(lstm, which, bool(reverse), gates))


def stack_of(model: LSTM | Network) -> LSTM:
    """`model`, or the LSTM inside it."""
    if isinstance(model, Network):
        return model.lstm
    if not isinstance(model, LSTM):
        raise TypeError(f"model: expected an LSTM or a Network, got {type(model).__name__}")
    return model


def _peepholes(lstm: LSTM, layer: int, reverse: bool, gates: dict[str, Array]) -> dict[str, Array]:
    """{gate: P_k c over time}."""
    options = lstm.options
    if options["peephole"] == "none":
        return {}
    end = f"_l{layer}" + ("_reverse" if reverse else "")
    weights = np.array(lstm.parameters["weight_ch" + end], np.float64)
    if (scale := f"weight_ch{end}_scale") in lstm.parameters:  # integers of a quantized model
        weights *= np.array(lstm.parameters[scale], np.float64)[:, np.newaxis]
    blocks = np.split(weights, 4)
    first = np.zeros_like(gates["c"][:1])
    if options["initial_state"] == "learned":
        first[0] = lstm.parameters["c0" + end]
    before = _before(gates["c"], first, reverse)
    updated = gates["f"] * before + gates["g"] * gates["i"]  # c_t, before zoneout
    if options["layer_norm"] is not None and options["layer_norm_cell"] == "state":
        deviations = updated - updated.mean(axis=-1, keepdims=True)
        variance = np.mean(deviations**2, axis=-1, keepdims=True) + options["layer_norm_epsilon"]
        gain, shift = (
            np.array(lstm.parameters[kind + end], np.float64) for kind in ("gain_c", "shift_c")
        )
        updated = gain * deviations / np.sqrt(variance) + shift
    if (bound := options["cell_clip"]) is not None:
        updated = np.clip(updated, -bound, bound)
    received = {}
    for gate, block in zip("ifgo", blocks, strict=True):
        if gate in options["peephole_gates"]:
            late = gate == "o" and options["output_peephole"] == "current"
            c = updated if late else before
            received[gate] = c * block[0] if options["peephole"] == "diagonal" else c @ block.T
    return received


def _before(c: Array, first: Array, reverse: bool) -> Array:
    """The c of the step before, in the direction of the layer; `first` (1, H) before all."""
    return np.concatenate([c[1:], first] if reverse else [first, c[:-1]])

"""Chainer's StatefulPeepholeLSTM and LSTM.

chainer.links.StatefulPeepholeLSTM:
https://docs.chainer.org/en/stable/reference/generated/chainer.links.StatefulPeepholeLSTM.html.
upward.W (4H, I), upward.b (4H,) and lateral.W (4H, H); row 4 u + k is of unit u, and of a (the cell
input), i, f, o for k = 0 to 3. Dense peepholes peep_i.W, peep_f.W, peep_o.W (H, H); o reads c_t.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole.interop.layers import Direction, Layers, common_dtype, gate_rows, weight
from peephole.models.lstm import LSTM

_PEEPHOLES = ("peep_i/W", "peep_f/W", "peep_o/W")


def from_chainer(source: Mapping[str, Any], layers: Sequence[str] = ("",)) -> LSTM:
    """The layers of Chainer's StatefulPeepholeLSTM, or of its LSTM without peepholes.

    Args:
        source: Names to arrays, as `chainer.serializers.save_npz` writes them and `numpy.load`
            reads them: "upward/W", "lateral/W", ...
        layers: The names of the links in `source`, first layer first; "" if it has the arrays of
            one link itself.

    Returns:
        An `LSTM` of the arrays' dtype, with `peephole="dense", peephole_gates="ifo",
        output_peephole="current"`, or without peepholes.

    Raises:
        ValueError: For a name or shape that does not fit.
        TypeError: If `source` is not a mapping.
    """
    if not isinstance(source, Mapping):
        raise TypeError(
            f"source: expected a mapping of names to arrays, got {type(source).__name__}"
        )
    arrays = {str(name).lstrip("/"): source[name] for name in source}
    taken: dict[str, NDArray[Any]] = {}
    found = [_link(arrays, f"{link.strip('/')}/".lstrip("/"), taken) for link in layers]
    if not found:
        raise ValueError("layers: expected at least one name, got none")
    if len({link.weight_ch is None for link in found}) > 1:
        raise ValueError("layers: expected peepholes in all links or in none")
    options = {}
    if found[0].weight_ch is not None:
        options = {"peephole": "dense", "peephole_gates": "ifo", "output_peephole": "current"}
    model = Layers([[link] for link in found], None, options).model(common_dtype(taken))
    assert isinstance(model, LSTM)  # without a head
    return model


def _link(arrays: Mapping[str, Any], prefix: str, taken: dict[str, NDArray[Any]]) -> Direction:
    def take(name: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
        full = prefix + name
        if full not in arrays:
            raise ValueError(f"source: there is no {full}")
        taken[full] = weight(arrays[full], full, shape)
        return taken[full]

    recurrent = take("lateral/W", (None, None))
    units = recurrent.shape[1]
    weight(recurrent, f"{prefix}lateral/W", (4 * units, units))
    upward, bias = take("upward/W", (4 * units, None)), take("upward/b", (4 * units,))
    peepholes = None
    if any(prefix + name in arrays for name in _PEEPHOLES):
        i, f, o = (take(name, (units, units)) for name in _PEEPHOLES)
        peepholes = np.concatenate([i, f, np.zeros_like(i), o])
    return Direction(_rows(upward), _rows(recurrent), _rows(bias), peepholes)


def _rows(values: NDArray[Any]) -> NDArray[Any]:
    """Rows unit by unit as rows i, f, g, o."""
    by_gate = values.reshape(-1, 4, *values.shape[1:]).swapaxes(0, 1).reshape(values.shape)
    return gate_rows(by_gate, "gifo")

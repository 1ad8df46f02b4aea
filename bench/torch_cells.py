"""What users of PyTorch run for a kind of cell: a scripted loop over the steps, or `nn.LSTM`.

The form of the loops is that of the custom LSTMs in PyTorch's own benchmarks
(benchmarks/fastrnns): a cell, and a layer that runs it over the steps, compiled by
`torch.jit.script`. All tensors are arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import layer_norm


@torch.jit.script
def _products_layer(
    x: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor,
    gain_ih: Tensor,
    gain_hh: Tensor,
    gain_c: Tensor,
    shift_c: Tensor,
) -> Tensor:
    units = weight_hh.shape[1]
    h = torch.zeros(x.shape[1], units, dtype=x.dtype)
    c = torch.zeros(x.shape[1], units, dtype=x.dtype)
    outputs: list[Tensor] = []
    steps = x.unbind(0)
    for t in range(len(steps)):
        of_x = layer_norm(torch.mm(steps[t], weight_ih.t()), [4 * units], gain_ih, bias)
        of_h = layer_norm(torch.mm(h, weight_hh.t()), [4 * units], gain_hh)
        i, f, g, o = (of_x + of_h).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        c = layer_norm(c, [units], gain_c, shift_c)
        h = torch.sigmoid(o) * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs)


@torch.jit.script
def _gates_layer(
    x: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor,
    gain: Tensor,
    gain_c: Tensor,
    shift_c: Tensor,
) -> Tensor:
    units = weight_hh.shape[1]
    h = torch.zeros(x.shape[1], units, dtype=x.dtype)
    c = torch.zeros(x.shape[1], units, dtype=x.dtype)
    gains, shifts = gain.chunk(4), bias.chunk(4)
    outputs: list[Tensor] = []
    steps = x.unbind(0)
    for t in range(len(steps)):
        sums = torch.mm(steps[t], weight_ih.t()) + torch.mm(h, weight_hh.t())
        i, f, g, o = sums.chunk(4, 1)
        i = torch.sigmoid(layer_norm(i, [units], gains[0], shifts[0]))
        f = torch.sigmoid(layer_norm(f, [units], gains[1], shifts[1]))
        g = torch.tanh(layer_norm(g, [units], gains[2], shifts[2]))
        o = torch.sigmoid(layer_norm(o, [units], gains[3], shifts[3]))
        c = layer_norm(f * c + i * g, [units], gain_c, shift_c)
        h = o * torch.tanh(c)
        outputs.append(h)
    return torch.stack(outputs)


def normalised_products(weights: Mapping[str, Tensor]) -> Any:
    """Ba et al. 2016: each product is normalised, and the cell state."""
    names = ("weight_ih", "weight_hh", "bias", "gain_ih", "gain_hh", "gain_c", "shift_c")
    of_layer = [weights[f"{name}_l0"] for name in names]
    return lambda x: _products_layer(x, *of_layer)


def normalised_gates(weights: Mapping[str, Tensor]) -> Any:
    """TensorFlow's LayerNormBasicLSTMCell: each gate is normalised, and the cell state."""
    names = ("weight_ih", "weight_hh", "bias", "gain", "gain_c", "shift_c")
    of_layer = [weights[f"{name}_l0"] for name in names]
    return lambda x: _gates_layer(x, *of_layer)


def projected(weights: Mapping[str, Tensor]) -> Any:
    """The function that `torch.nn.LSTM` with proj_size calls."""
    names = ("weight_ih", "weight_hh", "bias", "weight_hr")
    weight_ih, weight_hh, bias, weight_hr = (weights[f"{name}_l0"] for name in names)
    tensors = [weight_ih, weight_hh, bias, torch.zeros_like(bias), weight_hr]
    projections, units = weight_hr.shape

    def layer(x: Tensor) -> Tensor:
        state = [x.new_zeros(1, x.shape[1], size) for size in (projections, units)]
        y, _, _ = torch.lstm(x, state, tensors, True, 1, 0.0, False, False, False)
        return y

    return layer

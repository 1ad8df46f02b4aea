"""The operators `peephole::lstm` and `peephole::lstm_backward`.

One call is a whole sequence through all layers. All that the backward pass needs travels as
tensors: see https://docs.pytorch.org/tutorials/advanced/python_custom_ops.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from peephole.torch.models import borrowed, sizes
from peephole.torch.tensors import array, lengths_array, same_device, seed_number, state_tensors

# torch.library.custom_op is the same with checks around each call, which take some 30 µs.
_library = torch.library.Library("peephole", "DEF")
_library.define(
    "lstm_inference(Tensor x, Tensor[] parameters, Tensor? h, Tensor? c, Tensor? lengths, "
    "str options, str slot, bool time_major) -> (Tensor, Tensor, Tensor)"
)
_library.define(
    "lstm(Tensor x, Tensor parameters, Tensor? h, Tensor? c, Tensor? lengths, Tensor? seed, "
    "str options, str slot, bool time_major) -> (Tensor, Tensor, Tensor, Tensor)"
)
_library.define(
    "lstm_backward(Tensor dy, Tensor? dh, Tensor? dc, Tensor parameters, Tensor tape, "
    "Tensor? lengths, Tensor? seed, str options, str slot, bool time_major, bool inputs, "
    "bool state_given=False, Tensor? x=None, Tensor? h=None, Tensor? c=None) "
    "-> (Tensor, Tensor, Tensor, Tensor)"
)


@torch.library.impl(_library, "lstm_inference", "CPU")
def lstm_inference(
    x: Tensor,
    parameters: Sequence[Tensor],
    h: Tensor | None,
    c: Tensor | None,
    lengths: Tensor | None,
    options: str,
    slot: str,
    time_major: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The forward pass of inference.

    Args:
        x: (B, T, I), or with `time_major` (T, B, I).
        parameters: In the order of `peephole.LSTM.parameters`.
        h, c: (L * D, B, P) and (L * D, B, H). Where layers differ in H, flat: (B, P_k) and (B,
            H_k) for each layer and direction, one after the other. None stands for zeros, or for
            the learned initial state.
        lengths: (B,) int64; None: every sequence has T steps.
        options, slot: See `peephole.torch.models`.

    Returns:
        y (B, T, O) or (T, B, O); h and c as above.
    """
    arrays = [array(tensor, "parameters", options) for tensor in parameters]
    with borrowed(slot, options) as model:
        y, h_n, c_n = model.infer_with(
            arrays,
            array(x, "x", options),
            array(h, "h", options),
            array(c, "c", options),
            lengths_array(lengths),
            time_major,
        )
    batch = y.shape[1] if time_major else y.shape[0]
    return (
        torch.from_numpy(y),
        *state_tensors(h_n, c_n, batch, options),
    )


@torch.library.register_fake("peephole::lstm_inference")
def _(
    x: Tensor,
    parameters: Sequence[Tensor],
    h: Tensor | None,
    c: Tensor | None,
    lengths: Tensor | None,
    options: str,
    slot: str,
    time_major: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    same_device(x, *parameters, h, c)
    return _new_results(x, options, time_major)


def _new_results(x: Tensor, options: str, time_major: bool) -> tuple[Tensor, Tensor, Tensor]:
    first, second, _ = x.shape
    batch = second if time_major else first
    of_model = sizes(options)
    dtype, (of_h, of_c) = getattr(torch, of_model.dtype), of_model.state_shapes(batch)
    return (
        x.new_empty(first, second, of_model.output, dtype=dtype),
        x.new_empty(of_h, dtype=dtype),
        x.new_empty(of_c, dtype=dtype),
    )


@torch.library.impl(_library, "lstm", "CPU")
def lstm(
    x: Tensor,
    parameters: Tensor,
    h: Tensor | None,
    c: Tensor | None,
    lengths: Tensor | None,
    seed: Tensor | None,
    options: str,
    slot: str,
    time_major: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The forward pass of training.

    Args:
        x, h, c, lengths, options, slot, time_major: As in inference.
        parameters: All in one array of the layout of `Sizes`. A list of tensors would take
            torch.library 0.2 ms for each call.
        seed: () int64, of dropout, recurrent_dropout and zoneout.

    Returns:
        y, h and c as in inference, and the tape.
    """
    with borrowed(slot, options) as model:
        y, h_n, c_n, tape = model.forward_with(
            array(parameters, "parameters", options),
            array(x, "x", options),
            array(h, "h", options),
            array(c, "c", options),
            lengths_array(lengths),
            seed_number(seed),
            time_major,
        )
    batch = y.shape[1] if time_major else y.shape[0]
    return (
        torch.from_numpy(y),
        *state_tensors(h_n, c_n, batch, options),
        torch.from_numpy(tape),
    )


@torch.library.register_fake("peephole::lstm")
def _(
    x: Tensor,
    parameters: Tensor,
    h: Tensor | None,
    c: Tensor | None,
    lengths: Tensor | None,
    seed: Tensor | None,
    options: str,
    slot: str,
    time_major: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    first, second, _ = x.shape
    batch, time = (second, first) if time_major else (first, second)
    same_device(x, parameters, h, c)
    values = sizes(options).tape_values(batch, time)
    tape = x.new_empty(values, dtype=getattr(torch, sizes(options).dtype))
    return (*_new_results(x, options, time_major), tape)


@torch.library.impl(_library, "lstm_backward", "CPU")
def lstm_backward(
    dy: Tensor,
    dh: Tensor | None,
    dc: Tensor | None,
    parameters: Tensor,
    tape: Tensor,
    lengths: Tensor | None,
    seed: Tensor | None,
    options: str,
    slot: str,
    time_major: bool,
    inputs: bool,
    state_given: bool = False,
    x: Tensor | None = None,
    h: Tensor | None = None,
    c: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The backward pass.

    Args:
        dy, dh, dc: Gradients of the results of `lstm`.
        parameters, tape: Of the call of `lstm`.
        inputs: Whether the gradient of x is wanted.
        state_given: Whether that call was given h and c: the gradient of a learned initial state
            is then 0.
        x, h, c: Those of the call of `lstm` that need second derivatives. Their values are in the
            tape: as arguments they tell autograd that the gradients depend on them.

    Returns:
        Gradients of x (empty if not wanted), h, c and, in one array, of the parameters.
    """
    with borrowed(slot, options) as model:
        dx, *others = model.backward_with(
            array(parameters, "parameters", options),
            array(tape, "tape", options),
            array(dy, "dy", options),
            array(dh, "dh", options),
            array(dc, "dc", options),
            lengths_array(lengths),
            seed_number(seed),
            time_major,
            inputs,
            state_given,
        )
    if dx is None:
        dx = np.empty(0, model.dtype)
    dx, dh_0, dc_0, dparameters = map(torch.from_numpy, (dx, *others))
    return dx, dh_0, dc_0, dparameters


@torch.library.register_fake("peephole::lstm_backward")
def _(
    dy: Tensor,
    dh: Tensor | None,
    dc: Tensor | None,
    parameters: Tensor,
    tape: Tensor,
    lengths: Tensor | None,
    seed: Tensor | None,
    options: str,
    slot: str,
    time_major: bool,
    inputs: bool,
    state_given: bool = False,
    x: Tensor | None = None,
    h: Tensor | None = None,
    c: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    first, second, _ = dy.shape
    batch = second if time_major else first
    of_model = sizes(options)
    _, (_, input_size), _ = of_model.layout[0]
    return (
        dy.new_empty((first, second, input_size) if inputs else 0),
        dy.new_empty(batch * of_model.h),
        dy.new_empty(batch * of_model.c),
        dy.new_empty(of_model.flat),
    )


def _keep_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, parameters, h, c, lengths, seed, options, slot, time_major = inputs
    y, h_n, c_n, tape = output
    ctx.mark_non_differentiable(tape)
    ctx.set_materialize_grads(False)
    # The others may be changed in place.
    moving = [None if t is None or not t.requires_grad else t for t in (x, h, c)]
    ctx.save_for_backward(parameters, tape, lengths, seed, *moving)
    ctx.shape_of_y, ctx.shapes_of_final = y.shape, (h_n.shape, c_n.shape)
    ctx.shapes_of_state = None if h is None or c is None else (h.shape, c.shape)
    ctx.arguments = options, slot, time_major


def _backward(
    ctx: Any, dy: Tensor | None, dh: Tensor | None, dc: Tensor | None, _: Any
) -> tuple[Any, ...]:
    parameters, tape, lengths, seed, *moving = ctx.saved_tensors
    if dy is None:
        dy = tape.new_zeros(ctx.shape_of_y)
    if dh is None and dc is not None:
        dh = dc.new_zeros(ctx.shapes_of_final[0])
    if dc is None and dh is not None:
        dc = dh.new_zeros(ctx.shapes_of_final[1])
    wants_x = ctx.needs_input_grad[0]
    dx, dh_0, dc_0, dparameters = torch.ops.peephole.lstm_backward(
        dy,
        dh,
        dc,
        parameters,
        tape,
        lengths,
        seed,
        *ctx.arguments,
        wants_x,
        ctx.shapes_of_state is not None,
        *moving,
    )
    state: tuple[Tensor | None, Tensor | None] = None, None
    if ctx.shapes_of_state is not None:
        of_h, of_c = ctx.shapes_of_state
        state = dh_0.view(of_h), dc_0.view(of_c)
    return dx if wants_x else None, dparameters, *state, None, None, None, None, None


torch.library.register_autograd("peephole::lstm", _backward, setup_context=_keep_for_backward)

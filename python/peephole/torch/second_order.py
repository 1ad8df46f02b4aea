"""The operator `peephole::lstm_backward_jvp`: the backward pass of `peephole::lstm_backward`.

The derivatives of <v, gradients> with respect to all that the gradients depend on are those of the
two passes along v: of y and the final state by the forward pass's Jacobian, of the gradients by its
Hessian, which is symmetric.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from peephole.torch.models import borrowed, sizes
from peephole.torch.tensors import array, lengths_array, seed_number, state_tensors

_NO_THIRD_ORDER = (
    "peephole.torch.LSTM has first and second derivatives, no third ones; call backward() or "
    "torch.autograd.grad() of second derivatives without create_graph=True"
)

_library = torch.library.Library("peephole", "FRAGMENT")
_library.define(
    "lstm_backward_jvp(Tensor dy, Tensor? dh, Tensor? dc, Tensor parameters, Tensor tape, "
    "Tensor? lengths, Tensor? seed, Tensor? of_parameters, Tensor? of_x, Tensor? of_h, "
    "Tensor? of_c, str options, str slot, bool time_major, bool state_given=False) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)"
)


@torch.library.impl(_library, "lstm_backward_jvp", "CPU")
def lstm_backward_jvp(
    dy: Tensor,
    dh: Tensor | None,
    dc: Tensor | None,
    parameters: Tensor,
    tape: Tensor,
    lengths: Tensor | None,
    seed: Tensor | None,
    of_parameters: Tensor | None,
    of_x: Tensor | None,
    of_h: Tensor | None,
    of_c: Tensor | None,
    options: str,
    slot: str,
    time_major: bool,
    state_given: bool = False,
) -> tuple[Tensor, ...]:
    """The derivatives of both passes along a direction, computed in float64.

    Args:
        dy, dh, dc, parameters, tape, lengths, seed, options, slot, time_major, state_given: Of the
            call of `lstm_backward`.
        of_parameters, of_x, of_h, of_c: The direction in which these move; None: they do not.

    Returns:
        The derivatives of y, h and c as `lstm` returns them, and of the gradients as
        `lstm_backward` returns them.
    """
    with borrowed(slot, options) as model:
        y, h_n, c_n, *gradients = model.backward_jvp_with(
            array(parameters, "parameters", options),
            array(tape, "tape", options),
            array(dy, "dy", options),
            array(dh, "dh", options),
            array(dc, "dc", options),
            lengths_array(lengths),
            seed_number(seed),
            time_major,
            array(of_parameters, "of_parameters", options),
            array(of_x, "of_x", options),
            array(of_h, "of_h", options),
            array(of_c, "of_c", options),
            state_given,
        )
    batch = y.shape[1] if time_major else y.shape[0]
    return (
        torch.from_numpy(y),
        *state_tensors(h_n, c_n, batch, options),
        *map(torch.from_numpy, gradients),
    )


@torch.library.register_fake("peephole::lstm_backward_jvp")
def _(
    dy: Tensor,
    dh: Tensor | None,
    dc: Tensor | None,
    parameters: Tensor,
    tape: Tensor,
    lengths: Tensor | None,
    seed: Tensor | None,
    of_parameters: Tensor | None,
    of_x: Tensor | None,
    of_h: Tensor | None,
    of_c: Tensor | None,
    options: str,
    slot: str,
    time_major: bool,
    state_given: bool = False,
) -> tuple[Tensor, ...]:
    first, second, _ = dy.shape
    batch = second if time_major else first
    of_model = sizes(options)
    _, (_, input_size), _ = of_model.layout[0]
    of_final_h, of_final_c = of_model.state_shapes(batch)
    return (
        dy.new_empty(dy.shape),
        dy.new_empty(of_final_h),
        dy.new_empty(of_final_c),
        dy.new_empty(first, second, input_size),
        dy.new_empty(batch * of_model.h),
        dy.new_empty(batch * of_model.c),
        dy.new_empty(of_model.flat),
    )


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    dy, dh, dc, parameters, tape, lengths, seed, *arguments, wants_x, state_given, x, h, c = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(dy, dh, dc, parameters, tape, lengths, seed)
    ctx.arguments = *arguments, state_given
    ctx.wants_x = wants_x
    ctx.shapes = [None if tensor is None else tensor.shape for tensor in (x, h, c)]


def _backward_of_backward(
    ctx: Any, of_x: Tensor | None, of_h: Tensor | None, of_c: Tensor | None, of_parameters: Any
) -> tuple[Any, ...]:
    dy, dh, dc, parameters, tape, lengths, seed = ctx.saved_tensors
    of_model = sizes(ctx.arguments[0])
    if of_h is None and of_c is not None:
        of_h = of_c.new_zeros(of_c.numel() // of_model.c * of_model.h)
    if of_c is None and of_h is not None:
        of_c = of_h.new_zeros(of_h.numel() // of_model.h * of_model.c)
    y, h_n, c_n, *gradients, dparameters = torch.ops.peephole.lstm_backward_jvp(
        dy,
        dh,
        dc,
        parameters,
        tape,
        lengths,
        seed,
        of_parameters,
        of_x if ctx.wants_x else None,
        of_h,
        of_c,
        *ctx.arguments,
    )
    of_state = [
        None if upstream is None else tangent.reshape(upstream.shape)
        for upstream, tangent in ((dh, h_n), (dc, c_n))
    ]
    of_inputs = [
        None if shape is None else gradient.view(shape)
        for shape, gradient in zip(ctx.shapes, gradients, strict=True)
    ]
    return y, *of_state, dparameters, *[None] * 8, *of_inputs


def _refuse_third_order(ctx: Any, *gradients: Any) -> Any:
    raise NotImplementedError(_NO_THIRD_ORDER)


torch.library.register_autograd(
    "peephole::lstm_backward", _backward_of_backward, setup_context=_keep
)
torch.library.register_autograd("peephole::lstm_backward_jvp", _refuse_third_order)

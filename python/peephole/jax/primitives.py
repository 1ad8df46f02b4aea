"""The passes as JAX primitives, with the rules of vmap and of differentiation.

Primitives, rather than `custom_vjp` over `custom_vmap`, because vmap must be able to act before
differentiation does: the gradient of a mapped function is then one backward pass over the whole
batch. `custom_vjp` would ask for the parameters' gradient of each mapped item, and add them up.

On the CPU the passes read and write the memory of JAX's arrays by `buffer_callback`, which is
experimental. Where it does not exist, and on other devices, `pure_callback` takes its place. It
copies arrays and costs ten times more per call. `jax.ffi` is no alternative: its handlers are
compiled with the headers of one jaxlib, whose interface is promised to work for 12 months only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir, xla

from peephole.jax.passes import Call, Wanted, backward, flat, forward, second_order

try:
    from jax.experimental.buffer_callback import buffer_callback
except ImportError:
    buffer_callback = None

forward_p = Primitive("peephole_lstm")
backward_p = Primitive("peephole_lstm_backward")
second_order_p = Primitive("peephole_lstm_second_order")
forward_p.multiple_results = backward_p.multiple_results = True
second_order_p.multiple_results = True


def _forward_results(*operands: Any, call: Call) -> list[Any]:
    """The shapes of `passes.forward`'s results."""
    B, T, _ = call.split(operands).x.shape
    of_state = [(B, size) for pair in call.structure.states for size in pair]
    y = (B, T, call.structure.output_size)
    return [_array(shape, call) for shape in [y, *of_state]]


def _backward_results(*operands: Any, call: Call, wanted: Wanted) -> list[Any]:
    """The shapes of `passes.backward`'s results."""
    of = call.split(operands)
    like = [
        *(of.parameters if wanted.parameters else ()),
        *((of.x,) if wanted.x else ()),
        *(of.state if wanted.state else ()),
    ]
    return [_array(value.shape, call) for value in like]


def _second_order_results(*operands: Any, call: Call, wanted: Wanted) -> list[Any]:
    """The shapes of `passes.second_order`'s results."""
    of = call.split(operands)
    upstream = operands[len(flat(of)) :][: 1 + len(of.state)]
    return [_array(v.shape, call) for v in (*of.parameters, of.x, *of.state, *upstream)]


def _array(shape: Sequence[int], call: Call) -> Any:
    return jax.core.ShapedArray(tuple(shape), call.structure.dtype)


def _run_forward(operands: Sequence[Any], out: Any, **static: Any) -> list[Any]:
    return forward([np.asarray(v) for v in operands], out, **static)


def _run_backward(operands: Sequence[Any], out: Any, **static: Any) -> list[Any]:
    return backward([np.asarray(v) for v in operands], **static)


def _run_second_order(operands: Sequence[Any], out: Any, **static: Any) -> list[Any]:
    return second_order([np.asarray(v) for v in operands], **static)


def _register(primitive: Any, run: Callable[..., list[Any]], results: Callable[..., Any]) -> None:
    """How the primitive is evaluated: by `run(operands, out, **static)`."""

    def anywhere(*operands: Any, **static: Any) -> Any:
        def copied(*values: Any) -> list[Any]:
            return run(values, None, **static)

        shapes = _shape_structs(results(*operands, **static))
        return jax.pure_callback(copied, shapes, *operands)

    def in_place(*operands: Any, **static: Any) -> Any:
        def written(_context: Any, buffers: Sequence[Any], *values: Any) -> None:
            arrays = [np.asarray(buffer) for buffer in buffers]
            first = arrays[0] if arrays else None
            for array, value in zip(arrays, run(values, first, **static), strict=True):
                if array is not value:
                    array[...] = value

        shapes = _shape_structs(results(*operands, **static))
        return buffer_callback(written, shapes)(*operands)

    primitive.def_abstract_eval(results)
    primitive.def_impl(partial(xla.apply_primitive, primitive))
    mlir.register_lowering(primitive, mlir.lower_fun(anywhere, multiple_results=True))
    if buffer_callback is not None:
        lowering = mlir.lower_fun(in_place, multiple_results=True)
        mlir.register_lowering(primitive, lowering, platform="cpu")


def _shape_structs(avals: Sequence[Any]) -> list[Any]:
    return [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in avals]


_register(forward_p, _run_forward, _forward_results)
_register(backward_p, _run_backward, _backward_results)
_register(second_order_p, _run_second_order, _second_order_results)


# Differentiation


def _differentiate_forward(primals: Sequence[Any], tangents: Sequence[Any], *, call: Call) -> Any:
    moving = _moving(tangents)
    of = call.split([k in moving for k in range(len(primals))])
    wanted = Wanted(any(of.parameters), of.x, any(of.state))
    if call.structure.noisy and not call.has_seed:
        raise ValueError(
            "key: expected one, which gradients of a model with dropout, recurrent_dropout or "
            "zoneout need, got none"
        )

    return _jvp_of_moving(partial(_differentiable, call, wanted), primals, tangents)


def _moving(tangents: Sequence[Any]) -> list[int]:
    return [k for k, tangent in enumerate(tangents) if type(tangent) is not ad.Zero]


def _jvp_of_moving(function: Any, primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """`jax.jvp` of a function of all primals, by those that have a tangent."""
    moving = _moving(tangents)

    def of_moving(*values: Any) -> Any:
        operands = list(primals)
        for k, value in zip(moving, values, strict=True):
            operands[k] = value
        return function(*operands)

    return jax.jvp(of_moving, [primals[k] for k in moving], [tangents[k] for k in moving])


def _primal(call: Call, wanted: Wanted, *operands: Any) -> Any:
    return forward_p.bind(*operands, call=call)


def _primal_and_kept(call: Call, wanted: Wanted, *operands: Any) -> tuple[Any, Any]:
    """What backward needs is kept here: with a tape that is an array, that would be it."""
    return forward_p.bind(*operands, call=call), operands


def _cotangents(call: Call, wanted: Wanted, operands: Any, of_results: Any) -> tuple[Any, ...]:
    of = call.split(operands)
    found = iter(backward_p.bind(*operands, *of_results, call=call, wanted=wanted))
    return (
        *(next(found) if wanted.parameters else None for _ in of.parameters),
        next(found) if wanted.x else None,
        *(next(found) if wanted.state else None for _ in of.state),
        *(None for _ in (*of.lengths, *of.seed)),
    )


_differentiable = jax.custom_vjp(_primal, nondiff_argnums=(0, 1))
_differentiable.defvjp(_primal_and_kept, _cotangents)
ad.primitive_jvps[forward_p] = _differentiate_forward


def _differentiate_backward(
    primals: Sequence[Any], tangents: Sequence[Any], *, call: Call, wanted: Wanted
) -> Any:
    return _jvp_of_moving(partial(_twice_differentiable, call, wanted), primals, tangents)


def _gradients(call: Call, wanted: Wanted, *operands: Any) -> Any:
    return backward_p.bind(*operands, call=call, wanted=wanted)


def _gradients_and_kept(call: Call, wanted: Wanted, *operands: Any) -> tuple[Any, Any]:
    return _gradients(call, wanted, *operands), operands


def _second_cotangents(
    call: Call, wanted: Wanted, operands: Any, of_gradients: Any
) -> tuple[Any, ...]:
    found = second_order_p.bind(*operands, *of_gradients, call=call, wanted=wanted)
    of = call.split(operands)
    count = len(of.parameters) + 1 + len(of.state)
    fixed = (None for _ in (*of.lengths, *of.seed))
    return (*found[:count], *fixed, *found[count:])


_twice_differentiable = jax.custom_vjp(_gradients, nondiff_argnums=(0, 1))
_twice_differentiable.defvjp(_gradients_and_kept, _second_cotangents)
ad.primitive_jvps[backward_p] = _differentiate_backward


def _no_third_order(*_arguments: Any, **_static: Any) -> Any:
    raise NotImplementedError("peephole.jax.lstm has first and second derivatives, no third ones")


ad.primitive_jvps[second_order_p] = _no_third_order


# vmap


def _map_forward(
    operands: Sequence[Any], axes: Sequence[int | None], *, call: Call
) -> tuple[Any, Any]:
    if call.has_seed or _any_mapped(call.split(axes).parameters):
        return _one_by_one(forward_p, operands, axes, call=call)
    return _as_one_batch(forward_p, operands, axes, call=call)


def _map_backward(
    operands: Sequence[Any], axes: Sequence[int | None], *, call: Call, wanted: Wanted
) -> tuple[Any, Any]:
    # A pass over the whole batch has only the sum of the parameters' gradients.
    one_by_one = call.has_seed or wanted.parameters or _any_mapped(call.split(axes).parameters)
    if one_by_one:
        return _one_by_one(backward_p, operands, axes, call=call, wanted=wanted)
    return _as_one_batch(backward_p, operands, axes, call=call, wanted=wanted)


def _any_mapped(axes: Sequence[int | None]) -> bool:
    return any(axis is not None for axis in axes)


def _one_by_one(
    primitive: Any, operands: Sequence[Any], axes: Sequence[int | None], **static: Any
) -> tuple[Any, Any]:
    mapped = {
        k: jnp.moveaxis(operands[k], axis, 0) for k, axis in enumerate(axes) if axis is not None
    }

    def one(values: dict[int, Any]) -> Any:
        item = [values.get(k, operand) for k, operand in enumerate(operands)]
        return primitive.bind(*item, **static)

    results = jax.lax.map(one, mapped)
    return results, [0] * len(results)


def _as_one_batch(
    primitive: Any, operands: Sequence[Any], axes: Sequence[int | None], **static: Any
) -> tuple[Any, Any]:
    """The mapped axis becomes a part of the batch axis."""
    n = next(v.shape[axis] for v, axis in zip(operands, axes, strict=True) if axis is not None)
    first = len(static["call"].structure.shapes)  # the rest have the batch axis first

    def lined_up(value: Any, axis: int | None) -> Any:
        if axis is None:
            return jnp.broadcast_to(value, (n, *value.shape))
        return jnp.moveaxis(value, axis, 0)

    items = [lined_up(v, axis) for v, axis in zip(operands[first:], axes[first:], strict=True)]
    B = items[0].shape[1]
    batch = [value.reshape(n * B, *value.shape[2:]) for value in items]
    results = primitive.bind(*operands[:first], *batch, **static)
    return [r.reshape(n, B, *r.shape[1:]) for r in results], [0] * len(results)


batching.primitive_batchers[forward_p] = _map_forward
batching.primitive_batchers[backward_p] = _map_backward
batching.primitive_batchers[second_order_p] = partial(_one_by_one, second_order_p)

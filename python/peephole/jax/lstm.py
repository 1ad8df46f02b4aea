"""`peephole.jax.lstm`, its parameters, and models from and for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from peephole._checks import array, dtype_name
from peephole._types import LSTMOptions
from peephole.jax.passes import Call, Operands, flat
from peephole.jax.primitives import forward_p
from peephole.jax.structure import Structure, structure_of
from peephole.models.lstm import LSTM

if TYPE_CHECKING:
    from typing_extensions import Unpack

_Parameters = Mapping[str, ArrayLike]
_StateOfAny = Sequence[tuple[ArrayLike, ArrayLike]]


def lstm(
    parameters: _Parameters,
    x: ArrayLike,
    state: _StateOfAny | None = None,
    lengths: ArrayLike | None = None,
    *,
    key: Any = None,
    **options: Unpack[LSTMOptions],
) -> tuple[jax.Array, tuple[tuple[jax.Array, jax.Array], ...]]:
    """A stack of LSTM layers with peephole connections, as a function of JAX arrays.

    It computes what `peephole.LSTM` does, by the same core and with the same bits, on the CPU;
    arrays of other devices are copied there and back. It works under `jit`, `grad`, `vmap`, `scan`
    and `checkpoint`.

    A gradient has its backward pass run the forward pass again: the memory between the two is that
    of the arguments, and the time that of one more forward pass. Second derivatives by reverse mode
    (`grad` of `grad`) are computed by a slower path; there are no third ones.
    `vmap` over x, state or lengths makes one batch of all, and so does the gradient of such a
    function. Where the parameters are mapped, or the gradient of each item is wanted apart, or
    there is noise, the items run one after another.

    Args:
        parameters: {name: array} with the names and shapes of `peephole.LSTM.parameters`; all
            float32 or, with `jax_enable_x64`, all float64. Number and sizes of layers follow from
            them, and whether there are biases, peepholes, layer normalisation, a projection and a
            reverse direction.
        x: (B, T, I), or (T, I) for a single sequence: then nothing has a batch axis. It is
            converted to the dtype of the parameters, as `state` is.
        state: The initial state: one pair (h, c), each (B, H_k), h with a projection (B, P), per
            layer and direction. None stands for zeros, or for the learned initial state.
        lengths: (B,) integers in 0..T: the number of valid steps of each sequence.
        key: A JAX random key: the pass is one of training, with dropout, recurrent_dropout and
            zoneout. None: inference.
        options: Those of `peephole.LSTM` except `seed`, as they were given to `init`; they are
            static. Those that the parameters show may be left out; activations, for example, not.

    Returns:
        y: (B, T, output_size); 0 beyond a sequence's length.
        state: The state after each sequence's last valid step, shaped as the initial one.

    Raises:
        ValueError, TypeError: If an argument is wrong; the message names it. Lengths that are
            traced are checked when the function runs; an error is then one of JAX's.
    """
    values = _arrays(parameters)
    structure = _structure(values, options)
    x_array = _numbers(x, "x").astype(structure.dtype)
    batched = _check_x(x_array, structure)
    if state is None and "h0_l0" in structure.shapes:
        state = _learned_state(values, structure, x_array.shape[:-2])
    initial = _state(state, structure, x_array.shape[:-2])
    seed = (_seed(key, "key"),) if key is not None and structure.noisy else ()
    call = Call(structure, lengths is not None, bool(seed))
    operands = Operands(
        tuple(values[name] for name in structure.shapes),
        x_array if batched else x_array[None],
        tuple(initial if batched else [v[None] for v in initial]),
        () if lengths is None else (_lengths(lengths, x_array.shape),),
        seed,
    )
    y, *final = forward_p.bind(*flat(operands), call=call)
    if not batched:
        y, final = y[0], [v[0] for v in final]
    return y, tuple(zip(final[::2], final[1::2], strict=True))


def init(
    seed: Any,
    /,
    input_size: int,
    hidden_size: int | Sequence[int],
    **options: Unpack[LSTMOptions],
) -> dict[str, jax.Array]:
    """Parameters for `lstm`, with the initial values of `peephole.LSTM`.

    Args:
        seed: An int or a `numpy.random.Generator`, as of `peephole.LSTM`; or a JAX random key, then
            also under `jit` and `vmap`.
        input_size, hidden_size, options: As of `peephole.LSTM`; num_layers is one of the options.

    Returns:
        {name: array}, a tree of JAX arrays. float64 needs `jax_enable_x64`.

    Raises:
        ValueError, TypeError: If an argument is wrong; the message names it.
    """
    if "seed" in options:
        raise TypeError("init() takes the seed as its first argument")
    _check_dtype(options.get("dtype", "float32"))

    def made(number: Any) -> dict[str, Any]:
        model = LSTM(input_size, hidden_size, **options, seed=number)  # type: ignore[misc]
        return {name: np.array(model.parameters[name]) for name in model.parameters}

    if not isinstance(seed, jax.Array):
        return {name: jnp.asarray(value) for name, value in made(seed).items()}

    def of_bits(halves: Any) -> dict[str, Any]:
        high, low = np.asarray(halves).tolist()
        return made(high << 32 | low)

    bits = _seed(seed, "seed")
    shapes = {k: jax.ShapeDtypeStruct(v.shape, v.dtype) for k, v in made(0).items()}
    parameters: dict[str, jax.Array] = jax.pure_callback(
        of_bits, shapes, bits, vmap_method="sequential"
    )
    return parameters


def from_lstm(model: LSTM) -> tuple[dict[str, jax.Array], dict[str, Any]]:
    """(parameters, options) of a `peephole.LSTM`: `lstm(parameters, x, **options)` equals it."""
    if not isinstance(model, LSTM):
        raise TypeError(f"model: expected a peephole.LSTM, got {type(model).__name__}")
    if model.quantization is not None:
        raise ValueError(
            f'model: expected one in floating point, got quantization "{model.quantization}"; '
            "see dequantize"
        )
    _check_dtype(model.dtype)
    options = model.options
    del options["input_size"], options["hidden_size"]
    if masks := model.masks:
        options["masks"] = masks
    parameters = {name: jnp.array(model.parameters[name]) for name in model.parameters}
    return parameters, options


def to_lstm(parameters: _Parameters, **options: Unpack[LSTMOptions]) -> LSTM:
    """A `peephole.LSTM` with these parameters: to save it, stream, or run it without JAX."""
    values = _arrays(parameters)
    structure = _structure(values, options)
    model = LSTM(**structure.options, masks=structure.masks, seed=0)
    for name, value in values.items():
        model.parameters[name] = np.asarray(value)
    return model


def _arrays(parameters: Any) -> dict[str, jax.Array]:
    if not isinstance(parameters, Mapping):
        kind = type(parameters).__name__
        raise TypeError(f"parameters: expected a mapping of names to arrays, got {kind}")
    values = {name: _numbers(v, f"parameters: {name}") for name, v in parameters.items()}
    dtypes = {name: str(value.dtype) for name, value in values.items()}
    first = next(iter(dtypes.values()), "float32")
    for name, dtype in dtypes.items():
        if dtype not in ("float32", "float64") or dtype != first:
            expected = first if first in ("float32", "float64") else "float32 or float64"
            raise TypeError(f"parameters: {name}: expected {expected}, got {dtype}")
    return values


def _structure(values: Mapping[str, jax.Array], options: Mapping[str, Any]) -> Structure:
    dtype = str(next(iter(values.values())).dtype) if values else "float32"
    return structure_of({name: value.shape for name, value in values.items()}, dtype, options)


def _numbers(value: Any, name: str) -> jax.Array:
    """A JAX array of real numbers."""
    if not isinstance(value, jax.Array):
        value = array(value, name)
    if not any(jnp.issubdtype(value.dtype, kind) for kind in (np.floating, np.integer, np.bool_)):
        raise TypeError(f"{name}: expected real numbers, got dtype {value.dtype}")
    return jnp.asarray(value)


def _check_dtype(dtype: Any) -> None:
    name = dtype_name(dtype)
    if jax.dtypes.canonicalize_dtype(name) != name:
        raise ValueError(f"dtype: expected float32 without jax_enable_x64, got {name}")


def _check_x(x: jax.Array, structure: Structure) -> bool:
    """Whether x has a batch axis."""
    features = structure.input_size
    if x.ndim not in (2, 3):
        raise ValueError(
            f"x: expected (batch, time, {features}) or (time, {features}), got {x.shape}"
        )
    if x.shape[-1] != features:
        expected = f"(batch, time, {features})" if x.ndim == 3 else f"(time, {features})"
        raise ValueError(f"x: expected {expected}, got {x.shape}")
    return bool(x.ndim == 3)


def _learned_state(
    values: Mapping[str, jax.Array], structure: Structure, batch: tuple[int, ...]
) -> list[tuple[jax.Array, jax.Array]]:
    """The learned initial state for each sequence of a batch: JAX adds up its gradients."""
    ends = [name.removeprefix("h0") for name in structure.shapes if name.startswith("h0")]
    pairs = [(values["h0" + end], values["c0" + end]) for end in ends]
    return [
        (jnp.broadcast_to(h, (*batch, *h.shape)), jnp.broadcast_to(c, (*batch, *c.shape)))
        for h, c in pairs
    ]


def _state(state: Any, structure: Structure, batch: tuple[int, ...]) -> list[jax.Array]:
    """The h and c of each layer and direction, each (B, H), or (H,) for a single sequence."""
    dtype = structure.dtype
    if state is None:
        return [jnp.zeros((*batch, n), dtype) for sizes in structure.states for n in sizes]
    count = len(structure.states)
    expected = f"{count} pairs (h, c), one per layer and direction"
    if not isinstance(state, (list, tuple)):
        raise TypeError(f"state: expected a tuple of {expected}, got {type(state).__name__}")
    if len(state) != count:
        raise ValueError(f"state: expected {expected}, got {len(state)}")
    values = []
    for k, (pair, sizes) in enumerate(zip(state, structure.states, strict=True)):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise TypeError(f"state[{k}]: expected a pair (h, c), got {type(pair).__name__}")
        for letter, value, size in zip("hc", pair, sizes, strict=True):
            value = _numbers(value, f"state[{k}].{letter}")
            if value.shape != (*batch, size):
                raise ValueError(
                    f"state[{k}].{letter}: expected {(*batch, size)}, got {value.shape}"
                )
            values.append(value.astype(dtype))
    return values


def _lengths(lengths: Any, of_x: tuple[int, ...]) -> jax.Array:
    """(B,) int32, checked as far as they are known."""
    if len(of_x) == 2:
        kind = type(lengths).__name__
        raise ValueError(
            f"lengths: expected None for a single sequence (time, features), got {kind}"
        )
    batch, time, _ = of_x
    values = lengths if isinstance(lengths, jax.Array) else array(lengths, "lengths")
    if not jnp.issubdtype(values.dtype, np.integer):
        raise TypeError(f"lengths: expected integers, got dtype {values.dtype}")
    if values.shape != (batch,):
        raise ValueError(f"lengths: expected {(batch,)}, got {values.shape}")
    if not isinstance(values, jax.core.Tracer):
        known = np.asarray(values)
        if wrong := np.flatnonzero((known < 0) | (known > time)).tolist():
            raise ValueError(
                f"lengths: expected integers in 0..{time}, got {known[wrong[0]]} "
                f"at index {wrong[0]}"
            )
    return jnp.asarray(values).astype(np.int32)


def _seed(key: Any, name: str) -> jax.Array:
    """(2,) uint32, from a JAX random key."""
    try:
        return jax.random.bits(key, (2,), np.uint32)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected a JAX random key, got {key!r}") from None

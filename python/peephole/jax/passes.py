"""The passes of a model over the flat lists of arrays that JAX hands over. NumPy only.

JAX calls these functions from its own threads. Calls into JAX from there can block forever, so this
module must not import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from numpy.typing import NDArray

from peephole._types import StateArrays, Tangents
from peephole.jax.structure import Structure


class Operands(NamedTuple):
    """The arrays of a call, or anything else that there is one of for each of them."""

    parameters: tuple[Any, ...]
    """One for each of `Structure.shapes`, in its order."""
    x: Any
    """(B, T, I)."""
    state: tuple[Any, ...]
    """h and c (B, H) of each layer and direction."""
    lengths: tuple[Any, ...]
    """(B,) integers, or empty."""
    seed: tuple[Any, ...]
    """(2,) uint32 of the random numbers, or empty."""


class Wanted(NamedTuple):
    """The gradients that a backward pass returns."""

    parameters: bool
    x: bool
    state: bool


@dataclass(frozen=True)
class Call:
    """What is static in a call."""

    structure: Structure
    has_lengths: bool
    has_seed: bool

    def split(self, flat: Sequence[Any]) -> Operands:
        """The first items of `flat`, by what they are of."""
        rest = iter(flat)

        def take(count: int) -> tuple[Any, ...]:
            return tuple(islice(rest, count))

        structure = self.structure
        return Operands(
            take(len(structure.shapes)),
            next(rest),
            take(2 * len(structure.states)),
            take(self.has_lengths),
            take(self.has_seed),
        )


def flat(operands: Operands) -> list[Any]:
    """The list that `Call.split` takes."""
    of = operands
    return [*of.parameters, of.x, *of.state, *of.lengths, *of.seed]


def forward(
    operands: Sequence[NDArray[Any]], out: NDArray[Any] | None, call: Call
) -> list[NDArray[Any]]:
    """Returns y (B, T, output_size), in `out` if that is given, and h and c of the final state.

    With a seed it is the forward pass of training, with noise; otherwise inference.
    """
    of = call.split(operands)
    with call.structure.model(_named(call, of)) as model:
        lengths = of.lengths[0] if of.lengths else None
        if of.seed:
            y, final, _ = model.forward(of.x, _pairs(of.state), lengths, seed=_number(of.seed[0]))
        else:
            y, final = model(of.x, _pairs(of.state), lengths, out=out)
    return [y, *_flat_state(final)]


def backward(operands: Sequence[NDArray[Any]], call: Call, wanted: Wanted) -> list[NDArray[Any]]:
    """The wanted gradients: of the parameters, x, and the initial h and c.

    `operands` are those of `forward`, then the gradients of its results. The tape of a forward pass
    is no array, so JAX cannot keep it from one pass to the other: the forward pass is run again.
    """
    of = call.split(operands)
    dy, *dstate = operands[len(flat(of)) :]
    with call.structure.model(_named(call, of)) as model:
        lengths = of.lengths[0] if of.lengths else None
        seed = _number(of.seed[0]) if of.seed else None
        _, _, tape = model.forward(of.x, _pairs(of.state), lengths, seed=seed)
        gradients = model.backward(tape, dy, _pairs(dstate), inputs=wanted.x)
    found: list[NDArray[Any]] = []
    if wanted.parameters:
        found += [gradients.parameters[name] for name in call.structure.shapes]
    if wanted.x:
        found.append(gradients.x)
    if wanted.state:
        found += _flat_state(gradients.state)
    return found


def second_order(
    operands: Sequence[NDArray[Any]], call: Call, wanted: Wanted
) -> list[NDArray[Any]]:
    """The backward pass of `backward`: gradients of the parameters, x, the state, dy and dstate.

    `operands` are those of `backward`, then the gradients of its results: a direction. The Hessian
    is symmetric, so that the gradients are the derivatives along it.
    """
    of = call.split(operands)
    rest = iter(operands[len(flat(of)) :])
    dy, dstate = next(rest), _pairs(list(islice(rest, len(of.state))))
    names = call.structure.shapes if wanted.parameters else ()
    parameters = dict(zip(names, islice(rest, len(names)), strict=True))
    x = next(rest) if wanted.x else None
    state = _pairs(list(rest)) if wanted.state else None
    direction = Tangents(x, state, parameters)
    with call.structure.model(_named(call, of)) as model:
        lengths = of.lengths[0] if of.lengths else None
        seed = _number(of.seed[0]) if of.seed else None
        _, _, tape = model.forward(of.x, _pairs(of.state), lengths, seed=seed)
        _, gradients = model.backward_jvp(tape, direction, dy, dstate)
        _, (y, final) = model.jvp(of.x, direction, _pairs(of.state), lengths, seed=seed)
    found = [gradients.parameters[name] for name in call.structure.shapes]
    return [*found, gradients.x, *_flat_state(gradients.state), y, *_flat_state(final)]


def _named(call: Call, operands: Operands) -> dict[str, NDArray[Any]]:
    return dict(zip(call.structure.shapes, operands.parameters, strict=True))


def _pairs(state: Sequence[NDArray[Any]]) -> StateArrays:
    return tuple(zip(state[::2], state[1::2], strict=True))


def _flat_state(state: StateArrays) -> list[NDArray[Any]]:
    return [values for pair in state for values in pair]


def _number(seed: NDArray[Any]) -> int:
    """The 64-bit seed from its halves."""
    high, low = seed.tolist()
    return int(high << 32 | low)

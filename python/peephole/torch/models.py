"""The core models that compute the operators, and what the operators must know of them."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from peephole import _core as core
from peephole.models.build import build

_CLASSES = {"float32": core.LSTMFloat32, "float64": core.LSTMFloat64}

# {(slot, options): core models that no call is using}. A call pops a model and appends it again at
# its end. Both are atomic, so that calls of several threads never share a model.
_idle: dict[tuple[str, str], list[Any]] = {}
_numbers = itertools.count()
_slots: set[str] = set()  # of modules that live
# Of programs without a module here, such as exported ones: so many are kept.
_foreign: dict[tuple[str, str], list[Any]] = {}
_MOST_FOREIGN = 16


class Sizes(NamedTuple):
    """What the shapes of an operator's results follow from."""

    dtype: str
    output: int  # features of y
    equal: tuple[int, int, int] | None  # layers * directions, P and H, where layers have the same
    h: int  # values of h for each sequence, of all layers and directions
    c: int  # the same of c
    flat: int  # values of the parameters' gradients
    tape: tuple[int, int, int]  # values for each step, for each sequence, and fixed
    layout: tuple[tuple[str, tuple[int, ...], int], ...]  # of the gradients: name, shape, begin

    def state_shapes(self, batch: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of h (L * D, B, P) and c (L * D, B, H), or flat where layers differ in H."""
        if self.equal is None:
            return (batch * self.h,), (batch * self.c,)
        passes, recurrent, hidden = self.equal
        return (passes, batch, recurrent), (passes, batch, hidden)

    def gaps(self) -> list[int]:
        """How many values lie between each parameter and the next."""
        ends = [begin + math.prod(shape) for _, shape, begin in self.layout]
        nexts = [begin for _, _, begin in self.layout[1:]] + [self.flat]
        return [after - end for end, after in zip(ends, nexts, strict=True)]

    def tape_values(self, batch: int, time: int) -> int:
        """How many values a tape takes."""
        per_step, per_sequence, fixed = self.tape
        return per_step * batch * time + per_sequence * batch + fixed


def options_text(input_size: int, hidden_sizes: list[int], dtype: str, **options: Any) -> str:
    """The options of a core model as a text, which an operator can have as an argument."""
    return json.dumps([input_size, hidden_sizes, dtype, options], sort_keys=True)


def new_model(options: str) -> Any:
    """A core model with these options."""
    input_size, hidden_sizes, dtype, others = json.loads(options)
    return build(_CLASSES, input_size, hidden_sizes, dtype=dtype, seed=0, **others)


@lru_cache(maxsize=256)
def sizes(options: str) -> Sizes:
    """The sizes of models with these options."""
    model = new_model(options)
    _, hidden, dtype, _ = json.loads(options)
    directions = 1 + model.options["bidirectional"]
    recurrent = [model.options["projection_size"] or size for size in hidden]
    alike = len(set(hidden)) == 1
    return Sizes(
        dtype=dtype,
        output=recurrent[-1] * directions,
        equal=(len(hidden) * directions, recurrent[0], hidden[0]) if alike else None,
        h=sum(recurrent) * directions,
        c=sum(hidden) * directions,
        flat=model.flat_size,
        tape=model.tape_size,
        layout=tuple((name, tuple(shape), begin) for name, shape, begin in model.flat_layout),
    )


def new_slot() -> str:
    """A name for the core models of one module: so weights are packed for the kernels once."""
    slot = str(next(_numbers))
    _slots.add(slot)
    return slot


def forget(slot: str) -> None:
    """Frees the core models of a slot."""
    _slots.discard(slot)
    for key in [key for key in list(_idle) if key[0] == slot]:
        _idle.pop(key, None)


@contextmanager
def borrowed(slot: str, options: str) -> Iterator[Any]:
    """A core model that no other call uses meanwhile.

    PyTorch's own threads compute, if there are some: those that it has just used are awake, and
    would be in the way of others.
    """
    idle = _list_of(slot, options)
    try:
        model = idle.pop()
    except IndexError:
        model = new_model(options)
    try:
        with _threads():
            yield model
    finally:
        idle.append(model)


def _list_of(slot: str, options: str) -> list[Any]:
    key = (slot, options)
    if slot in _slots:
        return _idle.setdefault(key, [])
    idle = _foreign.setdefault(key, [])
    for old in list(_foreign)[:-_MOST_FOREIGN]:  # a copy, as other threads may add
        _foreign.pop(old, None)
    return idle


def _threads() -> Any:
    try:
        return core.executor("openmp")
    except RuntimeError:  # no OpenMP library, or a forked process
        return core.executor("own")

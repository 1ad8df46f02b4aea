"""What the values of a foreign graph mean, as far as it concerns LSTM layers.

The importer does not compute a graph. It follows its nodes and notes for each value what it holds:
a constant, sizes, zeros, an input, a dense layer on it, outputs of LSTM nodes, what a head reads,
or a head. The axes of a value are groups of atoms: an atom is one elementary axis, such as the
steps or the units. So Transpose, Squeeze and Reshape only move, drop and regroup atoms, and the
order of rows in merged axes stays known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray


class NotUnderstood(Exception):
    """A node does something that the importer cannot follow; the message says what."""


@dataclass(frozen=True, eq=False)
class Atom:
    """One elementary axis; its size is None where it is known only at run time."""

    size: int | None


Axes: TypeAlias = tuple[tuple[Atom, ...], ...]  # an axis without atoms has size 1


@dataclass(frozen=True, eq=False)
class Run:
    """One direction of an LSTM node."""

    node: str  # for messages
    reverse: bool
    arrays: dict[str, NDArray[Any]]  # W (4H, I), R (4H, H), and B (8H,), P (3H,) where there
    activations: tuple[str, str, str]  # our names of f, g, h
    coupled: bool
    x: Any  # the value that it reads
    lengths: str  # the input of the graph with the lengths, or ""
    time: tuple[Atom, ...]  # the axis of steps
    clip: float | None = None  # the bound of the gates' sums
    # {"h0" and "c0": (H,)}, where the node has constant initial states
    initial: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def units(self) -> int:
        """H."""
        return int(self.arrays["R"].shape[1])


@dataclass(frozen=True, eq=False)
class Given:
    """An input of the graph, or a part of it."""

    name: str
    part: bool = False


@dataclass(frozen=True, eq=False)
class Outputs:
    """Outputs of LSTM nodes: "y", or the final "h" or "c", of some directions of some nodes."""

    kind: str
    runs: tuple[Run, ...]
    of_runs: tuple[Atom, ...]  # the axis over them, () for one
    units: Atom

    @property
    def features(self) -> tuple[Atom, ...]:
        """The axis of what these directions give, concatenated."""
        return (*self.of_runs, self.units)


@dataclass(frozen=True, eq=False)
class Pooled:
    """The mean or the maximum over the steps of y."""

    readout: str
    of: Outputs


@dataclass(frozen=True, eq=False)
class Head:
    """activation(V r + v); the activation is "" until one follows."""

    readout: str
    of: Outputs
    weight: NDArray[Any]  # (O, F)
    bias: NDArray[Any] | None
    activation: str
    outputs: Atom


@dataclass(frozen=True, eq=False)
class DenseGiven:
    """activation(W x + b) of an input x of the graph; the activation is "" until one follows."""

    of: Given
    weight: NDArray[Any]  # (D, I)
    bias: NDArray[Any] | None
    activation: str
    outputs: Atom


@dataclass(frozen=True, eq=False)
class Value:
    """Content with its axes."""

    axes: Axes
    content: Given | DenseGiven | Outputs | Pooled | Head


@dataclass(frozen=True)
class Zeros:
    """Zeros of a shape that may be known only at run time."""


@dataclass(frozen=True, eq=False)
class Repeated:
    """A constant that is repeated along some of its axes, whose size is 1 in `array`."""

    array: NDArray[Any]
    axes: frozenset[int]


@dataclass(frozen=True)
class Sizes:
    """Sizes of axes: ints, or atoms whose product is meant."""

    entries: tuple[int | tuple[Atom, ...], ...]
    scalar: bool = False  # one entry, in an array without axes

    @property
    def single(self) -> bool:
        """Whether there is one entry."""
        return len(self.entries) == 1


@dataclass(frozen=True)
class Unknown:
    """A value that the importer cannot follow, and why."""

    reason: str


Anything: TypeAlias = "NDArray[Any] | Zeros | Repeated | Sizes | Value | Unknown"


@dataclass
class Node:
    """A node of the graph with the meaning of its inputs."""

    kind: str
    name: str
    attributes: dict[str, Any]
    inputs: list[Anything | None]
    outputs: int
    opset: int
    label: str = field(init=False)

    def __post_init__(self) -> None:
        self.label = f"{self.kind} node {self.name!r}"

    def given(self, k: int) -> Anything | None:
        """The k-th input, None where it is absent."""
        return self.inputs[k] if k < len(self.inputs) else None

    def constant(self, k: int, what: str) -> NDArray[Any]:
        """The k-th input, which must be a constant."""
        value = self.given(k)
        if isinstance(value, np.ndarray):
            return value
        raise NotUnderstood(f"expected constant {what}")

    def integers(self, k: int, attribute: str) -> list[int] | None:
        """Integers from an input, or in older opsets from an attribute; None where absent."""
        if attribute in self.attributes:
            return [int(n) for n in np.atleast_1d(self.attributes[attribute])]
        if self.given(k) is None:
            return None
        return [int(n) for n in self.constant(k, attribute).reshape(-1)]


def axis_index(axis: Any, rank: int) -> int:
    """An axis counted from the front; raises NotUnderstood if it does not exist."""
    index = int(axis)
    if not -rank <= index < rank:
        raise NotUnderstood(f"axis {index} of {rank} axes")
    return index % rank


def plain(size: int | None) -> tuple[Atom, ...]:
    """A new axis of this size."""
    return () if size == 1 else (Atom(size),)


def as_value(value: Any) -> Value:
    """A value with axes; raises NotUnderstood for any other."""
    if isinstance(value, Value):
        return value
    raise NotUnderstood("an input that is no sequence, state or constant that it could move")

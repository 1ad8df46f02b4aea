"""The parameters of a model as a mapping."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from numpy.typing import ArrayLike, NDArray

from peephole import _core as core
from peephole._checks import without_mask

__all__ = ["Parameters", "UnknownParameter"]


class UnknownParameter(KeyError, ValueError):
    """No parameter has this name. A KeyError, as from any mapping, and a ValueError."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would put the message in quotes


class Parameters(Mapping[str, NDArray[Any]]):
    """Names to arrays, over the model's own memory.

    `parameters[name]` is a writable view. Values written through it, however long it has been held,
    are used from the model's next call on. `parameters[name] = value` copies a value of the same
    shape in; another shape or dtype raises ValueError or TypeError and changes nothing. An unknown
    name raises `UnknownParameter` (a KeyError and a ValueError) either way. Names cannot be added
    or removed. Masked weights stay 0 whatever is written. The integers of a quantized model are
    arrays that cannot be written, and only integers of their dtype whose sums of products cannot
    overflow can be assigned to them.

    While a view is alive, each call compares the parameters with a copy to find out whether they
    were written to, so a held view costs a little time and memory. Iterating over names, `len`,
    `in`, `repr` and `shape` make no views; `items()` and `values()` do.
    """

    __slots__ = ("_core", "_names")

    def __init__(
        self, core_parameters: core.Parameters, names: Iterable[str] | None = None
    ) -> None:
        self._core = core_parameters
        self._names = dict.fromkeys(core_parameters.names if names is None else names)

    def __getitem__(self, name: str) -> NDArray[Any]:
        self._require(name)
        return self._core.view(name)

    def __setitem__(self, name: str, value: ArrayLike) -> None:
        self._require(name)
        without_mask(value, name)
        self._core.assign(name, value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    # Mapping compares values, which has no single answer for arrays.
    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of one parameter, without a view of it."""
        self._require(name)
        return self._core.shape(name)

    def select(self, *patterns: str) -> Parameters:
        """Those that match a name or pattern, such as "head.*", in the same memory.

        An optimiser over them trains these and leaves the others unchanged. The patterns are those
        of `fnmatch`. Raises ValueError if one of them matches nothing.
        """
        return Parameters(self._core, self._matching(patterns))

    def without(self, *patterns: str) -> Parameters:
        """Those that match none of the names and patterns; see `select`.

        Raises ValueError if one of them matches nothing, or if nothing remains.
        """
        matching = self._matching(patterns)
        rest = [name for name in self if name not in matching]
        if not rest:
            raise ValueError(
                f"patterns: expected to leave a parameter of {', '.join(self)}, got {patterns!r}"
            )
        return Parameters(self._core, rest)

    def _matching(self, patterns: tuple[str, ...]) -> list[str]:
        for pattern in patterns:
            if not isinstance(pattern, str):
                raise TypeError(f"patterns: expected names or patterns, got {pattern!r}")
            if not any(fnmatchcase(name, pattern) for name in self):
                raise ValueError(
                    f"patterns: no parameter is named {pattern!r}; there are {', '.join(self)}"
                )
        return [name for name in self if any(fnmatchcase(name, p) for p in patterns)]

    @property
    def size(self) -> int:
        """The number of values in all parameters together."""
        return sum(math.prod(self._core.shape(name)) for name in self)

    def __repr__(self) -> str:
        width = max(map(len, self))
        rows = [f"  {name:{width}}  {self._core.shape(name)}" for name in self]
        return "\n".join([f"Parameters of {self._core.dtype}, {self.size:,} values:", *rows])

    def _require(self, name: str) -> None:
        if not isinstance(name, str) or name not in self._names:
            raise UnknownParameter(f"parameters: expected one of {', '.join(self)}, got {name!r}")

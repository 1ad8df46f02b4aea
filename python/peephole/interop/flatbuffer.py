"""Tables of a FlatBuffers file, read with checks of every position.

The encoding: https://flatbuffers.dev/internals/. A table begins with the distance back to its list
of fields; positions of tables and vectors are distances forward.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Table:
    """A table at a position of a file; fields have numbers, from 0."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position
        self._fields = position - self._at("i", position)
        self._size = self._at("H", self._fields)

    @classmethod
    def root(cls, data: bytes) -> Table:
        """The outermost table of a file."""
        return cls(data, _read(data, "I", 0))

    def number(self, field: int, kind: str, default: Any = 0) -> Any:
        """A scalar of the kind that `struct` names so."""
        place = self._place(field)
        return default if place is None else self._at(kind, place)

    def table(self, field: int) -> Table | None:
        """The table in a field, or None if the field is absent."""
        place = self._place(field)
        return None if place is None else Table(self._data, self._follow(place))

    def tables(self, field: int) -> list[Table]:
        """The vector of tables in a field; empty if the field is absent."""
        begin, count = self._vector(field, 4)
        return [Table(self._data, self._follow(begin + 4 * k)) for k in range(count)]

    def array(self, field: int, dtype: str) -> NDArray[Any]:
        """The vector of numbers in a field; empty if the field is absent."""
        begin, count = self._vector(field, np.dtype(dtype).itemsize)
        return np.frombuffer(self._data, dtype, count, begin)

    def _place(self, field: int) -> int | None:
        entry = 4 + 2 * field
        if entry + 2 > self._size:
            return None
        distance = self._at("H", self._fields + entry)
        return self._position + distance if distance else None

    def _vector(self, field: int, size: int) -> tuple[int, int]:
        place = self._place(field)
        if place is None:
            return 0, 0
        begin = self._follow(place)
        count = self._at("I", begin)
        if begin + 4 + count * size > len(self._data):
            raise ValueError(f"the file ends within a vector of {count} values")
        return begin + 4, count

    def _follow(self, place: int) -> int:
        return place + int(self._at("I", place))

    def _at(self, kind: str, place: int) -> Any:
        return _read(self._data, kind, place)


def _read(data: bytes, kind: str, place: int) -> Any:
    if not 0 <= place <= len(data) - struct.calcsize(f"<{kind}"):
        raise ValueError(f"position {place} is outside the file")
    return struct.unpack_from(f"<{kind}", data, place)[0]

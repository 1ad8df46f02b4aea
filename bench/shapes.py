"""The shapes to measure, and what they cost in arithmetic."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("shapes.json")


class Shape(NamedTuple):
    """One layer over one batch: T steps of B sequences of I features, H units."""

    name: str
    T: int
    B: int
    I: int  # noqa: E741 -- the project's name of the dimension
    H: int
    stands_for: str = ""

    @property
    def sizes(self) -> str:
        """As tables print it."""
        return f"{self.T},{self.B},{self.I},{self.H}"

    def flops(self, training: bool, peephole_inputs: int = 0) -> int:
        """Floating-point operations of the matrix products, to which the rest is small.

        Forward, 4H rows times I + H inputs at every step of every sequence, two operations each;
        `peephole_inputs` is H for dense peepholes. Backward, twice that again: the gradients of
        the weights, and those of the inputs.
        """
        forward = 2 * self.T * self.B * 4 * self.H * (self.I + self.H + peephole_inputs)
        return 3 * forward if training else forward


def read(path: Path = FILE) -> list[Shape]:
    """The shapes of the file."""
    return [Shape(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]


def select(patterns: Sequence[str]) -> list[Shape]:
    """Those whose name or "T,B,I,H" matches one of the patterns; "T,B,I,H" may also be a new shape.

    Raises:
        ValueError: For a pattern that is neither.
    """
    known = read()
    if not patterns:
        return known
    chosen: list[Shape] = []
    for pattern in patterns:
        found = [s for s in known if any(fnmatch.fnmatch(n, pattern) for n in (s.name, s.sizes))]
        if not found:
            found = [_parse(pattern)]
        chosen += [shape for shape in found if shape not in chosen]
    return chosen


def _parse(text: str) -> Shape:
    parts = text.split(",")
    if len(parts) != 4 or not all(part.isdigit() and int(part) > 0 for part in parts):
        names = ", ".join(shape.name for shape in read())
        raise ValueError(f"shapes: expected T,B,I,H or one of {names}; got {text!r}")
    return Shape(text, *map(int, parts))

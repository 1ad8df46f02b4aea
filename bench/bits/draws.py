"""Random draws, and the sizes of the classes of configurations that are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

_T = TypeVar("_T")


@dataclass(frozen=True)
class Range:
    """The largest sizes of a class of configurations, and of its work.

    `work` bounds the multiplications and additions of one inference.
    """

    name: str
    units: int
    layers: int
    batch: int
    time: int
    inputs: int
    outputs: int
    work: float


SMALL = Range("small", 9, 3, 7, 12, 7, 5, 1e7)
MEDIUM = Range("medium", 48, 3, 24, 60, 40, 12, 4e7)
FEW_ROWS = Range("few rows", 130, 2, 3, 200, 140, 70, 4e8)
LARGE = Range("large", 130, 2, 70, 200, 140, 70, 6e8)
LARGEST = Range("largest", 130, 1, 70, 200, 100, 10, 4e9)
WIDE = (FEW_ROWS, LARGE, LARGEST)

# In a hundred configurations.
SHARES = {LARGEST: 2, LARGE: 12, FEW_ROWS: 6, MEDIUM: 20, SMALL: 60}


class Draws:
    """Plain Python values from a generator."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random

    def between(self, low: int, high: int) -> int:
        """An int of low..high."""
        return int(self.random.integers(low, high, endpoint=True))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.random.random() < probability)

    def one_of(self, values: Sequence[_T]) -> _T:
        """One of the values, all equally likely."""
        return values[self.between(0, len(values) - 1)]

    def weighted(self, shares: dict[_T, int]) -> _T:
        """One of the keys, as likely as its share of the sum of shares."""
        return self.one_of([value for value, share in shares.items() for _ in range(share)])

    def size(self, most: int) -> int:
        """A size of 1..most: often the smallest ones, otherwise any."""
        return self.between(1, min(3, most)) if self.chance(0.25) else self.between(1, most)

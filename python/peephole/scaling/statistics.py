"""Mean and variance of each feature, of sequences that are counted block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._sequences import Sequences, real_steps

AT_A_TIME = 2**18  # values that are converted to float64 together; they fit in a cache


@dataclass(frozen=True)
class Statistics:
    """Of each feature, (I,) arrays."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    count: NDArray[np.int64]

    def merged(self, other: Statistics) -> Statistics:
        """Those of both sets of values together (Chan et al. 1983)."""
        count = self.count + other.count
        fraction = other.count / np.maximum(count, 1)
        with np.errstate(over="ignore", invalid="ignore"):  # not finite: an error later
            delta = other.mean - self.mean
            mean = self.mean + delta * fraction
            between = np.square(delta) * fraction * (1 - fraction)
            variance = self.variance + (other.variance - self.variance) * fraction + between
        return Statistics(mean, variance, count)

    def equals(self, other: Statistics) -> bool:
        """Whether all values are the same."""
        names = asdict(self)
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)

    @cached_property
    def scale(self) -> NDArray[np.float64]:
        """The standard deviation; 1 where the variance is within its error bound for constants.

        The bound is that of Chan et al. 1983: n ε s² + (n ε m)², as in scikit-learn.
        """
        n_epsilon = self.count * np.finfo(np.float64).eps
        with np.errstate(over="ignore"):
            bound = n_epsilon * self.variance + np.square(n_epsilon * self.mean)
        return np.where(self.variance <= bound, 1.0, np.sqrt(self.variance))


def statistics_of(sequences: Sequences, before: Statistics | None) -> Statistics:
    """Those of all real steps, added to those before; raises ValueError for values too large."""
    if not sequences.lengths.any():
        raise ValueError("x: expected at least one step, got none")
    total = before
    for steps in _blocks(sequences):
        block = _of_block(steps)
        total = block if total is None else total.merged(block)
    assert total is not None
    if not np.isfinite(total.variance).all():
        raise ValueError("x: expected values whose squares float64 can hold, got larger ones")
    return total


def _of_block(steps: NDArray[np.float64]) -> Statistics:
    """The statistics of some steps (N, I)."""
    missing = np.isnan(steps)
    gaps = missing.any()
    count = len(steps) - missing.sum(axis=0, dtype=np.int64)
    n = np.maximum(count, 1)
    with np.errstate(over="ignore", invalid="ignore"):  # not finite: an error later
        mean = (np.nansum if gaps else np.sum)(steps, axis=0) / n
        centred = steps - mean
        if gaps:
            centred[missing] = 0
        rest = centred.sum(axis=0) / n  # 0 except for the rounding of the mean, which it corrects
        variance = np.einsum("ij,ij->j", centred, centred) / n - np.square(rest)
    return Statistics(mean + rest, np.maximum(variance, 0), count)


def _blocks(sequences: Sequences) -> Iterator[NDArray[np.float64]]:
    """All real steps, (N, I) at a time."""
    for steps in _joined(sequences):
        rows = max(1, AT_A_TIME // steps.shape[1])
        for start in range(0, len(steps), rows):
            block = steps[start : start + rows].astype(np.float64)
            if np.isinf(block).any():
                raise ValueError("x: expected finite values, or NaN for missing ones, got infinity")
            yield block


def _joined(sequences: Sequences) -> Iterator[NDArray[Any]]:
    """The real steps of some sequences at a time: short ones together, a long one by itself."""
    values, lengths = sequences.values, sequences.lengths
    ends = np.cumsum(lengths)
    most = max(1, AT_A_TIME // values[0].shape[1])
    start = 0
    while start < len(lengths):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + most, "right")))
        if stop == start + 1:
            yield values[start][: lengths[start]]
        elif isinstance(values, list):
            yield np.concatenate(values[start:stop])
        else:
            yield values[start:stop][real_steps(lengths[start:stop], values.shape[1])]
        start = stop

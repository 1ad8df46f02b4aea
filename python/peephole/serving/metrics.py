"""What a batcher measures of itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# Percentiles are those of so many of the last values.
_LAST = 1 << 14


@dataclass(frozen=True)
class Times:
    """Percentiles and the maximum of the last 16,384 times, in seconds; NaN if there are none."""

    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Times:
        """The percentiles of some values."""
        times = np.fromiter(values, float)
        if times.size == 0:
            return cls(np.nan, np.nan, np.nan, np.nan)
        p50, p95, p99, most = np.percentile(times, [50, 95, 99, 100]).tolist()
        return cls(p50, p95, p99, most)


@dataclass(frozen=True)
class Metrics:
    """The state of a batcher, and what it has done since it was made."""

    sessions: int
    """Sessions that are open."""
    waiting: int
    """Requests that no batch has taken yet."""
    requests: int
    """Requests answered."""
    steps: int
    """Time steps computed, of all sessions."""
    batches: int
    """Calls of the pool."""
    batch_size: float
    """Sessions in a batch, on average over the last 16,384 batches; NaN before the first."""
    queueing: Times
    """From a request's arrival to the beginning of its first batch."""
    latency: Times
    """From a request's arrival to its result."""
    computing: Times
    """Of a batch."""


class Meter:
    """Collects what `Metrics` shows."""

    def __init__(self) -> None:
        self.requests = self.steps = self.batches = 0
        self.queueing: deque[float] = deque(maxlen=_LAST)
        self.latency: deque[float] = deque(maxlen=_LAST)
        self.computing: deque[float] = deque(maxlen=_LAST)
        self.sizes: deque[int] = deque(maxlen=_LAST)

    def metrics(self, sessions: int, waiting: int) -> Metrics:
        """All of it, as of now."""
        return Metrics(
            sessions=sessions,
            waiting=waiting,
            requests=self.requests,
            steps=self.steps,
            batches=self.batches,
            batch_size=sum(self.sizes) / len(self.sizes) if self.sizes else np.nan,
            queueing=Times.of(self.queueing),
            latency=Times.of(self.latency),
            computing=Times.of(self.computing),
        )

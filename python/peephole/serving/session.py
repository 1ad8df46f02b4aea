"""A session of a batcher, and the requests that wait for it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array

if TYPE_CHECKING:
    from typing_extensions import Self


class SessionClosed(RuntimeError):
    """The session was closed, by `close`, after its idle time, or with its batcher."""


@dataclass(eq=False)
class Request:
    """Steps of one session, which one or more batches take."""

    x: NDArray[Any]  # (T, I)
    arrival: float
    result: asyncio.Future[NDArray[Any]]
    begun: bool = False  # a batch has taken it
    done: int = 0  # of the T steps
    parts: list[NDArray[Any]] = field(default_factory=list)  # of y


class Owner(Protocol):
    """What a session needs of its batcher."""

    async def submit(self, session: Session, x: NDArray[Any]) -> NDArray[Any]:
        """The outputs (T, O) of some steps x (T, I)."""

    def close_session(self, session: Session, reason: str) -> None:
        """Ends a session."""

    @property
    def input_size(self) -> int:
        """I."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the model."""


class Session:
    """One user of the model, with a state of its own. `Batcher.open` returns one.

    Its requests are computed one after the other, in the order in which they were made. A request
    that is cancelled before a batch takes it leaves no trace. One that a batch has taken is
    computed: its result is lost, and the state moves on (`steps` tells how far).

    `async with` closes the session at its end.
    """

    def __init__(self, owner: Owner, name: str, id: int, steps: int, now: float) -> None:
        self._owner = owner
        self._name = name
        self.id = id
        self.steps_done = steps
        self.last_use = now
        self.requests: deque[Request] = deque()
        self.closed_by: str | None = None  # the reason

    @property
    def name(self) -> str:
        """The name that it was opened by."""
        return self._name

    @property
    def steps(self) -> int:
        """The time steps computed since it was opened, also before a restart."""
        return self.steps_done

    @property
    def is_open(self) -> bool:
        """Whether it can still be used."""
        return self.closed_by is None

    async def step(self, x: ArrayLike) -> NDArray[Any]:
        """One time step.

        Args:
            x: (I,).

        Returns:
            y: (O,).

        Raises:
            SessionClosed: If the session is closed, or is before the step is computed.
            ValueError, TypeError: For a wrong x; the state does not change.
        """
        y: NDArray[Any] = (await self._owner.submit(self, self._steps_of(x, 1)))[0]
        return y

    async def process(self, x: ArrayLike) -> NDArray[Any]:
        """Some time steps. Long blocks are computed in pieces, so that other sessions do not wait.

        Args:
            x: (T, I).

        Returns:
            y: (T, O).

        Raises:
            SessionClosed, ValueError, TypeError: As `step`.
        """
        return await self._owner.submit(self, self._steps_of(x, 2))

    def close(self) -> None:
        """Ends the session, and its requests that wait with `SessionClosed`."""
        self._owner.close_session(self, "by close()")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def _steps_of(self, x: ArrayLike, axes: int) -> NDArray[Any]:
        """A copy of x as (T, I)."""
        values = array(x, "x")
        size = self._owner.input_size
        if values.ndim != axes or values.shape[-1] != size:
            expected = f"({size},)" if axes == 1 else f"(T, {size})"
            raise ValueError(f"x: expected shape {expected}, got {values.shape}")
        if values.dtype.kind not in "biuf":
            raise TypeError(f"x: expected real numbers, got dtype {values.dtype}")
        return np.array(values, self._owner.dtype, ndmin=2)

    def __repr__(self) -> str:
        state = "" if self.is_open else ", closed"
        return f"<Session {self.name!r}, {self.steps} steps{state}>"

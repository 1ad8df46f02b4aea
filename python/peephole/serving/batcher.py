"""One call of a pool for all steps that arrive within a short time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from time import perf_counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import at_least_one, not_negative, positive, text
from peephole.models.sessions import Sessions
from peephole.serving import keep
from peephole.serving.batches import Batches
from peephole.serving.metrics import Meter, Metrics
from peephole.serving.session import Request, Session, SessionClosed

if TYPE_CHECKING:
    import os

    from typing_extensions import Self


class Batcher:
    """Computes the steps of many sessions together, for a server that uses asyncio.

    A request waits until `max_batch` sessions or all open ones have one, or until `max_delay` after
    its arrival; while a batch is computed, the next one collects. The results of a session have the
    same bits as those of a `Stream` of its own.

    A batcher belongs to one event loop, and its pool to it alone.

    Args:
        pool: A pool of sessions, `model.sessions(capacity)`, without open ones.
        max_batch: The most sessions in a batch.
        max_delay: The longest time, in seconds, that a request waits for others. 0: none.
        max_waiting: The most requests that wait. Further ones are accepted when there is room for
            them: `Session.step` waits until then.
        idle_timeout: A session without a request for so many seconds is closed. None: never.

    Example:
        >>> import asyncio, peephole
        >>> from peephole.serving import Batcher
        >>> async def main():
        ...     net = peephole.Network(1, 20, 1, seed=0)
        ...     async with Batcher(net.sessions(1000)) as batcher:
        ...         alice, bob = batcher.open("alice"), batcher.open("bob")
        ...         return await asyncio.gather(alice.step([0.1]), bob.step([0.2]))
        >>> [y.shape for y in asyncio.run(main())]
        [(1,), (1,)]
    """

    def __init__(
        self,
        pool: Sessions,
        *,
        max_batch: SupportsIndex = 256,
        max_delay: float = 1e-3,
        max_waiting: SupportsIndex = 4096,
        idle_timeout: float | None = None,
    ) -> None:
        if not isinstance(pool, Sessions):
            raise TypeError(f"pool: expected Sessions, got {type(pool).__name__}")
        if len(pool) > 0:
            raise ValueError(f"pool: expected one without open sessions, got {len(pool)} open")
        self._pool = pool
        most = at_least_one(max_batch, "max_batch")
        delay = not_negative(max_delay, "max_delay")
        self._room = asyncio.Semaphore(at_least_one(max_waiting, "max_waiting"))
        self._idle_timeout = (
            None if idle_timeout is None else positive(idle_timeout, "idle_timeout")
        )
        self._idle_timer: asyncio.TimerHandle | None = None
        # By name, the one whose last use is longest ago first.
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._meter = Meter()
        self._batches = Batches(pool, most, delay, self._meter, self._room.release)
        self._closed = False

    @property
    def input_size(self) -> int:
        """I, the features of a step of x."""
        return self._pool.input_size

    @property
    def output_size(self) -> int:
        """O, the values of y."""
        return self._pool.output_size

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._pool.dtype

    @property
    def sessions(self) -> Mapping[str, Session]:
        """The open sessions by name."""
        return MappingProxyType(self._sessions)

    def metrics(self) -> Metrics:
        """Sizes of batches, waiting times and latencies; see `Metrics`."""
        return self._meter.metrics(len(self._sessions), self._batches.waiting)

    def open(self, name: str) -> Session:
        """Opens a session, whose state is zeros or the model's learned initial state.

        Args:
            name: A name of the caller's choice, by which `sessions` finds it, also after a restart.

        Raises:
            RuntimeError: If the pool is full, or the batcher closed.
            ValueError: If a session of this name is open.
        """
        self._require_open()
        if text(name, "name") in self._sessions:
            raise ValueError(f"name: expected one that is not in use, got {name!r}")
        session = Session(self, name, self._pool.open(), 0, perf_counter())
        self._sessions[name] = session
        self._watch_idle()
        return session

    async def drain(self) -> None:
        """Returns when no request waits or is being computed."""
        while self._batches.waiting or self._batches.is_computing:
            await self._batches.next_end()

    async def close(self) -> None:
        """Ends all sessions, and requests that no batch has taken with `SessionClosed`."""
        self._closed = True
        for session in list(self._sessions.values()):
            self.close_session(session, "with its batcher")
        while self._batches.is_computing:
            await self._batches.next_end()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._batches.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def snapshot(self) -> dict[str, NDArray[Any]]:
        """All sessions, with names, states and counts of steps, between two batches.

        Returns:
            Arrays that `numpy.savez` can write, for `restore`. Requests that wait are not part of
            it.
        """
        while self._batches.is_computing:
            await self._batches.next_end()
        return keep.snapshot(self._pool, self._sessions)

    def restore(self, snapshot: Mapping[str, ArrayLike]) -> None:
        """Opens the sessions of a snapshot. Their clients find them in `sessions` by name.

        Args:
            snapshot: From `snapshot`, of a batcher of the same model with the same weights.

        Raises:
            ValueError, TypeError: For anything else. Nothing is changed.
            RuntimeError: If sessions are open, or the batcher is closed.
        """
        self._require_open()
        if self._sessions:
            raise RuntimeError(f"restore: expected no open sessions, got {len(self._sessions)}")
        now = perf_counter()
        for name, id, steps in keep.restore(self._pool, snapshot):
            self._sessions[name] = Session(self, name, id, steps, now)
        self._watch_idle()

    async def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a snapshot to a file, whole or not at all."""
        await asyncio.to_thread(keep.save, await self.snapshot(), path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """`restore` from a file that `save` wrote."""
        self.restore(keep.load(path))

    # What sessions call.

    async def submit(self, session: Session, x: NDArray[Any]) -> NDArray[Any]:
        """The outputs (T, O) of some steps x (T, I)."""
        await self._room.acquire()
        if session.closed_by is not None:
            self._room.release()
            raise _closed(session)
        now = perf_counter()
        session.last_use = now
        self._sessions.move_to_end(session.name)
        request = Request(x, now, asyncio.get_running_loop().create_future())
        self._batches.add(session, request)
        return await request.result

    def close_session(self, session: Session, reason: str) -> None:
        """Ends a session."""
        if session.closed_by is not None:
            return
        session.closed_by = reason
        del self._sessions[session.name]
        self._batches.leave(session, _closed(session))

    def _watch_idle(self) -> None:
        """Sets the time at which the session may be idle whose last use is longest ago."""
        if self._idle_timeout is None or self._idle_timer is not None or not self._sessions:
            return
        oldest = next(iter(self._sessions.values()))
        wait = oldest.last_use + self._idle_timeout - perf_counter()
        self._idle_timer = asyncio.get_running_loop().call_later(max(0, wait), self._end_idle)

    def _end_idle(self) -> None:
        assert self._idle_timeout is not None
        self._idle_timer = None
        before = perf_counter() - self._idle_timeout
        for session in list(self._sessions.values()):
            if session.last_use > before:
                break
            if session.requests:  # it waits for its results
                session.last_use = perf_counter()
                self._sessions.move_to_end(session.name)
            else:
                self.close_session(session, f"after {self._idle_timeout:g} s without a request")
        self._watch_idle()

    def _require_open(self) -> None:
        if self._closed:
            raise RuntimeError("the batcher is closed")


def _closed(session: Session) -> SessionClosed:
    return SessionClosed(f"session {session.name!r} was closed {session.closed_by}")

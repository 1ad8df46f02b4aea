"""Which requests are computed together, and when."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole.models.sessions import Sessions
from peephole.serving.metrics import Meter
from peephole.serving.session import Request, Session

# A batch that is expected to take longer is computed by a thread of its own, so that the event loop
# goes on. For a shorter one, the two would mostly wait for each other and for the GIL.
_SECONDS_ON_THE_LOOP = 1e-3

# The steps of a session that a batch takes at most.
_STEPS_AT_A_TIME = 64


@dataclass
class _Batch:
    sessions: list[Session]
    requests: list[Request]
    pieces: list[NDArray[Any]]  # of their x, (T, I)
    start: float

    @property
    def steps(self) -> int:
        return sum(map(len, self.pieces))


@dataclass
class _Computed:
    y: list[NDArray[Any]]  # (T, O) of each piece
    seconds: float


class Batches:
    """Takes the first requests of sessions that wait, and computes them together.

    A session is ready if it has a request and is not in the batch that is being computed. So its
    requests are computed one after the other.

    Args:
        pool: The pool of the sessions.
        max_batch: The most sessions in a batch.
        max_delay: The longest time, in seconds, that a request waits for others.
        meter: Is told of what happens.
        leaves: Called with each request that no longer waits.
    """

    def __init__(
        self,
        pool: Sessions,
        max_batch: int,
        max_delay: float,
        meter: Meter,
        leaves: Callable[[], None],
    ) -> None:
        self._pool = pool
        self._max_batch = max_batch
        self._max_delay = max_delay
        self._meter = meter
        self._leaves = leaves
        self._ready: deque[Session] = deque()
        self._batch: _Batch | None = None  # being computed
        self._timer: asyncio.Handle | None = None  # of the next batch
        self._is_soon = False  # the timer's batch is due
        self._at_end: list[Callable[[], None]] = []  # called between batches
        self._thread: ThreadPoolExecutor | None = None
        self._seconds_of_a_step = 0.0  # of late
        self.waiting = 0

    @property
    def is_computing(self) -> bool:
        """Whether a batch is being computed."""
        return self._batch is not None

    def computes(self, session: Session) -> bool:
        """Whether a session is in the batch that is being computed."""
        return self._batch is not None and session in self._batch.sessions

    def add(self, session: Session, request: Request) -> None:
        """A request waits from now on."""
        session.requests.append(request)
        self.waiting += 1
        if len(session.requests) == 1 and not self.computes(session):
            self._ready.append(session)
        self._schedule()

    def leave(self, session: Session, error: Exception) -> None:
        """A session ends, and its requests with an error, when its batch has been computed."""
        if self.computes(session):
            self.at_end(lambda: self.leave(session, error))
            return
        while session.requests:
            request = session.requests.popleft()
            if not request.begun:
                self._stops_waiting(request)
            if not request.result.done():
                request.result.set_exception(error)
        if session in self._ready:
            self._ready.remove(session)
        self._pool.close(session.id)
        self._schedule()  # the others may be all that are open

    async def next_end(self) -> None:
        """Returns when the batch that is being computed, or else the next one, has ended.

        No batch is being computed then.
        """
        end = asyncio.get_running_loop().create_future()
        self.at_end(lambda: None if end.done() else end.set_result(None))
        await end

    def at_end(self, function: Callable[[], None]) -> None:
        """Calls `function` at the end of a batch, before the next one begins."""
        self._at_end.append(function)

    def stop(self) -> None:
        """Frees what it holds. No request may wait."""
        if self._timer is not None:
            self._timer.cancel()
        if self._thread is not None:
            self._thread.shutdown()

    def _stops_waiting(self, request: Request) -> None:
        request.begun = True
        self.waiting -= 1
        self._leaves()

    def _schedule(self) -> None:
        """Sets the time of the next batch."""
        if self._batch is not None or self._is_soon or not self._ready:
            return
        loop = asyncio.get_running_loop()
        wait = 0.0
        if len(self._ready) < min(self._max_batch, len(self._pool)):
            oldest = self._ready[0].requests[0].arrival
            wait = oldest + self._max_delay - perf_counter()
        if wait > 0:
            if self._timer is None:
                self._timer = loop.call_later(wait, self._begin)
            return
        if self._timer is not None:
            self._timer.cancel()
        self._is_soon = True
        self._timer = loop.call_soon(self._begin)  # what has arrived by then comes along

    def _begin(self) -> None:
        self._timer, self._is_soon = None, False
        batch = self._take()
        if not batch.requests:
            return self._go_on()
        self._batch = batch
        if self._seconds_of_a_step * batch.steps <= _SECONDS_ON_THE_LOOP:
            return self._end(batch, self._compute(batch))
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "peephole.serving")
        loop = asyncio.get_running_loop()

        def ended(computed: Future[_Computed | Exception]) -> None:
            loop.call_soon_threadsafe(self._end, batch, computed.result())

        self._thread.submit(self._compute, batch).add_done_callback(ended)

    def _take(self) -> _Batch:
        """The next batch, of the sessions that have waited longest."""
        batch = _Batch([], [], [], perf_counter())
        while self._ready and len(batch.sessions) < self._max_batch:
            session = self._ready.popleft()
            while session.requests:
                request = session.requests[0]
                if not request.begun:
                    self._stops_waiting(request)
                    self._meter.queueing.append(batch.start - request.arrival)
                if not request.result.cancelled():
                    batch.sessions.append(session)
                    batch.requests.append(request)
                    batch.pieces.append(request.x[request.done : request.done + _STEPS_AT_A_TIME])
                    break
                session.requests.popleft()
        return batch

    def _compute(self, batch: _Batch) -> _Computed | Exception:
        """The outputs of a batch. Also by the thread."""
        try:
            ids = [session.id for session in batch.sessions]
            longest = max(map(len, batch.pieces))
            if all(len(piece) == longest for piece in batch.pieces):
                x = np.stack(batch.pieces)
                if longest == 1:
                    y = self._pool.step(ids, x[:, 0])[:, None]
                else:
                    y = self._pool.process(ids, x)
            else:
                x = np.zeros((len(ids), longest, self._pool.input_size), self._pool.dtype)
                for row, piece in zip(x, batch.pieces, strict=True):
                    row[: len(piece)] = piece
                y = self._pool.process(ids, x, [len(piece) for piece in batch.pieces])
            # Copies, since a view would keep the results of all.
            rows = zip(y, batch.pieces, strict=True)
            return _Computed(
                [row[: len(x)].copy() for row, x in rows], perf_counter() - batch.start
            )
        except Exception as error:
            return error

    def _end(self, batch: _Batch, computed: _Computed | Exception) -> None:
        self._batch = None
        now = perf_counter()
        if isinstance(computed, Exception):
            for session, request in zip(batch.sessions, batch.requests, strict=True):
                session.requests.popleft()
                if not request.result.done():
                    request.result.set_exception(computed)
        else:
            self._count(batch, computed)
            each = zip(batch.sessions, batch.requests, computed.y, strict=True)
            for session, request, y in each:
                self._answer(session, request, y, now)
        self._ready.extend(session for session in batch.sessions if session.requests)
        self._go_on()

    def _count(self, batch: _Batch, computed: _Computed) -> None:
        seconds = computed.seconds / max(1, batch.steps)
        self._seconds_of_a_step += (seconds - self._seconds_of_a_step) / 8
        self._meter.batches += 1
        self._meter.steps += batch.steps
        self._meter.sizes.append(len(batch.sessions))
        self._meter.computing.append(computed.seconds)

    def _answer(self, session: Session, request: Request, y: NDArray[Any], now: float) -> None:
        request.parts.append(y)
        request.done += len(y)
        session.steps_done += len(y)
        cancelled = request.result.cancelled()
        if request.done < len(request.x) and not cancelled:
            return
        session.requests.popleft()
        if cancelled:
            return
        self._meter.requests += 1
        self._meter.latency.append(now - request.arrival)
        whole = request.parts[0] if len(request.parts) == 1 else np.concatenate(request.parts)
        request.result.set_result(whole)

    def _go_on(self) -> None:
        ends, self._at_end = self._at_end, []
        for end in ends:
            end()
        self._schedule()

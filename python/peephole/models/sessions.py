"""Many sessions on one model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole import _core as core
from peephole._checks import array, at_least_one, given, without_mask
from peephole._types import State, StateArrays
from peephole.models.base import Model
from peephole.models.stateful import Stateful, checked_model, is_single_state

_CLASSES = {"float32": core.SessionsFloat32, "float64": core.SessionsFloat64}

_ndarray = np.ndarray  # looked up once: a step takes microseconds

# The parts of a snapshot, in their order, and the bytes of the header and of a slot.
_PARTS = ("header", "slots", "states")
_HEADER, _SLOT = 48, 16


class Sessions(Stateful):
    """A pool of sessions on one model, each with a state of its own.

    A call advances any of the sessions together, as fast as a batch of as many sequences. The
    results of each session have the same bits as those of a `Stream` of its own, for any set of
    sessions in a call. `Network.sessions` and `LSTM.sessions` return a pool.

    The pool uses the weights that the model had when the pool was made, and shares them with
    streams and other pools of the same, unchanged model. Pools can be copied and pickled.

    A session whose input has a NaN keeps it in its state until it is reset; the other sessions are
    not affected.

    Threads may use one pool: their calls run one after the other. Those of different pools run at
    the same time. The GIL is released.

    Args:
        model: An `LSTM`, or a `Network` whose readout is "all" or "last"; not bidirectional.
        capacity: The most sessions that are open at a time, at most 2**24.

    Raises:
        ValueError, TypeError: For a wrong argument; the message names it.

    Example:
        >>> pool = peephole.Network(1, 20, 1, seed=0).sessions(1000)
        >>> alice, bob = pool.open(), pool.open()
        >>> y = pool.step([alice, bob], [[0.1], [0.2]])
        >>> y.shape
        (2, 1)
    """

    __slots__ = ()

    _core: core.Sessions

    def __init__(self, model: Model, capacity: int) -> None:
        made_of = checked_model(model)
        size = at_least_one(capacity, "capacity")
        if size > core.MOST_SESSIONS:
            raise ValueError(f"capacity: expected at most {core.MOST_SESSIONS}, got {size}")
        self._core = _CLASSES[made_of.dtype.name](made_of._core, size)
        self._model_class = type(made_of)

    @property
    def capacity(self) -> int:
        """The most sessions that are open at a time."""
        return self._core.capacity

    def open(self) -> int:
        """Opens a session, whose state is zeros or the model's learned initial state.

        Returns:
            Its id, an int of 0 or more. Another session never gets the same one.

        Raises:
            RuntimeError: If `capacity` sessions are open.
        """
        return self._core.open()

    def close(self, id: SupportsIndex) -> None:
        """Ends a session.

        Raises:
            ValueError: If it is not open.
        """
        self._core.close(id)

    def reset(self, id: SupportsIndex) -> None:
        """Sets the state of a session to what it was when it was opened.

        Raises:
            ValueError: If it is not open.
        """
        self._core.set_state(id, None, False)

    def step(
        self, ids: ArrayLike, x: ArrayLike, *, out: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """One time step of n sessions.

        Args:
            ids: (n,) ids of different sessions, in any order.
            x: (n, I).
            out: An array to write y to, of its shape and dtype. It may be x.

        Returns:
            y: (n, O). A network's head reads every step, even if its readout is "last".

        Raises:
            ValueError, TypeError: For a wrong argument, before any state is changed. The message
                names an id that is not open, or comes again, and its position.
        """
        if type(ids) is not _ndarray:
            without_mask(ids, "ids")
        if type(x) is not _ndarray:
            without_mask(x, "x")
        return self._core.step(ids, x, out)

    def process(
        self,
        ids: ArrayLike,
        x: ArrayLike,
        lengths: ArrayLike | None = None,
        *,
        out: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        """A block of steps of n sessions.

        Args:
            ids: (n,) ids of different sessions, in any order.
            x: (n, T, I).
            lengths: (n,) integers in 0..T: the number of steps of each session; None: T each. What
                x has beyond them is not read.
            out: An array to write y to, of its shape and dtype, that does not overlap x.

        Returns:
            y: (n, T, O); 0 beyond a session's length.

        Raises:
            ValueError, TypeError: As `step`.
            KeyboardInterrupt: At Ctrl-C, within about 0.1 s. All states are as before the call.
        """
        without_mask(ids, "ids")
        without_mask(x, "x")
        return self._core.process(ids, x, given(lengths, "lengths"), out)

    def state(self, id: SupportsIndex) -> StateArrays:
        """One pair (h, c), each (H_k,), h with a projection (P,), per layer: copies.

        Raises:
            ValueError: If the session is not open.
        """
        return self._core.get_state(id)

    def set_state(self, id: SupportsIndex, state: State | None) -> None:
        """Sets the state of a session.

        Args:
            id: An open session.
            state: One pair (h, c) per layer as `state` returns them, also with a batch axis of 1,
                as those of a `Stream`. None: that after `reset`.

        Raises:
            ValueError, TypeError: For a wrong argument, before the state is changed.
        """
        without_mask(state, "state")
        self._core.set_state(id, state, not is_single_state(state))

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """All sessions, ids and states, for `restore`: arrays that `numpy.savez` can write."""
        data = self._core.snapshot()
        header, rest = data[:_HEADER].view(np.uint64), data[_HEADER:]
        slots = _SLOT * int(header[2])
        return {
            "header": header,
            "slots": rest[:slots].view(np.int64).reshape(-1, 2),
            "states": rest[slots:].view(self.dtype).reshape(int(header[3]), int(header[4])),
        }

    def restore(self, snapshot: Mapping[str, ArrayLike]) -> None:
        """Replaces all sessions by those of a snapshot.

        It may come from this pool, or from another one of the same model with the same weights and
        no more capacity, also in another process. Sessions keep their ids. An id that was closed
        stays closed.

        Args:
            snapshot: What `snapshot` returned, or a file of `numpy.savez` with it.

        Raises:
            ValueError, TypeError: For anything else, also a damaged snapshot. Nothing is changed.
        """
        parts = []
        for name in _PARTS:
            try:
                part = snapshot[name]
            except (TypeError, IndexError):
                kind = type(snapshot).__name__
                raise TypeError(f"snapshot: expected a mapping, got {kind}") from None
            except KeyError:
                raise ValueError(f"snapshot: expected {', '.join(_PARTS)}, got no {name}") from None
            values = np.ascontiguousarray(array(part, f"snapshot[{name!r}]"))
            if values.dtype.kind not in "iuf":
                raise TypeError(f"snapshot[{name!r}]: expected numbers, got dtype {values.dtype}")
            parts.append(values.reshape(-1).view(np.uint8))
        self._core.restore(np.concatenate(parts))

    def __len__(self) -> int:
        return len(self._core)

    def __contains__(self, id: object) -> bool:
        try:
            return self._core.contains(id)
        except TypeError:
            return False

    def __iter__(self) -> Iterator[int]:
        """The ids of the open sessions, in no particular order."""
        return iter(self._core.ids().tolist())

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (*self._model_parts(), self.capacity, self.snapshot())

    def __repr__(self) -> str:
        sizes = f"input_size={self.input_size}, output_size={self.output_size}"
        return f"<Sessions {len(self)} of {self.capacity} open, {sizes}, {self.dtype.name}>"


def _restore(
    model_class: type[Model],
    options: dict[str, Any],
    weights: dict[str, NDArray[Any]],
    capacity: int,
    snapshot: dict[str, NDArray[Any]],
) -> Sessions:
    """The pool of a model that had these options and weights, with these sessions."""
    sessions = Sessions(model_class._restored(options, {}, weights), capacity)
    sessions.restore(snapshot)
    return sessions

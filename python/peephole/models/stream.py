"""A model with its state, one step at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole import _core as core
from peephole._checks import at_least_one, without_mask
from peephole._types import State, StateArrays
from peephole.models.base import Model
from peephole.models.stateful import Stateful, checked_model, is_single_state

_MAX_BATCH = 2**31 - 1  # far beyond any memory, and products of it with other sizes fit in 64 bits

_CLASSES = {"float32": core.StreamFloat32, "float64": core.StreamFloat64}

_ndarray = np.ndarray  # looked up once: a step takes a microsecond


class Stream(Stateful):
    """A model with its state, for data that arrives step by step.

    Steps give the same bits as the model gives for the whole sequence without a given state, in
    blocks of any size. `Network.stream` and `LSTM.stream` return a Stream.

    The stream uses the weights that the model had when the stream was made; later changes have no
    effect on it. Streams of the same, unchanged model share its weights. Streams can be copied and
    pickled. Use one stream per thread.

    A NaN in x becomes part of the state: all later outputs of that sequence may be NaN, until
    `reset` or until `state` is set.

    Args:
        model: An `LSTM`, or a `Network` whose readout is "all" or "last"; not bidirectional.
        batch: B, the number of sequences that advance together.

    Raises:
        ValueError, TypeError: For a wrong argument; the message names it.

    Example:
        >>> stream = peephole.Network(1, 20, 1, seed=0).stream()
        >>> for sample in np.zeros((5, 1), np.float32):
        ...     y = stream.step(sample)
        >>> y.shape
        (1,)
    """

    __slots__ = ()

    _core: core.Stream

    def __init__(self, model: Model, batch: int = 1) -> None:
        made_of = checked_model(model)
        self._core = _CLASSES[made_of.dtype.name](made_of._core, _size(batch))
        self._model_class = type(made_of)

    @property
    def batch(self) -> int:
        """B, the number of sequences that advance together."""
        return self._core.batch

    def step(self, x: ArrayLike, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """One time step.

        Args:
            x: (B, I), or (I,) if B = 1.
            out: An array to write y to, of its shape and dtype. It may be x.

        Returns:
            y: (B, O), or (O,) for x (I,). A network's head reads every step, even if its readout is
                "last": after the last step y is what `Network.predict` gives.

        Raises:
            ValueError, TypeError: For a wrong argument, before the state is changed.
        """
        if type(x) is not _ndarray:
            without_mask(x, "x")
        return self._core.step(x, out)

    def process(self, x: ArrayLike, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """A block of n steps: y (B, n, O) for x (B, n, I), or (n, O) for (n, I) if B = 1.

        The arguments are those of `step`, except that `out` must not overlap x.
        """
        without_mask(x, "x")
        return self._core.process(x, out)

    def reset(self) -> None:
        """Sets the state to what it was initially: zeros, or the model's learned initial state."""
        self._core.set_state(None, True)

    @property
    def state(self) -> StateArrays:
        """One pair (h, c), each (B, H_k), h with a projection (B, P), per layer: copies.

        It can be set to such pairs, also (H_k,) each if B = 1, or to None for that after `reset`.
        """
        return self._core.get_state()

    @state.setter
    def state(self, state: State | None) -> None:
        without_mask(state, "state")
        self._core.set_state(state, self.batch > 1 or not is_single_state(state))

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (*self._model_parts(), self.batch, self.state)

    def __repr__(self) -> str:
        sizes = f"batch={self.batch}, input_size={self.input_size}, output_size={self.output_size}"
        return f"<Stream {sizes}, {self.dtype.name}>"


def _size(batch: int) -> int:
    size = at_least_one(batch, "batch")
    if size > _MAX_BATCH:
        raise ValueError(f"batch: expected at most {_MAX_BATCH}, got {size}")
    return size


def _restore(
    model_class: type[Model],
    options: dict[str, Any],
    weights: dict[str, NDArray[Any]],
    batch: int,
    state: StateArrays,
) -> Stream:
    """The stream of a model that had these options and weights, in this state."""
    stream = Stream(model_class._restored(options, {}, weights), batch)
    stream.state = state
    return stream

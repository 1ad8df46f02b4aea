"""A model with its state, a step at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole import _core as core
from peephole.lstm import LSTM, State, StateArrays
from peephole.network import Network
from peephole.options import at_least_one

_CLASSES = {"float32": core.StreamFloat32, "float64": core.StreamFloat64}


class Stream:
    """A model with its state, for steps as they come.

    A run of steps gives the bits that the model gives for the whole sequence from zeros, in blocks
    of any size. `Network.stream` and `LSTM.stream` make one.

    The weights are those of the model when the stream is made; later changes do not reach it.
    Streams that are made while another one of the same, unchanged model lives share its weights.
    Streams can be copied, also by `copy`, and pickled. Each thread needs a stream of its own.

    Args:
        model: An `LSTM`, or a `Network` whose readout is "all" or "last"; not bidirectional.
        batch: B, the sequences that advance together.

    Raises:
        ValueError, TypeError: For a wrong argument; the message names it.

    Example:
        >>> stream = peephole.Network(1, 20, 1, seed=0).stream()
        >>> for sample in np.zeros((5, 1), np.float32):
        ...     y = stream.step(sample)
        >>> y.shape
        (1,)
    """

    __slots__ = ("_core",)

    _core: core.Stream

    def __init__(self, model: LSTM | Network, batch: int = 1) -> None:
        if not isinstance(model, (LSTM, Network)):
            raise TypeError(f"model: expected an LSTM or a Network, got {type(model).__name__}")
        self._core = _CLASSES[model.dtype.name](model._core, at_least_one(batch, "batch"))

    @property
    def batch(self) -> int:
        """B, the sequences that advance together."""
        return self._core.batch

    @property
    def input_size(self) -> int:
        """I, the features of a step of x."""
        return self._core.input_size

    @property
    def output_size(self) -> int:
        """O, the values of y: the head's, or without a head the units of the last layer."""
        return self._core.output_size

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._core.dtype

    def step(self, x: ArrayLike, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """One step of time.

        Args:
            x: (B, I), or (I,) where B = 1.
            out: An array to write y to, of its shape and dtype. It may be x.

        Returns:
            y: (B, O), or (O,) for x (I,). A network's head reads every step, also where its readout
                is "last": after the last step y is what `Network.predict` gives.

        Raises:
            ValueError, TypeError: For a wrong argument, before the state is changed.
        """
        return self._core.step(x, out)

    def process(self, x: ArrayLike, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """A block of n steps: y (B, n, O) of x (B, n, I), or (n, O) of (n, I) where B = 1.

        The arguments are those of `step`, but that `out` may not overlap x.
        """
        return self._core.process(x, out)

    def reset(self) -> None:
        """Sets the state to zeros, where it was at first."""
        self._core.set_state(None, True)

    @property
    def state(self) -> StateArrays:
        """A pair (h, c), each (B, H_k), per layer: copies.

        To be assigned, such pairs, each also (H_k,) where B = 1; None stands for zeros.
        """
        return self._core.get_state()

    @state.setter
    def state(self, state: State | None) -> None:
        self._core.set_state(state, self.batch > 1 or not _is_single(state))

    def copy(self) -> Stream:
        """A branch: one with the same weights, which both share, in the same state.

        What one does from then on does not reach the other.
        """
        copy = Stream.__new__(Stream)
        copy._core = self._core.copy()
        return copy

    def __copy__(self) -> Stream:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Stream:
        return self.copy()  # nobody writes to the weights

    def __reduce__(self) -> tuple[Any, ...]:
        options = dict(self._core.options, dtype=self.dtype.name)
        options["hidden_size"] = options.pop("hidden_sizes")
        return _restore, (options, self._core.weights(), self.batch, self.state)

    def __repr__(self) -> str:
        sizes = f"batch={self.batch}, input_size={self.input_size}, output_size={self.output_size}"
        return f"<Stream {sizes}, {self.dtype.name}>"


def _restore(
    options: dict[str, Any], weights: dict[str, NDArray[Any]], batch: int, state: StateArrays
) -> Stream:
    """The stream of a model that had these options and weights, in this state."""
    model: LSTM | Network
    model = Network(**options, seed=0) if "output_size" in options else LSTM(**options, seed=0)
    for name, value in weights.items():
        model.parameters[name] = value
    stream = Stream(model, batch)
    stream.state = state
    return stream


def _is_single(state: Any) -> bool:
    """Whether the first h has no batch axis."""
    try:
        return np.ndim(state[0][0]) == 1
    except (TypeError, IndexError, KeyError, ValueError):
        return False  # not a state: that is for the core to say

"""What `Stream` and `Sessions` share: a model's weights beside states that move on by steps."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from peephole import _core as core
from peephole.models.base import Model

if TYPE_CHECKING:
    from typing_extensions import Self


class Stateful(ABC):
    """A model computed step by step; not for use by itself."""

    __slots__ = ("_core", "_model_class")

    _core: core.Stream | core.Sessions
    _model_class: type[Model]  # for pickles

    @property
    def input_size(self) -> int:
        """I, the features of a step of x."""
        return self._core.input_size

    @property
    def output_size(self) -> int:
        """O, the values of y: those of the head, or without a head of the last layer's h."""
        return self._core.output_size

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._core.dtype

    def copy(self) -> Self:
        """One in the same state that shares the weights.

        From then on, the two are independent.
        """
        copy = type(self).__new__(type(self))
        copy._core = self._core.copy()
        copy._model_class = self._model_class
        return copy

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.copy()  # the weights are never written to

    def _model_parts(self) -> tuple[type[Model], dict[str, Any], dict[str, NDArray[Any]]]:
        """Class, options and weights of the model that it was made of, for pickles."""
        options = dict(self._core.options, dtype=self.dtype.name)
        options["hidden_size"] = options.pop("hidden_sizes")
        return self._model_class, options, self._core.weights()


def checked_model(model: Any) -> Model:
    """`model`, which must be an LSTM or a Network."""
    if not isinstance(model, Model):
        raise TypeError(f"model: expected an LSTM or a Network, got {type(model).__name__}")
    return model


def is_single_state(state: Any) -> bool:
    """Whether the first h has no batch axis."""
    try:
        return np.ndim(state[0][0]) == 1
    except (TypeError, IndexError, KeyError, ValueError):
        return False  # not a state; the core raises the error

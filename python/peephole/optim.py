"""Optimisers for training loops written by hand; they work in the core, on the model's memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from peephole import _core as core
from peephole.lstm import Gradients
from peephole.parameters import Parameters

__all__ = ["Adam", "clip_norm"]

_ADAM = {"float32": core.AdamFloat32, "float64": core.AdamFloat64}


class Adam:
    """Adam (D. P. Kingma, J. Ba, ICLR 2015, arXiv:1412.6980).

    For each value θ with the gradient d, at step n::

        m = β1 m + (1 - β1) d            v = β2 v + (1 - β2) d²
        θ -= learning_rate · m / (1 - β1ⁿ) / (sqrt(v / (1 - β2ⁿ)) + epsilon)

    Args:
        parameters: Of the model to train, `model.parameters`.
        learning_rate: 0 or more; can be set between steps.
        betas: (β1, β2), each in [0, 1).
        epsilon: Above 0.

    Example:
        >>> optimiser = peephole.optim.Adam(net.parameters, learning_rate=3e-3)
        >>> y, state, tape = net.forward(x)
        >>> gradients = net.backward(tape, dy)
        >>> peephole.optim.clip_norm(gradients, 1.0)
        >>> optimiser.step(gradients)
    """

    __slots__ = ("_core",)

    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        if not isinstance(parameters, Parameters):
            raise TypeError(
                f"parameters: expected a model's parameters, got {type(parameters).__name__}"
            )
        beta1, beta2 = betas
        adam = _ADAM[parameters._core.dtype.name]
        self._core = adam(parameters._core, learning_rate, beta1, beta2, epsilon)

    @property
    def learning_rate(self) -> float:
        """How far a step goes."""
        return self._core.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._core.learning_rate = value

    @property
    def steps(self) -> int:
        """How many steps have been made."""
        return self._core.steps

    def step(self, gradients: Gradients | Mapping[str, NDArray[Any]]) -> None:
        """Updates the parameters in place.

        `gradients` is what `backward` returned, or a mapping with one array of its shape for every
        parameter. Raises ValueError or TypeError for another, before anything is changed.
        """
        self._core.step(_by_name(gradients))


def clip_norm(gradients: Gradients | Mapping[str, NDArray[Any]], max_norm: float) -> float:
    """Scales the parameters' gradients in place to a joint Euclidean norm of at most `max_norm`.

    All by the same factor (R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013, arXiv:1211.5063). Returns
    the norm that they had; where it is not finite they stay as they are.
    """
    return core.clip_norm(_by_name(gradients), max_norm)


def _by_name(
    gradients: Gradients | Mapping[str, NDArray[Any]],
) -> Mapping[str, NDArray[Any]]:
    return gradients.parameters if isinstance(gradients, Gradients) else gradients

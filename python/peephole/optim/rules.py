"""The optimisers, by their update rules; the core computes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from peephole._checks import real
from peephole._keywords import explains_keywords
from peephole.optim.base import Optimiser
from peephole.parameters import Parameters


class Adam(Optimiser):
    """Adam (D. P. Kingma, J. Ba, ICLR 2015, arXiv:1412.6980).

    For each value θ with gradient d, at step n::

        d += weight_decay · θ
        m = β1 m + (1 - β1) d            v = β2 v + (1 - β2) d²
        θ -= learning_rate · m / (1 - β1ⁿ) / (sqrt(v / (1 - β2ⁿ)) + epsilon)

    Args:
        parameters: `model.parameters` of the model to train.
        learning_rate: 0 or more; can be set between steps.
        betas: (β1, β2), each in [0, 1).
        epsilon: Above 0.
        weight_decay: 0 or more; for weights, not for biases.

    Example:
        >>> optimiser = peephole.optim.Adam(net.parameters, learning_rate=3e-3)
        >>> y, state, tape = net.forward(x)
        >>> gradients = net.backward(tape, dy)
        >>> peephole.optim.clip_norm(gradients, 1.0)
        >>> optimiser.step(gradients)
    """

    __slots__ = ()

    _rule_name = "Adam"

    @explains_keywords
    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            parameters,
            learning_rate,
            **_two(betas),
            epsilon=epsilon,
            weight_decay=weight_decay,
        )


class AdamW(Adam):
    """Adam with decoupled weight decay (I. Loshchilov, F. Hutter, ICLR 2019, arXiv:1711.05101).

    As `Adam`, but weight decay does not add to the gradient: each step multiplies the weights by
    1 - learning_rate · weight_decay.
    """

    __slots__ = ()

    _rule_name = "AdamW"

    @explains_keywords
    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(parameters, learning_rate, betas, epsilon, weight_decay)


class SGD(Optimiser):
    """Stochastic gradient descent, with momentum (I. Sutskever et al., ICML 2013).

    For each value θ with gradient d::

        d += weight_decay · θ            b = momentum · b + d
        θ -= learning_rate · b           nesterov: θ -= learning_rate · (d + momentum · b)

    Args:
        parameters, learning_rate, weight_decay: As in `Adam`.
        momentum: In [0, 1).
        nesterov: Whether to use Nesterov momentum; needs momentum above 0.
    """

    __slots__ = ()

    _rule_name = "SGD"

    @explains_keywords
    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float = 1e-2,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            parameters,
            learning_rate,
            momentum=momentum,
            nesterov=nesterov,
            weight_decay=weight_decay,
        )


class RMSprop(Optimiser):
    """RMSprop (T. Tieleman, G. Hinton, 2012), centred as in A. Graves, 2013, arXiv:1308.0850.

    For each value θ with gradient d::

        d += weight_decay · θ
        v = ρ v + (1 - ρ) d²             centred: a = ρ a + (1 - ρ) d, otherwise a = 0
        b = momentum · b + d / (sqrt(v - a²) + epsilon)
        θ -= learning_rate · b

    Args:
        parameters, learning_rate, weight_decay: As in `Adam`.
        rho: ρ, in [0, 1).
        epsilon: Above 0.
        momentum: In [0, 1).
        centred: Whether to subtract the squared mean gradient, as above.
    """

    __slots__ = ()

    _rule_name = "RMSprop"

    @explains_keywords
    def __init__(
        self,
        parameters: Parameters,
        learning_rate: float = 1e-2,
        rho: float = 0.99,
        epsilon: float = 1e-8,
        momentum: float = 0.0,
        centred: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            parameters,
            learning_rate,
            rho=rho,
            epsilon=epsilon,
            momentum=momentum,
            centred=centred,
            weight_decay=weight_decay,
        )


def _two(betas: Any) -> dict[str, float]:
    """beta1 and beta2. The core checks their values."""
    if isinstance(betas, (str, bytes)) or not isinstance(betas, (Sequence, np.ndarray)):
        raise TypeError(f"betas: expected two numbers, got {betas!r}")
    if len(betas) != 2:
        raise ValueError(f"betas: expected two numbers, got {len(betas)}")
    return {f"beta{k}": real(value, f"beta{k}") for k, value in enumerate(betas, start=1)}

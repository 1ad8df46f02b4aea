"""Optimisers, for `Network.fit` and for custom training loops."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from peephole import _core as core
from peephole._checks import integer, real
from peephole._keywords import explains_keywords
from peephole._types import Gradients
from peephole.parameters import Parameters

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["SGD", "Adam", "AdamW", "Optimiser", "RMSprop", "clip_norm", "clip_value"]

_FLAGS = ("nesterov", "centred")
_CLASSES = {"float32": core.OptimiserFloat32, "float64": core.OptimiserFloat64}


class Optimiser:
    """Base class of the optimisers; not for use by itself.

    Optimisers update the model's own memory. Weight decay acts on weights, peepholes and
    `head.weight`, never on biases. Masked weights always stay 0. An optimiser over some of the
    parameters leaves the others unchanged: `Adam(net.parameters.select("head.*"))`.
    """

    __slots__ = ("_core", "_frozen", "_parameters", "_rule")

    def __init__(self, parameters: Parameters, learning_rate: float, **rule: Any) -> None:
        if not isinstance(parameters, Parameters):
            raise TypeError(
                f"parameters: expected a model's parameters, got {type(parameters).__name__}"
            )
        learning_rate = real(learning_rate, "learning_rate")
        for name, value in rule.items():
            rule[name] = value if name in _FLAGS else real(value, name)
        cls = _CLASSES[parameters._core.dtype.name]
        self._core = cls(parameters._core, self._rule_name(), learning_rate, **rule)
        self._parameters, self._rule = parameters, rule
        self._frozen = [name for name in parameters._core.names if name not in parameters]

    @classmethod
    def _rule_name(cls) -> str:
        """The rule's name in the core, also of a subclass."""
        return next(c.__name__ for c in cls.__mro__ if c.__module__ == __name__)

    @property
    def parameters(self) -> Parameters:
        """The parameters that `step` updates."""
        return self._parameters

    @property
    def rule(self) -> dict[str, Any]:
        """The options besides the learning rate, named as in the equations."""
        return dict(self._rule)

    def __copy__(self) -> Self:
        """An optimiser of the same parameters, with a state of its own that starts as this one."""
        copy = type(self).__new__(type(self))
        Optimiser.__init__(copy, self._parameters, self.learning_rate, **self._rule)
        copy.set_state(self.state())
        return copy

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__}: cannot pickle or copy it deeply, since it updates the "
            "parameters of its model; keep state() and give it to set_state() of a new one"
        )

    def __repr__(self) -> str:
        options = self.rule
        if "beta1" in options:
            options = {"betas": (options.pop("beta1"), options.pop("beta2")), **options}
        defaults = inspect.signature(type(self)).parameters
        texts = ["parameters", f"learning_rate={self.learning_rate!r}"]
        texts += [f"{k}={v!r}" for k, v in options.items() if v != defaults[k].default]
        return f"{type(self).__name__}({', '.join(texts)})  # {self.steps:,} steps"

    @property
    def learning_rate(self) -> float:
        """The learning rate; can be set between steps, to 0 or more."""
        return self._core.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._core.learning_rate = real(value, "learning_rate")

    @property
    def steps(self) -> int:
        """The number of steps made."""
        return self._core.steps

    def step(self, gradients: Gradients | Mapping[str, NDArray[Any]]) -> None:
        """Updates the parameters in place.

        `gradients` is what `backward` returned, or a mapping with one array for every parameter, of
        its shape. Raises ValueError or TypeError otherwise, before anything is changed.
        """
        given = _by_name(gradients)
        if not self._frozen:
            self._core.step(given)
            return
        # The core updates all parameters; weight decay would change those without a gradient.
        memory = self._parameters._core
        kept = {name: np.array(memory.view(name)) for name in self._frozen}
        zeros = {name: np.zeros_like(value) for name, value in kept.items()}
        self._core.step(self.trained(given) | zeros)
        for name, value in kept.items():
            memory.assign(name, value)

    def trained(self, gradients: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The gradients of the parameters that `step` updates, for example to clip them."""
        return {name: gradients[name] for name in self._parameters if name in gradients}

    def state(self) -> dict[str, NDArray[Any]]:
        """A copy of the optimiser's state, to continue from later.

        "steps" (), "learning_rate" (), and the state of each parameter, named by the letters of the
        equations: "m/weight_ih_l0", "v/weight_ih_l0", ..., with the parameter's shape.
        """
        return {
            "steps": np.array(self._core.steps, np.int64),
            "learning_rate": np.array(self._core.learning_rate),
            **self._rule_state(),
        }

    def _rule_state(self) -> dict[str, NDArray[Any]]:
        """The state of the rule, without that of frozen parameters."""
        state = self._core.state()
        return {k: v for k, v in state.items() if k.partition("/")[2] in self._parameters}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continues from what `state` returned, for an optimiser of the same class and options.

        Raises ValueError or TypeError if an entry is missing or has another shape, before anything
        is changed.
        """
        if not isinstance(state, Mapping):
            raise TypeError(f"state: expected what state() returned, got {type(state).__name__}")
        for name in ("steps", "learning_rate"):
            if name not in state:
                raise ValueError(f"state: expected an entry {name}, got none")
        before, rate = self.learning_rate, np.asarray(state["learning_rate"])
        self.learning_rate = float(rate)
        try:
            frozen: dict[str, Any] = {}
            if self._frozen:
                mine = self._rule_state()
                frozen = {k: v for k, v in self._core.state().items() if k not in mine}
            self._core.set_state({**state, **frozen}, integer(state["steps"], "state[steps]"))
        except (TypeError, ValueError):
            self.learning_rate = before
            raise


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
        parameters: `model.parameters` of the model to train.
        learning_rate: 0 or more; can be set between steps.
        momentum: In [0, 1).
        nesterov: Whether to use Nesterov momentum; needs momentum above 0.
        weight_decay: 0 or more; for weights, not for biases.
    """

    __slots__ = ()

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
        parameters: `model.parameters` of the model to train.
        learning_rate: 0 or more; can be set between steps.
        rho: ρ, in [0, 1).
        epsilon: Above 0.
        momentum: In [0, 1).
        centred: Whether to subtract the squared mean gradient, as above.
        weight_decay: 0 or more; for weights, not for biases.
    """

    __slots__ = ()

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


def clip_norm(gradients: Gradients | Mapping[str, NDArray[Any]], max_norm: float) -> float:
    """Scales the parameters' gradients in place to a joint Euclidean norm of at most `max_norm`.

    All are scaled by the same factor (R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013,
    arXiv:1211.5063). Returns the norm before; if it is not finite, nothing is scaled.
    """
    return core.clip_norm(_by_name(gradients), real(max_norm, "max_norm"))


def clip_value(gradients: Gradients | Mapping[str, NDArray[Any]], max_value: float) -> None:
    """Clips each value of the parameters' gradients in place to ±`max_value`."""
    core.clip_value(_by_name(gradients), real(max_value, "max_value"))


def _two(betas: Any) -> dict[str, float]:
    """beta1 and beta2. The core checks their values."""
    if isinstance(betas, (str, bytes)) or not isinstance(betas, (Sequence, np.ndarray)):
        raise TypeError(f"betas: expected two numbers, got {betas!r}")
    if len(betas) != 2:
        raise ValueError(f"betas: expected two numbers, got {len(betas)}")
    return {f"beta{k}": real(value, f"beta{k}") for k, value in enumerate(betas, start=1)}


def _by_name(
    gradients: Gradients | Mapping[str, NDArray[Any]],
) -> Mapping[str, NDArray[Any]]:
    if isinstance(gradients, Gradients):
        return gradients.parameters
    if not isinstance(gradients, Mapping):
        raise TypeError(
            "gradients: expected a mapping of names to arrays, or what backward returned, "
            f"got {type(gradients).__name__}"
        )
    return gradients

"""What all optimisers have in common."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from peephole import _core as core
from peephole._checks import integer, real
from peephole._types import Gradients
from peephole.parameters import Parameters

if TYPE_CHECKING:
    from typing_extensions import Self

_FLAGS = ("nesterov", "centred")
_CLASSES = {"float32": core.OptimiserFloat32, "float64": core.OptimiserFloat64}


class Optimiser(ABC):
    """Base class of the optimisers; not for use by itself.

    Optimisers update the model's own memory. Weight decay acts on weights, peepholes,
    `head.weight` and `input.weight`, never on biases. Masked weights always stay 0. An optimiser
    over some of the parameters leaves the others unchanged:
    `Adam(net.parameters.select("head.*"))`.
    """

    __slots__ = ("_core", "_frozen", "_parameters", "_rule")

    _rule_name: ClassVar[str]  # in the core

    @abstractmethod
    def __init__(self, parameters: Parameters, learning_rate: float, **rule: Any) -> None:
        if not isinstance(parameters, Parameters):
            raise TypeError(
                f"parameters: expected a model's parameters, got {type(parameters).__name__}"
            )
        learning_rate = real(learning_rate, "learning_rate")
        for name, value in rule.items():
            rule[name] = value if name in _FLAGS else real(value, name)
        cls = _CLASSES[parameters._core.dtype.name]
        self._core = cls(parameters._core, self._rule_name, learning_rate, **rule)
        self._parameters, self._rule = parameters, rule
        self._frozen = [name for name in parameters._core.names if name not in parameters]

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
        given = by_name(gradients)
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


def by_name(
    gradients: Gradients | Mapping[str, NDArray[Any]],
) -> Mapping[str, NDArray[Any]]:
    """The gradients of the parameters, by name; raises TypeError."""
    if isinstance(gradients, Gradients):
        return gradients.parameters
    if not isinstance(gradients, Mapping):
        raise TypeError(
            "gradients: expected a mapping of names to arrays, or what backward returned, "
            f"got {type(gradients).__name__}"
        )
    return gradients

"""The argument `optimiser` of `Network.fit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from peephole.optim import SGD, Adam, AdamW, Optimiser, RMSprop
from peephole.parameters import Parameters

OptimiserChoice: TypeAlias = (
    Literal["adam", "adamw", "sgd", "rmsprop"]
    | Optimiser
    | Callable[[Parameters, float], Optimiser]
)

BY_NAME: dict[str, type[Optimiser]] = {
    "adam": Adam,
    "adamw": AdamW,
    "sgd": SGD,
    "rmsprop": RMSprop,
}


def check_optimiser(optimiser: OptimiserChoice) -> None:
    """Checks an argument `optimiser` of `Network.fit`, as far as possible without parameters."""
    if isinstance(optimiser, str):
        if optimiser not in BY_NAME:
            raise ValueError(f"optimiser: expected one of {', '.join(BY_NAME)}, got {optimiser!r}")
    elif not isinstance(optimiser, Optimiser) and not callable(optimiser):
        raise TypeError(
            "optimiser: expected a name, an Optimiser or a function (parameters, learning_rate) -> "
            f"Optimiser, got {optimiser!r}"
        )


def optimiser_of(
    optimiser: OptimiserChoice, parameters: Parameters, learning_rate: float
) -> Optimiser:
    """The optimiser for an argument `optimiser` of `Network.fit`, over these parameters."""
    check_optimiser(optimiser)
    if isinstance(optimiser, str):
        return BY_NAME[optimiser](parameters, learning_rate)
    if not isinstance(optimiser, Optimiser):
        made = optimiser(parameters, learning_rate)
        if not isinstance(made, Optimiser):
            raise TypeError(
                "optimiser: expected the function to return an Optimiser, "
                f"got {type(made).__name__}"
            )
        optimiser = made
    require_own(optimiser, parameters)
    return optimiser


def require_own(optimiser: Optimiser, parameters: Parameters) -> None:
    """Raises ValueError unless the optimiser updates these parameters, or some of them."""
    if optimiser.parameters._core is not parameters._core:
        raise ValueError(
            "optimiser: expected one over the parameters of the network that is trained, "
            "got one over those of another model"
        )
    extra = [name for name in optimiser.parameters if name not in parameters]
    if extra:
        raise ValueError(
            f"optimiser: expected one without the frozen parameters, got one with {extra[0]}"
        )

"""Our activations and those of the LSTM operator.

A function of the operator may have the parameters alpha and beta. The attributes activation_alpha
and activation_beta list the values of only those functions that have them, in their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

# {our name: (the operator's name, its alpha and beta, where it has them)}
OPERATOR: dict[str, tuple[str, tuple[float, ...]]] = {
    "sigmoid": ("Sigmoid", ()),
    "tanh": ("Tanh", ()),
    "identity": ("Affine", (1.0, 0.0)),
    "relu": ("Relu", ()),
    "softsign": ("Softsign", ()),
    "softplus": ("Softplus", ()),
    "hard_sigmoid": ("HardSigmoid", (0.2, 0.5)),
    "one": ("Affine", (0.0, 1.0)),
}

# The parameters of all functions of the operator, with their defaults: (alpha,) or (alpha, beta).
_PARAMETERS: dict[str, tuple[float, ...]] = {
    "Relu": (),
    "Tanh": (),
    "Sigmoid": (),
    "Softsign": (),
    "Softplus": (),
    "Affine": (1.0, 0.0),
    "LeakyRelu": (0.01,),
    "ThresholdedRelu": (1.0,),
    "ScaledTanh": (1.0, 1.0),
    "HardSigmoid": (0.2, 0.5),
    "Elu": (1.0,),
}
_BY_LOWER_CASE = {name.lower(): name for name in _PARAMETERS}

# Equal to 0.2 for a file that has it in single precision.
_ROUNDING = 1e-7


def of_operator(
    names: Sequence[str], alpha: Sequence[float], beta: Sequence[float], where: str
) -> list[str]:
    """Our names of the operator's functions `names`; `where` begins the messages.

    Raises:
        ValueError: For a function that is not among ours.
    """
    alphas, betas = iter(alpha), iter(beta)
    ours = [_ours(name, alphas, betas, where) for name in names]
    for attribute, rest in (("activation_alpha", alphas), ("activation_beta", betas)):
        if next(rest, None) is not None:
            raise ValueError(
                f"{where}: {attribute} has more values than its functions take: {', '.join(names)}"
            )
    return ours


def _ours(given: str, alphas: Iterator[float], betas: Iterator[float], where: str) -> str:
    name = _BY_LOWER_CASE.get(given.lower())
    if name is None:
        raise ValueError(f"{where}: unknown activation {given!r} of the LSTM node")
    defaults = _PARAMETERS[name]
    # next() of the right list, so that each value goes to the function that takes it
    values = tuple(
        next(given_values, default)
        for given_values, default in zip((alphas, betas), defaults, strict=False)
    )
    if name == "ScaledTanh" and _equal(values, (1.0, 1.0)):
        return "tanh"
    for ours, (theirs, parameters) in OPERATOR.items():
        if theirs == name and _equal(values, parameters):
            return ours
    texts = [f"{k}={v:g}" for k, v in zip(("alpha", "beta"), values, strict=False)]
    raise ValueError(
        f"{where}: the activation {name}{' with ' * bool(texts)}{', '.join(texts)} "
        "is not available in peephole"
    )


def _equal(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return len(a) == len(b) and all(abs(p - q) <= _ROUNDING for p, q in zip(a, b, strict=True))

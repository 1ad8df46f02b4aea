"""Names of arguments: errors for unknown ones that suggest the right one, and `repr` with them."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")

# Names of the same things in other libraries, where the spelling gives no clue.
_ELSEWHERE = {
    "lr": "learning_rate",
    "eta0": "learning_rate",
    "max_iter": "epochs",
    "n_epochs": "epochs",
    "units": "hidden_size",
    "n_layers": "num_layers",
    "proj_size": "projection_size",
    "num_proj": "projection_size",
    "proj_clip": "projection_clip",
    "hidden_layer_sizes": "hidden_size",
    "kernel_initializer": "recurrent_init",
    "recurrent_initializer": "recurrent_init",
    "return_sequences": "readout",
    "random_state": "seed",
    "verbose": "progress",
    "validation_split": "validation_share",
    "validation_fraction": "validation_share",
    "patience": "early_stopping",
    "clipnorm": "clip_norm",
    "max_norm": "clip_norm",
    "max_grad_norm": "clip_norm",
    "lr_scheduler": "schedule",
    "truncated_bptt_steps": "tbptt",
    "return_state": "state",
    "eps": "epsilon",
    "alpha": "rho",
    "centered": "centred",
    "T_max": "steps",
    "eta_min": "floor",
    "min_lr": "floor",
    "step_size": "every",
    "gamma": "factor",
}
# What is done in another way. Used only for callables that have the argument named first.
_OTHERWISE = {
    "pos_weight": ("loss", "loss=peephole.losses.BinaryCrossEntropy(...)"),
    "activation": ("activations", 'activations={"c": ...}'),
    "recurrent_activation": ("activations", 'activations={"i": ..., "f": ..., "o": ...}'),
    "batch_first": ("input_size", "arrays are always (batch, time, features)"),
}


def unexpected(function: str, name: str, known: Iterable[str]) -> TypeError:
    """The error for an unknown keyword argument, with the most likely right name."""
    known = list(known)
    message = f"{function}() got an unexpected keyword argument {name!r}"
    argument, otherwise = _OTHERWISE.get(name, ("", ""))
    if argument in known:
        return TypeError(
            f"{message}; use {otherwise}" if "=" in otherwise else f"{message}; {otherwise}"
        )
    near = [_ELSEWHERE[name]] if _ELSEWHERE.get(name) in known else []
    near = near or difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    near = near or difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.7)
    if near:
        message += f"; did you mean {near[0]!r}?"
    elif "fit_options" in known:
        message += "; other arguments of Network.fit go into fit_options={name: value}"
    return TypeError(message)


def call_text(made: Any, names: Mapping[str, str] | None = None) -> str:
    """The call that makes an object like this one, without arguments that have their default.

    The arguments are attributes of the same names, or of those that `names` gives for them.
    """
    texts = []
    if type(made).__init__ is not _NO_INIT:
        for parameter in inspect.signature(type(made)).parameters.values():
            attribute = (names or {}).get(parameter.name, parameter.name)
            value = getattr(made, attribute)
            value = value.tolist() if isinstance(value, np.ndarray) else value
            if parameter.default is parameter.empty or value != parameter.default:
                texts.append(f"{parameter.name}={value!r}")
    return f"{type(made).__name__}({', '.join(texts)})"


# The __init__ of classes without arguments of their own.
_NO_INIT = object.__init__


def explains_keywords(function: Callable[P, R]) -> Callable[P, R]:
    """Makes a method refuse unknown keywords by `unexpected`; for __init__ it names the class."""

    @functools.cache
    def arguments() -> tuple[frozenset[str], int]:
        """The names, and the number of positional ones; read late, as a class may set them."""
        parameters = list(inspect.signature(checked).parameters.values())[1:]
        positional = sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
        return frozenset(p.name for p in parameters), positional

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        known, positional = arguments()
        if not kwargs.keys() <= known or len(args) > positional + 1:
            owner = type(args[0]).__name__
            name = owner if function.__name__ == "__init__" else f"{owner}.{function.__name__}"
            for keyword in kwargs:
                if keyword not in known:
                    raise unexpected(name, keyword, sorted(known))
            raise TypeError(
                f"{name}() takes at most {positional} positional arguments, got {len(args) - 1}; "
                "the others are keywords"
            )
        return function(*args, **kwargs)

    return checked

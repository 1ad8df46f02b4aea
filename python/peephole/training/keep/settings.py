"""What must be the same when a training is resumed, as JSON, and comparing it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from peephole.losses import Loss
from peephole.optim import Optimiser
from peephole.schedules import Schedule


def described(value: Any) -> Any:
    """A description of an argument of `fit` for JSON: equal arguments have equal ones.

    For a user's function or object it says only that it is one.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        digest = hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=8).hexdigest()
        return f"array {value.shape} of {value.dtype}, digest {digest}"
    if isinstance(value, Mapping):
        return {str(key): described(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [described(item) for item in value]
    if isinstance(value, Optimiser):
        return {"class": type(value).__qualname__, **described(value.rule)}
    if isinstance(value, (Loss, Schedule)):
        return {"class": type(value).__qualname__, **described(getattr(value, "__dict__", {}))}
    return "a function"


def require_same(path: Path, now: Mapping[str, Any], then: Mapping[str, Any]) -> None:
    """Raises ValueError that names the first setting that differs between two trainings."""
    for name, value, before in _differences(now, then):
        raise ValueError(f"resume: expected {name} to be that of {path}, {before!r}, got {value!r}")


def _differences(now: Any, then: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(name, value now, value then) of what differs in nested mappings."""
    if isinstance(now, Mapping) and isinstance(then, Mapping):
        # A value of another class has other names; then the class is the difference.
        for key in {"class": None, **now, **then} if "class" in now else {**now, **then}:
            inner = f"{name}.{key}" if name else key
            yield from _differences(now.get(key), then.get(key), inner.removesuffix(".class"))
    elif _are_objects(now) and _are_objects(then) and len(now) == len(then):
        for k, (item, before) in enumerate(zip(now, then, strict=True)):
            yield from _differences(item, before, f"{name}[{k}]")
    elif now != then and not (now != now and then != then):  # NaN equals NaN here
        yield name, _short(now), _short(then)


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)


def _short(value: Any) -> Any:
    return value.get("class", value) if isinstance(value, Mapping) else value

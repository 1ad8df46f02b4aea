"""The notes of a checkpoint: the state of a training that is not in tensors, as JSON.

- settings: what must be the same when the training is resumed, see `settings`
- seed: an int
- random: the state of NumPy's PCG64 at the start of the epoch
- epoch, step: those finished
- position: the place in the epoch, see `Position`
- history: the fields of `History`
- schedule: what `Schedule.state` returned
- factor: the schedule's factor in the last step, or null
- best: value, epoch and waited of the best epoch, or null
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

_POSITION_COUNTS = ("batch", "piece", "steps")
_POSITION_SUMS = ("loss", "weight", "norm")
_LISTS = ("loss", "gradient_norm", "learning_rate", "seconds")
_LARGEST = 2**63 - 1


def check_notes(notes: Any) -> None:
    """Raises ValueError unless the notes have the form above."""
    _keys(notes, "notes", _CHECKS)
    for name, check in _CHECKS.items():
        check(notes[name], name)
    _check_together(notes)


def _check_together(notes: Mapping[str, Any]) -> None:
    history, epoch, best = notes["history"], notes["epoch"], notes["best"]
    lists = {name: history[name] for name in _LISTS} | history["validation"]
    for name, values in lists.items():
        if len(values) != epoch:
            raise ValueError(f"history.{name}: expected {epoch} values, got {len(values)}")
    found = None if best is None else best["epoch"]
    if history["best_epoch"] != found or (found is not None and not 1 <= found <= epoch):
        raise ValueError(f"best: expected an epoch of {epoch}, as in history, got {found}")


def _keys(value: Any, name: str, expected: Any) -> None:
    if not isinstance(value, dict) or value.keys() != set(expected):
        got = sorted(value) if isinstance(value, dict) else type(value).__name__
        raise ValueError(f"{name}: expected {', '.join(sorted(expected))}, got {got}")


def _object(value: Any, name: str) -> None:
    if not isinstance(value, dict):
        raise ValueError(f"{name}: expected an object, got {type(value).__name__}")


def _count(value: Any, name: str, largest: int = _LARGEST) -> None:
    if type(value) is not int or not 0 <= value <= largest:
        raise ValueError(f"{name}: expected an int in 0..{largest}, got {value!r}")


def _number(value: Any, name: str) -> None:
    if type(value) not in (int, float):
        raise ValueError(f"{name}: expected a number, got {value!r}")
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise ValueError(f"{name}: expected a number, got an int beyond {_LARGEST}")


def _finite(value: Any, name: str, least: float = -math.inf) -> None:
    _number(value, name)
    if not math.isfinite(value) or value < least:
        bound = "" if least == -math.inf else f" of {least} or more"
        raise ValueError(f"{name}: expected a finite number{bound}, got {value!r}")


def _numbers(value: Any, name: str) -> None:
    if not isinstance(value, list):
        raise ValueError(f"{name}: expected a list, got {type(value).__name__}")
    for item in value:
        _number(item, name)


def _seed(value: Any, name: str) -> None:
    _count(value, name, 2**64 - 1)


def _random(value: Any, name: str) -> None:
    _keys(value, name, ("bit_generator", "state", "has_uint32", "uinteger"))
    if value["bit_generator"] != "PCG64":
        raise ValueError(f"{name}: expected PCG64, got {value['bit_generator']!r}")
    _keys(value["state"], f"{name}.state", ("state", "inc"))
    for part in ("state", "inc"):
        _count(value["state"][part], f"{name}.state.{part}", 2**128 - 1)
    _count(value["has_uint32"], f"{name}.has_uint32", 1)
    _count(value["uinteger"], f"{name}.uinteger", 2**32 - 1)


def _position(value: Any, name: str) -> None:
    _keys(value, name, (*_POSITION_COUNTS, *_POSITION_SUMS))
    for part in _POSITION_COUNTS:
        _count(value[part], f"{name}.{part}")
    _finite(value["loss"], f"{name}.loss")
    for part in ("weight", "norm"):
        _finite(value[part], f"{name}.{part}", 0)


def _history(value: Any, name: str) -> None:
    _keys(value, name, (*_LISTS, "validation", "best_epoch", "stopped"))
    for part in _LISTS:
        _numbers(value[part], f"{name}.{part}")
    _object(value["validation"], f"{name}.validation")
    for score, values in value["validation"].items():
        _numbers(values, f"{name}.validation.{score}")
    if value["best_epoch"] is not None:
        _count(value["best_epoch"], f"{name}.best_epoch")
    if value["stopped"] not in (None, "early"):
        raise ValueError(f"{name}.stopped: expected null or early, got {value['stopped']!r}")


def _factor(value: Any, name: str) -> None:
    if value is not None:
        _finite(value, name, 0)


def _best(value: Any, name: str) -> None:
    if value is None:
        return
    _keys(value, name, ("value", "epoch", "waited"))
    _number(value["value"], f"{name}.value")
    if value["epoch"] is not None:
        _count(value["epoch"], f"{name}.epoch")
    _count(value["waited"], f"{name}.waited")


_CHECKS: dict[str, Callable[[Any, str], None]] = {
    "settings": _object,
    "seed": _seed,
    "random": _random,
    "epoch": _count,
    "step": _count,
    "position": _position,
    "history": _history,
    "schedule": _object,
    "factor": _factor,
    "best": _best,
}

"""Scalings as JSON, for the metadata of files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole.scaling.standardiser import Standardiser
from peephole.scaling.statistics import Statistics

# The attributes of models, and the names of their texts in files.
NAMES = ("input_scaling", "target_scaling")

_KIND = "Standardiser"
_FIELDS = {"kind", "mean", "scale", "variance", "count"}
# Written only if they are not the default, so that older releases read the file.
_OPTIONS = {"missing": "keep", "indicators": False}


def scaling_text(scaling: Standardiser) -> str:
    """A fitted scaling as JSON, for the metadata of files.

    An object of "kind", which is "Standardiser", and lists of I numbers: "mean", "scale",
    "variance", "count". They give the same float64 values when they are read. "missing" and
    "indicators" are those of the `Standardiser`, if they are not its defaults.
    """
    statistics = scaling._fitted()
    fields = {name: values.tolist() for name, values in asdict(statistics).items()}
    options = {name: getattr(scaling, name) for name in _OPTIONS}
    fields |= {k: v for k, v in options.items() if v != _OPTIONS[k]}
    return json.dumps({"kind": _KIND, "scale": statistics.scale.tolist(), **fields})


def scaling_texts(model: Any) -> dict[str, str]:
    """The scalings of a model as texts, {its name: text}, without those that are None."""
    scalings = {name: getattr(model, name) for name in NAMES}
    return {name: scaling_text(s) for name, s in scalings.items() if s is not None}


def set_scalings(model: Any, texts: Mapping[str, str]) -> None:
    """Sets those scalings of a model of which there is a text; raises ValueError for wrong ones."""
    for name in NAMES:
        if name in texts:
            setattr(model, name, read_scaling(texts[name], name))


def read_scaling(text: str, name: str) -> Standardiser:
    """The scaling that `scaling_text` wrote; raises ValueError for any other text."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{name}: expected JSON, got {text[:60]!r}") from None
    if not isinstance(fields, dict) or fields.keys() - _OPTIONS.keys() != _FIELDS:
        raise ValueError(f"{name}: expected the fields of a {_KIND}, got {text[:60]!r}")
    if fields["kind"] != _KIND:
        raise ValueError(f"{name}: expected kind {_KIND!r}, got {str(fields['kind'])[:60]!r}")
    mean, variance, scale = (
        _numbers(fields, key, np.float64, name) for key in ("mean", "variance", "scale")
    )
    statistics = Statistics(mean, variance, _numbers(fields, "count", np.int64, name))
    if len({len(mean), len(variance), len(scale), len(statistics.count)}) != 1 or not len(mean):
        raise ValueError(f"{name}: expected lists of one length, got others")
    if (variance < 0).any() or (statistics.count < 0).any():
        raise ValueError(f"{name}: expected variances and counts of 0 or more, got others")
    if not np.array_equal(scale, statistics.scale):
        raise ValueError(f"{name}: expected the scale of the variance, got another")
    try:
        scaling = Standardiser(**{k: v for k, v in fields.items() if k in _OPTIONS})
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from None
    scaling._statistics = statistics
    return scaling


def _numbers(fields: dict[str, Any], key: str, dtype: Any, name: str) -> NDArray[Any]:
    """(I,) finite numbers."""
    kinds = (int,) if dtype is np.int64 else (int, float)
    values = fields[key]
    if not isinstance(values, list) or not all(type(value) in kinds for value in values):
        raise ValueError(f"{name}: expected a list of numbers as {key}, got {str(values)[:60]}")
    try:
        numbers = np.array(values, dtype)
    except OverflowError:
        raise ValueError(f"{name}: expected {dtype.__name__} as {key}, got larger ones") from None
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name}: expected finite numbers as {key}, got others")
    return numbers

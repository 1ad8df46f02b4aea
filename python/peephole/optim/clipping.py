"""Clipping of gradients, by their joint norm or by value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from peephole import _core as core
from peephole._checks import real
from peephole._types import Gradients
from peephole.optim.base import by_name


def clip_norm(gradients: Gradients | Mapping[str, NDArray[Any]], max_norm: float) -> float:
    """Scales the parameters' gradients in place to a joint Euclidean norm of at most `max_norm`.

    All are scaled by the same factor (R. Pascanu, T. Mikolov, Y. Bengio, ICML 2013,
    arXiv:1211.5063). Returns the norm before; if it is not finite, nothing is scaled.
    """
    return core.clip_norm(by_name(gradients), real(max_norm, "max_norm"))


def clip_value(gradients: Gradients | Mapping[str, NDArray[Any]], max_value: float) -> None:
    """Clips each value of the parameters' gradients in place to ±`max_value`."""
    core.clip_value(by_name(gradients), real(max_value, "max_value"))

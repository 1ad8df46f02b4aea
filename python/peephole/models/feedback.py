"""What `Network.generate` feeds back, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from peephole._checks import generator, integer
from peephole._types import Seed
from peephole.losses import Distribution
from peephole.models.scalings import ModelWithScalings

# (scale, shift), each (D,), from the units of targets to those of inputs, value * scale + shift;
# None: they are the same.
_Conversion: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]] | None


@dataclass(frozen=True)
class Feedback:
    """What is fed back, and to which columns of x. Made by `read_feedback`."""

    columns: NDArray[np.intp]  # (D,) of x
    others: NDArray[np.intp]  # (I - D,)
    loss: Distribution | None
    softmax: bool
    random: np.random.Generator | None  # None: nothing is drawn
    conversion: _Conversion  # of values to inputs

    def value(self, y: NDArray[Any]) -> NDArray[Any]:
        """(n, D) of outputs (n, O)."""
        if self.softmax:
            return self._one_hot(y)
        if self.loss is None:
            return np.array(y)
        if self.random is None:
            return np.array(self.loss.points(y))
        return self.loss.sample(y, seed=self.random)

    def _one_hot(self, y: NDArray[Any]) -> NDArray[Any]:
        if self.random is None:
            labels = y.argmax(axis=1)
        else:
            ends = y.astype(np.float64).cumsum(axis=1)
            drawn = self.random.uniform(size=(len(y), 1)) * ends[:, -1:]
            labels = np.minimum((drawn >= ends).sum(axis=1), y.shape[1] - 1)
        one_hot: NDArray[Any] = np.eye(y.shape[1], dtype=y.dtype)[labels]
        return one_hot

    def scaled(self, value: NDArray[Any]) -> NDArray[Any]:
        """A value (n, D) as an input."""
        if self.conversion is None:
            return value
        scale, shift = self.conversion
        return value * scale + shift

    def labels(self, values: NDArray[Any]) -> NDArray[Any]:
        """(n, S) labels of one-hot values (n, S, O); other values as they are."""
        if not self.softmax:
            return values
        labels: NDArray[Any] = values.argmax(axis=2)
        return labels


def read_feedback(
    net: ModelWithScalings,
    columns: Sequence[int] | None,
    loss: Distribution | None,
    samples: int | None,
    seed: Seed,
) -> Feedback:
    """The arguments of `Network.generate` of these names; raises ValueError or TypeError."""
    outputs, softmax = int(net.options["output_size"]), net.options["head"] == "softmax"
    if loss is not None:
        if not isinstance(loss, Distribution):
            raise TypeError(f"loss: expected a peephole.losses.Distribution or None, got {loss!r}")
        if net.options["head"] not in loss.heads:
            raise ValueError(f"loss: expected None for a {net.options['head']} head, got {loss!r}")
        loss.check(outputs)
    elif samples is not None and not softmax:
        raise ValueError(
            "samples: allowed only with a loss that is a distribution, or a softmax head"
        )
    width = outputs if loss is None else loss.width(outputs)
    chosen = _read_columns(columns, width, net.input_size)
    others = np.setdiff1d(np.arange(net.input_size), chosen)
    random = None
    if samples is not None:
        random = generator(seed)
    return Feedback(chosen, others, loss, softmax, random, _conversion(net, chosen))


def _read_columns(columns: Sequence[int] | None, width: int, features: int) -> NDArray[np.intp]:
    if width > features:
        raise ValueError(
            f"x: expected at least {width} features, one for each value that is fed back, "
            f"got input_size={features}"
        )
    if columns is None:
        return np.arange(width)
    if isinstance(columns, (str, bytes)) or not np.iterable(columns):
        raise TypeError(f"columns: expected {width} columns of x, got {columns!r}")
    chosen = [integer(column, "columns") for column in columns]
    if len(chosen) != width or len({*chosen}) != width:
        raise ValueError(f"columns: expected {width} different columns of x, got {columns!r}")
    if min(chosen) < 0 or max(chosen) >= features:
        raise ValueError(f"columns: expected columns in 0..{features - 1}, got {columns!r}")
    return np.array(chosen, np.intp)


def _conversion(net: ModelWithScalings, columns: NDArray[np.intp]) -> _Conversion:
    scale, shift = np.ones(len(columns)), np.zeros(len(columns))
    if net.target_scaling is not None:
        if net.target_scaling.features != len(columns):
            raise ValueError(
                f"target_scaling: expected a Standardiser of {len(columns)} features, the values "
                f"that are fed back, got one of {net.target_scaling.features}"
            )
        scale, shift = net.target_scaling.scale_, net.target_scaling.mean_
    if net.input_scaling is not None:
        # Indicators of missing values, after the features, are not scaled.
        more = net.input_size - (net.input_scaling.features or 0)
        mean = np.append(net.input_scaling.mean_, np.zeros(more))[columns]
        deviation = np.append(net.input_scaling.scale_, np.ones(more))[columns]
        if np.array_equal(scale, deviation) and np.array_equal(shift, mean):
            return None
        scale, shift = scale / deviation, (shift - mean) / deviation
    return None if (scale == 1).all() and (shift == 0).all() else (scale, shift)

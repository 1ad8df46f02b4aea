"""Standardiser: scales features of sequences, and inverts it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array, flag, input_array
from peephole._frames import are_frames, is_frame, scaled_frame
from peephole._keywords import call_text
from peephole._sequences import Sequences, is_ragged, read_sequences, real_steps
from peephole.scaling.missing import FILLS, filled, with_indicators
from peephole.scaling.statistics import AT_A_TIME, Statistics, statistics_of

if TYPE_CHECKING:
    from typing_extensions import Self

_FLOAT64 = np.dtype(np.float64)
_Function: TypeAlias = Callable[[NDArray[Any], Statistics], NDArray[Any]]


class Standardiser:
    """Scales each feature to mean 0 and standard deviation 1: (x - mean_) / scale_.

    Only the real steps of sequences count, not the padding, and NaN stands for a missing value,
    which is left out of the statistics and stays NaN. As in scikit-learn's `StandardScaler`, the
    variance is Σ (x - mean)² / n, and a constant feature has scale 1.

    `transform` can fill missing values and mark them, so that networks can take them as inputs.
    What is filled at a step depends on no later step.

    All methods take features on the last axis: sequences (T, I), (B, T, I) with `lengths`, or a
    list of (T_i, I) arrays. `Network.input_scaling` and `Network.target_scaling` keep one with a
    network and in its file.

    Args:
        missing: What `transform` puts in the place of NaN: "keep" leaves it; "mean" is the mean of
            the feature, 0 after scaling; "forward" is the last value before it in the same sequence
            (time on the axis before the last), and the mean before the first value.
        indicators: Whether `transform` adds a feature for each of the I, after them: 1 where it was
            NaN, 0 elsewhere. A network then has input_size 2 I.

    Attributes:
        mean_: (I,) float64.
        scale_: (I,) float64, the standard deviation, or 1 for a constant feature.
        variance_: (I,) float64.
        count_: (I,) int64, the number of values that counted. A feature that had none has mean 0
            and scale 1.

    Example:
        >>> scaling = peephole.Standardiser().fit(train_x)
        >>> net.fit(scaling.transform(train_x), train_y)
        >>> net.input_scaling = scaling
        >>> net.save("model.safetensors")
    """

    def __init__(self, *, missing: str = "keep", indicators: bool = False) -> None:
        if not isinstance(missing, str) or missing not in FILLS:
            raise ValueError(f"missing: expected one of {', '.join(FILLS)}, got {missing!r}")
        self._missing, self._indicators = missing, flag(indicators, "indicators")
        self._statistics: Statistics | None = None

    @property
    def missing(self) -> str:
        """What `transform` puts in the place of NaN: "keep", "mean" or "forward"."""
        return self._missing

    @property
    def indicators(self) -> bool:
        """Whether `transform` adds a feature for each one, which is 1 where it was NaN."""
        return self._indicators

    @property
    def mean_(self) -> NDArray[np.float64]:
        """(I,) the mean of each feature."""
        return np.array(self._fitted().mean)

    @property
    def variance_(self) -> NDArray[np.float64]:
        """(I,) the variance of each feature."""
        return np.array(self._fitted().variance)

    @property
    def count_(self) -> NDArray[np.int64]:
        """(I,) the number of values of each feature that counted."""
        return np.array(self._fitted().count)

    @property
    def scale_(self) -> NDArray[np.float64]:
        """(I,) the standard deviation of each feature, or 1 for a constant one."""
        return np.array(self._fitted().scale)

    @property
    def features(self) -> int | None:
        """I, the number of features; None before the first fit."""
        return None if self._statistics is None else len(self._statistics.mean)

    @property
    def outputs(self) -> int | None:
        """The features after `transform`, I or 2 I; None before the first fit."""
        return None if self.features is None else self.features * (2 if self._indicators else 1)

    def fit(self, x: Any, lengths: ArrayLike | None = None) -> Self:
        """Computes mean and scale from x, instead of any earlier ones.

        Sums are in float64, block by block: x is never copied whole.

        Args:
            x: (T, I), (B, T, I), or a list of (T_i, I) arrays; at least one step.
            lengths: (B,) integers in 0..T, the number of real steps; only with (B, T, I).

        Raises:
            ValueError, TypeError: If x has no step or an infinite value, or if an argument is
                wrong; nothing is changed then.
        """
        return self._update(x, lengths, None)

    def partial_fit(self, x: Any, lengths: ArrayLike | None = None) -> Self:
        """Adds x to what earlier calls have counted, for data that comes in batches.

        The arguments and errors are those of `fit`. Batches are combined as in T. F. Chan, G. H.
        Golub, R. J. LeVeque, "Algorithms for computing the sample variance", The American
        Statistician 37 (1983) 242-247. The result equals that of `fit` except for rounding.
        """
        return self._update(x, lengths, self._statistics)

    def transform(self, x: Any, lengths: ArrayLike | None = None) -> Any:
        """(x - mean_) / scale_, filled and marked as `missing` and `indicators` say.

        Args:
            x: (..., I), or a list of such arrays. With missing="forward" (..., T, I).
            lengths: (B,) integers in 0..T, only with (B, T, I). Padding is left unchanged, with
                indicators of 0.

        Returns:
            New arrays (..., I), or (..., 2 I) with indicators; a list of arrays if x is a list.
            Values are computed in float64 and returned in x's dtype; integers give float64. For
            pandas DataFrames, DataFrames; the indicators of a column "a" are "a_missing".

        Raises:
            ValueError, TypeError: Before a fit, or if an argument is wrong.
        """
        return self._apply(x, lengths, self._transformed)

    def inverse_transform(self, x: Any, lengths: ArrayLike | None = None) -> Any:
        """The inverse of the scaling, x * scale_ + mean_, of x without indicators.

        The arguments are those of `transform`. What was filled stays filled.
        """
        return self._apply(x, lengths, self._restored)

    def _transformed(self, x: NDArray[Any], name: str) -> NDArray[Any]:
        if self._missing == "forward" and x.ndim < 2:
            raise ValueError(
                f'{name}: expected (..., time, features) with missing="forward", got {x.shape}'
            )
        scaled = filled(_applied(_scaled, x, self._fitted()), self._missing)
        return with_indicators(x, scaled) if self._indicators else scaled

    def _restored(self, x: NDArray[Any], name: str) -> NDArray[Any]:
        return _applied(_unscaled, x, self._fitted())

    def __eq__(self, other: object) -> bool:
        """Whether the options are the same, and the statistics are equal, bit for bit."""
        if not isinstance(other, Standardiser):
            return NotImplemented
        if (self._missing, self._indicators) != (other._missing, other._indicators):
            return False
        mine, others = self._statistics, other._statistics
        if mine is None or others is None:
            return mine is others
        return mine.equals(others)

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __getstate__(self) -> dict[str, Any]:
        statistics = None if self._statistics is None else asdict(self._statistics)
        options = {"missing": self._missing, "indicators": self._indicators}
        return {"statistics": statistics, **options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        values = state["statistics"]
        # Pickles of earlier releases have no options.
        self._missing = state.get("missing", "keep")
        self._indicators = state.get("indicators", False)
        self._statistics = None if values is None else Statistics(**values)

    def __repr__(self) -> str:
        state = "not fitted" if self.features is None else f"fitted to {self.features} features"
        return f"{call_text(self)}  # {state}"

    def _fitted(self) -> Statistics:
        if self._statistics is None:
            raise NotFittedError("Standardiser: expected a call of fit first, got none")
        return self._statistics

    def _update(self, x: Any, lengths: ArrayLike | None, before: Statistics | None) -> Self:
        sequences = _read(x, lengths, None if before is None else len(before.mean))
        self._statistics = statistics_of(sequences, before)
        return self

    def _apply(
        self,
        x: Any,
        lengths: ArrayLike | None,
        function: Callable[[NDArray[Any], str], NDArray[Any]],
    ) -> Any:
        features = len(self._fitted().mean)
        if is_frame(x):
            return scaled_frame(x, self._apply(x.to_numpy(), lengths, function))
        if are_frames(x):
            arrays = self._apply([item.to_numpy() for item in x], lengths, function)
            return [scaled_frame(item, values) for item, values in zip(x, arrays, strict=True)]
        if is_ragged(x):
            if lengths is not None:
                raise ValueError("lengths: allowed only with an array x, not with a list")
            names = [f"x[{k}]" for k in range(len(x))]
            items = [_read_array(i, n, features) for i, n in zip(x, names, strict=True)]
            return [function(item, name) for item, name in zip(items, names, strict=True)]
        values = _read_array(x, "x", features)
        if lengths is None:
            return function(values, "x")
        sequences = _read(values, lengths, features)
        result = function(values, "x")
        padding = ~real_steps(sequences.lengths, values.shape[1])
        result[padding, :features] = values[padding]
        result[padding, features:] = 0
        return result


class NotFittedError(ValueError, AttributeError):
    """A `Standardiser` is used before it was fitted. Both, as in scikit-learn."""


def _read(x: Any, lengths: ArrayLike | None, features: int | None) -> Sequences:
    """Sequences of `features` features, or of those that x has; raises ValueError or TypeError."""
    values = x if is_ragged(x) else input_array(x)
    if is_ragged(x) and not x:
        raise ValueError("x: expected at least one sequence, got an empty list")
    first = np.shape(x[0]) if is_ragged(x) else values.shape
    if not is_ragged(x) and values.ndim == 2:
        if lengths is not None:
            raise ValueError("lengths: allowed only with (batch, time, features)")
        values = values[None]
    if len(first) not in (2, 3) or not first[-1]:
        hint = "; for one feature x[..., None]" if len(first) == 1 else ""
        raise ValueError(
            f"x: expected (time, features), (n, time, features) or a list of (time, features), "
            f"got {first}{hint}"
        )
    return read_sequences(values, lengths, features or first[-1], _FLOAT64)


def _read_array(x: Any, name: str, features: int) -> NDArray[Any]:
    """The array x (..., features) of real numbers; raises ValueError or TypeError."""
    values = array(x, name)
    if values.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected real numbers, got {values.dtype}")
    if values.ndim == 0 or values.shape[-1] != features:
        raise ValueError(f"{name}: expected (..., {features}), got {values.shape}")
    return values


def _scaled(x: NDArray[Any], statistics: Statistics) -> NDArray[Any]:
    scaled: NDArray[Any] = (x - statistics.mean) / statistics.scale
    return scaled


def _unscaled(x: NDArray[Any], statistics: Statistics) -> NDArray[Any]:
    unscaled: NDArray[Any] = x * statistics.scale + statistics.mean
    return unscaled


def _applied(function: _Function, x: NDArray[Any], statistics: Statistics) -> NDArray[Any]:
    """The function of x, in x's dtype."""
    out = np.empty(x.shape, x.dtype if x.dtype.kind == "f" else _FLOAT64)
    items, placed = (x, out) if x.ndim > 1 else (x[None], out[None])
    rows = max(1, AT_A_TIME // max(1, items[0].size if len(items) else 1))
    with np.errstate(over="ignore", invalid="ignore"):  # as in NumPy's own conversions of padding
        for start in range(0, len(items), rows):
            placed[start : start + rows] = function(items[start : start + rows], statistics)
    return out

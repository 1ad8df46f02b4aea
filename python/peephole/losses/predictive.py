"""What the losses of forecasts that are distributions have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array, at_least_one, generator
from peephole._packages import needed
from peephole.losses.base import Loss

if TYPE_CHECKING:
    from peephole._types import Seed


class Distribution(Loss):
    """A loss whose O outputs describe a distribution of each of the D values of a target."""

    def quantile(self, y: ArrayLike, q: ArrayLike) -> NDArray[Any]:
        """Quantiles of the predicted distributions.

        Args:
            y: (..., O), for example of `Network.predict`.
            q: A number between 0 and 1, or (Q,) numbers.

        Returns:
            (..., D), or (Q, ..., D) for several, as `numpy.quantile`.

        Raises:
            ValueError, TypeError: If an argument is wrong; the message names it.
            ImportError: If SciPy is not installed, and the distribution needs it.
        """
        values, rows = self._rows(y)
        levels = array(q, "q")
        if levels.dtype.kind != "f" or levels.ndim > 1:
            raise TypeError(f"q: expected a number or (Q,) numbers between 0 and 1, got {q!r}")
        if not ((levels > 0) & (levels < 1)).all():
            raise ValueError(f"q: expected numbers between 0 and 1, got {q!r}")
        shape = (*values.shape[:-1], self.width(values.shape[-1]))
        found = [self._quantile(rows, np.asarray(level)).reshape(shape) for level in levels.flat]
        result = np.stack(found) if found else np.zeros((0, *shape))
        result = result.astype(values.dtype)
        return result if levels.ndim else np.asarray(result[0])

    def cdf(self, y: ArrayLike, targets: ArrayLike) -> NDArray[Any]:
        """(..., D): the predicted probability that the value is at most the target.

        The probability integral transform: uniform on 0..1 if the forecasts are calibrated (A. P.
        Dawid 1984). y is (..., O), targets (..., D), or (...) for D = 1; NaN for missing targets.
        Raises as `quantile`.
        """
        values, rows = self._rows(y)
        shape = (*values.shape[:-1], self.width(values.shape[-1]))
        wanted = array(targets, "targets")
        if wanted.dtype.kind not in "fiu":
            raise TypeError(f"targets: expected numbers, got {wanted.dtype}")
        if shape[-1] == 1 and wanted.shape == shape[:-1]:
            wanted = wanted[..., None]
        if wanted.shape != shape:
            raise ValueError(f"targets: expected {shape}, got {wanted.shape}")
        found = self._cdf(rows, wanted.reshape(-1, shape[-1]).astype(np.float64))
        return found.reshape(shape).astype(values.dtype)

    def sample(self, y: ArrayLike, *, seed: Seed = None, size: int | None = None) -> NDArray[Any]:
        """Random values of the predicted distributions.

        Args:
            y: (..., O), for example of `Network.predict`.
            seed: An int, a `numpy.random.Generator`, or None for a random seed.
            size: The number of values for each y; None: one, without an axis for it.

        Returns:
            (..., D), or (size, ..., D).

        Raises:
            ValueError, TypeError: If an argument is wrong; the message names it.
        """
        values, rows = self._rows(y)
        count = 1 if size is None else at_least_one(size, "size")
        random = generator(seed)
        shape = (*values.shape[:-1], self.width(values.shape[-1]))
        drawn = [self._sample(rows, random).reshape(shape) for _ in range(count)]
        result = np.stack(drawn).astype(values.dtype)
        return np.asarray(result[0]) if size is None else result

    @abstractmethod
    def _quantile(self, y: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, D) of y (N, O), and of q () or (N, D)."""

    @abstractmethod
    def _cdf(self, y: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, D) of y (N, O) and targets (N, D)."""

    @abstractmethod
    def _sample(self, y: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
        """(N, D) of y (N, O)."""

    def _rows(self, y: ArrayLike) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """The array y, and the same as (N, O) in float64."""
        values = array(y, "y")
        if values.dtype.kind != "f":
            raise TypeError(f"y: expected outputs of a network, got {values.dtype}")
        if not values.ndim:
            raise ValueError("y: expected (..., outputs), got a number")
        outputs = values.shape[-1]
        try:
            self.check(outputs)
        except ValueError as error:
            raise ValueError(str(error).replace("loss: ", "y: ", 1)) from None
        return values, values.reshape(-1, outputs).astype(np.float64)


def log_variance(s: NDArray[Any], min_variance: float) -> NDArray[Any]:
    """log(exp(s) + min_variance), which cannot overflow."""
    with np.errstate(invalid="ignore"):  # NaN stays NaN
        log_v: NDArray[Any] = np.logaddexp(s, np.asarray(np.log(min_variance), s.dtype))
    return log_v


def special() -> Any:
    """The module scipy.special."""
    return needed("scipy.special", "scipy")

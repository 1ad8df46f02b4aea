"""Losses of forecasts that are distributions: quantiles, and normal distributions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array, positive
from peephole.losses.base import Value, mean, without_missing
from peephole.losses.predictive import Distribution, log_variance, special
from peephole.losses.values import ByElement


class Quantile(ByElement, Distribution):
    """max(q e, (q - 1) e) of errors e = t - y, for each quantile q (the pinball loss).

    R. Koenker, G. Bassett, Econometrica 46 (1978) 33-50. The gradient of y is -q for e > 0, 1 - q
    for e < 0, and 0 for e = 0.

    Targets have D values, and the network has O = Q D outputs, all targets' first quantile first:
    `y.reshape(..., Q, D)[..., k, :]` is the k-th quantile of each target. The quantiles of a target
    are not forced to be in order in y. `quantile(y, q)` sorts them, so that they do not cross; this
    never makes the loss larger (V. Chernozhukov, I. Fernández-Val, A. Galichon, Econometrica 78
    (2010) 1093-1125). It takes levels q from the first of the quantiles to the last, interpolated
    linearly; `sample` draws from that distribution, whose tails end at the first and the last
    quantile. Metrics by name are of the quantile nearest to 1/2.

    Args:
        quantiles: (Q,) numbers between 0 and 1, increasing.
    """

    name = "quantile"
    heads = ("identity", "sigmoid", "tanh")

    def __init__(self, quantiles: ArrayLike) -> None:
        values = array(quantiles, "quantiles")
        if values.dtype.kind != "f" or values.ndim != 1:
            raise TypeError(f"quantiles: expected (Q,) numbers between 0 and 1, got {quantiles!r}")
        increasing = values.size > 0 and (np.diff(values) > 0).all()
        if not (increasing and (values > 0).all() and (values < 1).all()):
            raise ValueError(
                f"quantiles: expected increasing numbers between 0 and 1, got {quantiles!r}"
            )
        self.quantiles = values.astype(np.float64)

    def __call__(
        self,
        y: NDArray[Any],
        logits: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None = None,
    ) -> Value:
        """See Loss; targets are (N, D)."""
        repeated = np.tile(targets, (1, len(self.quantiles)))
        return super().__call__(y, logits, repeated, weights)

    def terms(
        self, y: NDArray[Any], logits: NDArray[Any], targets: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """See ByElement; targets are repeated for each quantile."""
        q = np.repeat(self.quantiles.astype(y.dtype), y.shape[1] // len(self.quantiles))
        error = targets - y
        slope = np.where(error > 0, q, q - 1) * (error != 0)
        return slope * error, -slope

    def width(self, outputs: int) -> int:
        """See Loss."""
        return outputs // len(self.quantiles)

    def points(self, y: NDArray[Any]) -> NDArray[Any]:
        """See Loss: the quantile nearest to 1/2."""
        middle = int(np.abs(self.quantiles - 0.5).argmin())
        d = self.width(y.shape[1])
        return y[:, middle * d : (middle + 1) * d]

    def _sorted(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """(Q, N, D), increasing."""
        quantiles = y.reshape(len(y), len(self.quantiles), self.width(y.shape[1]))
        return np.sort(quantiles.transpose(1, 0, 2), axis=0)

    def _quantile(self, y: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Distribution."""
        first, last = self.quantiles[0], self.quantiles[-1]
        if (q < first).any() or (q > last).any():
            raise ValueError(f"q: expected levels in {first}..{last}, those of the loss, got {q}")
        return self._interpolated(y, q)

    def _interpolated(self, y: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
        quantiles = self._sorted(y)
        place = np.interp(q, self.quantiles, np.arange(len(self.quantiles)))
        place = np.broadcast_to(place, quantiles.shape[1:])[None]
        below = np.floor(place).astype(np.intp)
        above = np.minimum(below + 1, len(quantiles) - 1)
        low, high = (np.take_along_axis(quantiles, k, axis=0) for k in (below, above))
        found: NDArray[np.float64] = np.where(
            place == below, low, low + (place - below) * (high - low)
        )
        only: NDArray[np.float64] = found[0]
        return only

    def _cdf(self, y: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Distribution: interpolated linearly, 0 below the quantiles and 1 above them."""
        quantiles = self._sorted(y)
        result = np.zeros(targets.shape)
        result[targets >= quantiles[0]] = self.quantiles[0]
        for low, high, a, b in zip(
            quantiles, quantiles[1:], self.quantiles, self.quantiles[1:], strict=False
        ):
            within = (targets >= low) & (targets <= high)
            width = np.where(high > low, high - low, 1)
            share = np.where(high > low, (targets - low) / width, 1.0)
            result = np.where(within, a + (b - a) * share, result)
        result[targets > quantiles[-1]] = 1
        result[np.isnan(targets)] = np.nan
        return result

    def _sample(self, y: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
        """See Distribution."""
        u = random.uniform(size=(len(y), self.width(y.shape[1])))
        return self._interpolated(y, u)

    def check(self, outputs: int) -> None:
        """See Loss."""
        if outputs % len(self.quantiles):
            raise ValueError(
                f"loss: expected a head with a multiple of {len(self.quantiles)} outputs, one for "
                f"each quantile of each target, got output_size={outputs}"
            )


class GaussianNLL(Distribution):
    """(log v + (t - m)² / v) / 2: the negative log-likelihood of a normal distribution.

    D. A. Nix, A. S. Weigend, ICNN 1994, 55-60; without the constant log(2 π) / 2. The mean m and
    the variance v are those of the network's outputs::

        m = y[..., :D],  v = exp(s) + min_variance  with  s = y[..., D:]

    Targets have D values, and the network has O = 2 D outputs with head "identity": the means of
    all targets first, then the logarithms s of their variances. The gradients are

        dl/dm = (m - t) / v,  dl/ds = exp(s) / v (1 - (t - m)² / v) / 2

    Metrics by name are of the means. `variance(y)` is v.

    Args:
        min_variance: Above 0; keeps the loss bounded below where a target is met exactly.
    """

    name = "gaussian_nll"
    heads = ("identity",)

    def __init__(self, min_variance: float = 1e-6) -> None:
        self.min_variance = positive(min_variance, "min_variance")

    def __call__(
        self,
        y: NDArray[Any],
        logits: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None = None,
    ) -> Value:
        """See Loss; targets are (N, D)."""
        m, s = y[:, : targets.shape[1]], y[:, targets.shape[1] :]
        targets, weights = without_missing(targets, weights)
        log_v = log_variance(s, self.min_variance)
        scaled = (m - targets) * np.exp(-log_v)
        square = scaled * (m - targets)
        of_log = np.exp(s - log_v) * (1 - square) / 2
        gradient = np.stack([scaled, of_log], axis=1)  # (N, 2, D)
        value = mean((log_v + square) / 2, gradient, weights)
        return value._replace(gradient=value.gradient.reshape(y.shape))

    def variance(self, y: ArrayLike) -> NDArray[Any]:
        """(..., D): the variances in predictions y (..., 2 D)."""
        values = np.asarray(y)
        if values.ndim == 0 or values.shape[-1] % 2:
            raise ValueError(f"y: expected (..., 2 D), got {values.shape}")
        v: NDArray[Any] = np.exp(
            log_variance(values[..., values.shape[-1] // 2 :], self.min_variance)
        )
        return v

    def width(self, outputs: int) -> int:
        """See Loss."""
        return outputs // 2

    def points(self, y: NDArray[Any]) -> NDArray[Any]:
        """See Loss: the means."""
        return y[:, : self.width(y.shape[1])]

    def _quantile(self, y: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Distribution."""
        result: NDArray[np.float64] = self.points(y) + np.sqrt(self.variance(y)) * special().ndtri(
            q
        )
        return result

    def _cdf(self, y: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Distribution."""
        scaled = (targets - self.points(y)) / np.sqrt(self.variance(y))
        result: NDArray[np.float64] = special().ndtr(scaled)
        return result

    def _sample(self, y: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
        """See Distribution."""
        return random.normal(self.points(y), np.sqrt(self.variance(y)))

    def check(self, outputs: int) -> None:
        """See Loss."""
        if outputs % 2:
            raise ValueError(
                "loss: expected a head with two outputs for each target, its mean and the "
                f"logarithm of its variance, got output_size={outputs}"
            )

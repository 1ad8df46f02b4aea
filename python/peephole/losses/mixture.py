"""Loss of forecasts that are mixtures of normal distributions: mixture density networks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._checks import at_least_one, positive
from peephole.losses.base import Value, mean
from peephole.losses.predictive import Distribution, log_variance, special

_HALVINGS = 60  # of an interval, until its width is one of rounding


class MixtureNLL(Distribution):
    """The negative log-likelihood of a mixture of K normal distributions.

    C. M. Bishop, "Mixture density networks", Aston University, NCRG/94/004 (1994), with a variance
    for each of the D values of a target instead of one for all::

        p(t) = Σ_k a_k Π_d N(t_d; m_kd, v_kd),  l = -log p(t)
        a = softmax(z),  v = exp(s) + min_variance

    The network has O = K (1 + 2 D) outputs with head "identity": z (K,), then m (K, D), then
    s (K, D). The loss has one term for each target; missing values of a target are left out of the
    product. The gradients are, with the responsibilities r_k = a_k Π_d N_kd / p::

        dl/dz = a - r,  dl/dm = r (m - t) / v,  dl/ds = r exp(s) / v (1 - (t - m)² / v) / 2

    Metrics by name are of the means Σ_k a_k m_k. `quantile` and `cdf` are of each of the D values
    by itself, `sample` draws all D together.

    Args:
        components: K.
        min_variance: Above 0; keeps the loss bounded below where a target is met exactly.
    """

    name = "mixture_nll"
    heads = ("identity",)

    def __init__(self, components: int, *, min_variance: float = 1e-6) -> None:
        self.components = at_least_one(components, "components")
        self.min_variance = positive(min_variance, "min_variance")

    def __call__(
        self,
        y: NDArray[Any],
        logits: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None = None,
    ) -> Value:
        """See Loss; targets are (N, D)."""
        log_a, m, s = self._parameters(y)
        missing = np.isnan(targets)
        if missing.all(axis=1).any():
            weights = ~missing.all(axis=1) * (1.0 if weights is None else weights)
        there = ~missing[:, None, :]
        t = np.where(missing, 0, targets)[:, None, :]
        log_v = log_variance(s, self.min_variance)
        scaled = (m - t) * np.exp(-log_v)
        square = scaled * (m - t)
        log_n = -(log_v + square + np.log(2 * np.pi)) / 2  # (N, K, D)
        log_joint = log_a + np.sum(log_n, axis=2, where=there)  # (N, K)
        log_p = _log_sum(log_joint)
        r = np.exp(log_joint - log_p)
        of_m = r[:, :, None] * scaled * there
        of_s = r[:, :, None] * np.exp(s - log_v) * (1 - square) / 2 * there
        n = len(y)
        gradient = np.concatenate(
            [np.exp(log_a) - r, of_m.reshape(n, m[:1].size), of_s.reshape(n, m[:1].size)], axis=1
        ).astype(y.dtype, copy=False)
        return mean(-log_p[:, 0], gradient, weights)

    def _parameters(self, y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """The values log a (N, K), m and s (N, K, D) of y (N, O)."""
        k, d = self.components, self.width(y.shape[1])
        z, m, s = y[:, :k], y[:, k : k + k * d], y[:, k + k * d :]
        return z - _log_sum(z), m.reshape(len(y), k, d), s.reshape(len(y), k, d)

    def _components(
        self, y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """The weights (N, K, 1), means and standard deviations (N, K, D)."""
        log_a, m, s = self._parameters(y)
        return np.exp(log_a)[..., None], m, np.exp(log_variance(s, self.min_variance) / 2)

    def width(self, outputs: int) -> int:
        """See Loss."""
        return max((outputs // self.components - 1) // 2, 1)

    def points(self, y: NDArray[Any]) -> NDArray[Any]:
        """See Loss: the means."""
        log_a, m, _ = self._parameters(y)
        means: NDArray[Any] = (np.exp(log_a)[..., None] * m).sum(axis=1)
        return means

    def _quantile(self, y: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Distribution: by bisection between the smallest and the largest of a component."""
        a, m, deviation = self._components(y)
        ndtr = special().ndtr
        of_each = m + deviation * special().ndtri(q)
        low, high = of_each.min(axis=1), of_each.max(axis=1)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            below = (a * ndtr((middle[:, None] - m) / deviation)).sum(axis=1) < q
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        result: NDArray[np.float64] = (low + high) / 2
        return result

    def _cdf(self, y: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Distribution."""
        a, m, deviation = self._components(y)
        result: NDArray[np.float64] = (a * special().ndtr((targets[:, None] - m) / deviation)).sum(
            axis=1
        )
        return result

    def _sample(self, y: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
        """See Distribution."""
        a, m, deviation = self._components(y)
        ends = a[..., 0].cumsum(axis=1)
        chosen = (random.uniform(size=(len(y), 1)) * ends[:, -1:] > ends).sum(axis=1)
        rows = np.arange(len(y))
        drawn: NDArray[np.float64] = random.normal(m[rows, chosen], deviation[rows, chosen])
        return drawn

    def check(self, outputs: int) -> None:
        """See Loss."""
        k = self.components
        if outputs % k or (outputs // k) % 2 == 0 or outputs // k < 3:
            raise ValueError(
                f"loss: expected a head with {k} (1 + 2 D) outputs for targets of D values, the "
                f"weights, means and variances of {k} components, got output_size={outputs}"
            )


def _log_sum(values: NDArray[Any]) -> NDArray[Any]:
    """(N, 1): log Σ exp of each row, which cannot overflow."""
    with np.errstate(invalid="ignore"):  # NaN stays NaN
        result: NDArray[Any] = np.logaddexp.reduce(values, axis=1, keepdims=True)
    return result

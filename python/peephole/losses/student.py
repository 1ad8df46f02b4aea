"""Loss of forecasts that are Student's t-distributions, for heavy tails."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._checks import positive
from peephole.losses.base import Value, mean, without_missing
from peephole.losses.predictive import Distribution, log_variance, special


class StudentTNLL(Distribution):
    """The negative log-likelihood of Student's t-distribution, for targets with outliers.

    With the location m, the squared scale v and the degrees of freedom n, and e = t - m::

        l = log Γ(n/2) - log Γ((n+1)/2) + log(n π v) / 2 + (n+1)/2 log(1 + e² / (n v))
        m = y[..., :D],  v = exp(s) + min_scale²,  n = min_degrees + log(1 + exp(r))

    Targets have D values, and the network has O = 3 D outputs with head "identity": m of all
    targets first, then s, then r. With `degrees` given, n is that number, and O = 2 D. The
    gradients are, with w = (n + 1) / (n v + e²) and the digamma function ψ::

        dl/dm = -w e,  dl/ds = exp(s) / v (1 - w e²) / 2
        dl/dn = (ψ(n/2) - ψ((n+1)/2) + 1/n + log(1 + e² / (n v)) - w e² / n) / 2

    Metrics by name are of m. It needs SciPy.

    Args:
        degrees: The degrees of freedom, above 0; None: outputs of the network.
        min_degrees: Above 0; with more than 2 the variance of the distribution is finite.
        min_scale: Above 0; keeps the loss bounded below where a target is met exactly.
    """

    name = "student_t_nll"
    heads = ("identity",)

    def __init__(
        self, degrees: float | None = None, *, min_degrees: float = 2.0, min_scale: float = 1e-3
    ) -> None:
        self.degrees = None if degrees is None else positive(degrees, "degrees")
        self.min_degrees = positive(min_degrees, "min_degrees")
        self.min_scale = positive(min_scale, "min_scale")

    def __call__(
        self,
        y: NDArray[Any],
        logits: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None = None,
    ) -> Value:
        """See Loss; targets are (N, D)."""
        functions = special()
        targets, weights = without_missing(targets, weights)
        m, log_v, n = self._parameters(y)
        scaled = (targets - m) * np.exp(-log_v / 2)  # e / sqrt(v)
        square = scaled * scaled
        log_part = np.log1p(square / n)
        of_square = (n + 1) / (n + square)  # w v
        terms = functions.gammaln(n / 2) - functions.gammaln((n + 1) / 2)
        terms = terms + np.log(n * np.pi) / 2 + log_v / 2 + (n + 1) / 2 * log_part
        s = y[:, m.shape[1] : 2 * m.shape[1]]
        parts = [
            -of_square * scaled * np.exp(-log_v / 2),
            np.exp(s - log_v) * (1 - of_square * square) / 2,
        ]
        if self.degrees is None:
            of_n = functions.digamma(n / 2) - functions.digamma((n + 1) / 2) + 1 / n
            of_n = (of_n + log_part - of_square * square / n) / 2
            parts.append(of_n * functions.expit(y[:, 2 * m.shape[1] :]))
        gradient = np.stack(parts, axis=1).astype(y.dtype, copy=False)  # (N, 2 or 3, D)
        value = mean(terms, gradient, weights)
        return value._replace(gradient=value.gradient.reshape(y.shape))

    @property
    def _outputs(self) -> int:
        """The outputs for each value of a target."""
        return 3 if self.degrees is None else 2

    def _parameters(self, y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], Any]:
        """m, log v and n, each (N, D), of y (N, O); n may be a number."""
        d = self.width(y.shape[1])
        log_v = log_variance(y[:, d : 2 * d], self.min_scale**2)
        if self.degrees is not None:
            return y[:, :d], log_v, self.degrees
        with np.errstate(invalid="ignore"):  # NaN stays NaN
            n = self.min_degrees + np.logaddexp(0, y[:, 2 * d :])
        return y[:, :d], log_v, n

    def width(self, outputs: int) -> int:
        """See Loss."""
        return outputs // self._outputs

    def points(self, y: NDArray[Any]) -> NDArray[Any]:
        """See Loss: the locations."""
        return y[:, : self.width(y.shape[1])]

    def _quantile(self, y: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Distribution."""
        m, log_v, n = self._parameters(y)
        result: NDArray[np.float64] = m + np.exp(log_v / 2) * special().stdtrit(n, q)
        return result

    def _cdf(self, y: NDArray[np.float64], targets: NDArray[np.float64]) -> NDArray[np.float64]:
        """See Distribution."""
        m, log_v, n = self._parameters(y)
        result: NDArray[np.float64] = special().stdtr(n, (targets - m) * np.exp(-log_v / 2))
        return result

    def _sample(self, y: NDArray[np.float64], random: np.random.Generator) -> NDArray[np.float64]:
        """See Distribution."""
        m, log_v, n = self._parameters(y)
        return m + np.exp(log_v / 2) * random.standard_t(n, size=m.shape)

    def check(self, outputs: int) -> None:
        """See Loss."""
        if outputs % self._outputs:
            what = (
                "location, scale and degrees of freedom"
                if self._outputs == 3
                else "location and scale"
            )
            raise ValueError(
                f"loss: expected a head with {self._outputs} outputs for each target, its {what}, "
                f"got output_size={outputs}"
            )

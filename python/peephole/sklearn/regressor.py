"""LSTMRegressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import check_array, check_consistent_length

from peephole._checks import without_mask
from peephole.metrics import r2
from peephole.sklearn.base import Estimator, check_target
from peephole.sklearn.inputs import FLOATS, read_input


class LSTMRegressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """Predicts one or several values for each sequence: an LSTM with a linear head.

    Trained on the squared error. Targets far from unit size take long to train: scale them, for
    example by `sklearn.compose.TransformedTargetRegressor`. X and the parameters, other than
    `class_weight`, are those of `LSTMClassifier`.

    Attributes:
        n_features_in_, network_, history_: As in `LSTMClassifier`.

    Raises:
        ValueError, TypeError: In `fit`, if a parameter or the data are wrong.

    Example:
        >>> windows = np.lib.stride_tricks.sliding_window_view(series, 25)
        >>> regressor = LSTMRegressor(random_state=0).fit(windows[:, :24], windows[:, 24])
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LSTMRegressor:
        """Trains on X and targets y, (n,) or (n, O).

        With fit_options={"missing": "skip"}, targets that are NaN are left out. sample_weight: (n,)
        weights of the sequences in the loss, 0 or more.
        """
        return self._fit(X, y, sample_weight, partial=False)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> LSTMRegressor:
        """Trains for one epoch on X and targets y, continuing from the last call, if any."""
        return self._fit(X, y, sample_weight, partial=True)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² of the predictions; targets that are NaN are left out if `fit` does so."""
        targets = np.asarray(y)
        if not (self._skips_missing() and targets.dtype.kind == "f" and np.isnan(targets).any()):
            return float(super().score(X, y, sample_weight))
        without_mask(y, "y")
        weights = None if sample_weight is None else np.asarray(sample_weight)
        predicted = self.predict(X)
        if targets.shape != predicted.shape:
            raise ValueError(f"y: expected {predicted.shape}, got {targets.shape}")
        rows = (len(targets), -1)
        return r2(predicted.reshape(rows), targets.reshape(rows), weights)

    def _skips_missing(self) -> bool:
        return (self.fit_options or {}).get("missing") == "skip"

    def _fit(self, X: Any, y: Any, sample_weight: Any, partial: bool) -> LSTMRegressor:
        check_target(self, y)
        x = read_input(self, X, self.n_steps, reset=not self._continues(partial))
        targets = check_array(
            y,
            ensure_2d=False,
            dtype=FLOATS,
            ensure_all_finite="allow-nan" if self._skips_missing() else True,
            input_name="y",
            estimator=self,
        )
        if targets.ndim > 2:
            raise ValueError(f"y: expected (n,) or (n, outputs), got {targets.shape}")
        check_consistent_length(x, targets)
        outputs = targets.shape[1] if targets.ndim == 2 else 1
        self._train(x, targets, outputs, "identity", partial, sample_weight=sample_weight)
        self._target_shape = targets.shape[1:]
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """(n,) or (n, O), with the shape of the targets in `fit`."""
        outputs = self._outputs(X)
        return outputs.reshape(len(outputs), *self._target_shape)

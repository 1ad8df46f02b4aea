"""X of the estimators: lists of sequences, 3-D arrays, and flat windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from peephole._checks import at_least_one, without_mask
from peephole._sequences import alike

FLOATS = [np.float64, np.float32]
_CHECKED_TOGETHER = 256  # sequences; many share the overhead, and their copy stays small


def read_input(
    estimator: Any, x: Any, n_steps: int | None, reset: bool
) -> NDArray[Any] | list[NDArray[Any]]:
    """X in the form for `Network`: (n, T, I), or a list of (T_i, I).

    `reset`: whether to set the estimator's `n_features_in_`, with which X is compared otherwise.
    """
    without_mask(x, "X")
    if _are_sequences(x):
        return _read_sequences(estimator, x, reset)
    flat = validate_data(estimator, x, reset=reset, dtype=FLOATS)
    features = flat.shape[1]
    steps = features if n_steps is None else at_least_one(n_steps, "n_steps")
    if features % steps:
        raise ValueError(
            f"X: expected flat windows of n_steps={steps} steps, a multiple of {steps} "
            f"features, got {features}"
        )
    windows: NDArray[Any] = flat.reshape(len(flat), steps, features // steps)
    return windows


def _read_sequences(estimator: Any, x: Any, reset: bool) -> NDArray[Any] | list[NDArray[Any]]:
    sequences: NDArray[Any] | list[NDArray[Any]]
    clean = False
    if getattr(x, "ndim", 0) == 3:
        sequences = check_array(x, allow_nd=True, dtype=FLOATS, input_name="X", estimator=estimator)
    else:
        sequences = list(x)
        clean = _are_clean(sequences)
        if not clean:
            sequences = [
                check_array(item, dtype=FLOATS, input_name=f"X[{k}]", estimator=estimator)
                for k, item in enumerate(sequences)
            ]
    if reset:
        estimator.n_features_in_ = int(sequences[0].shape[-1])
    if isinstance(sequences, np.ndarray) or clean:  # all have the same number of features
        wrong = [0] if sequences[0].shape[-1] != estimator.n_features_in_ else []
    else:
        wrong = [k for k, s in enumerate(sequences) if s.shape[-1] != estimator.n_features_in_]
    if wrong:
        raise ValueError(
            f"X[{wrong[0]}]: expected sequences of {estimator.n_features_in_} features, "
            f"got {sequences[wrong[0]].shape}"
        )
    return sequences


def _are_sequences(x: Any) -> bool:
    """Whether X is a 3-D array or a list of 2-D arrays, rather than flat windows."""
    if isinstance(x, (list, tuple)) or (getattr(x, "ndim", 0) == 1 and x.dtype == object):
        return len(x) > 0 and np.ndim(x[0]) == 2
    return getattr(x, "ndim", 0) == 3


def _are_clean(sequences: list[Any]) -> bool:
    """Whether `check_array` would return each sequence unchanged, and all have the same features.

    `check_array` takes a third of a millisecond, more than the network needs for a short sequence;
    here the values of many sequences are checked together.
    """
    if not all(type(item) is np.ndarray for item in sequences) or not alike(sequences):
        return False
    if sequences[0].ndim != 2 or sequences[0].dtype not in FLOATS or not sequences[0].shape[1]:
        return False
    if not all(map(len, sequences)):
        return False
    for start in range(0, len(sequences), _CHECKED_TOGETHER):
        if not np.isfinite(np.concatenate(sequences[start : start + _CHECKED_TOGETHER])).all():
            return False
    return True

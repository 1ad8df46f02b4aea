"""How far label sequences are from those that were wanted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array


def label_error_rate(
    y_pred: Sequence[ArrayLike], y_true: Sequence[ArrayLike], weights: ArrayLike | None = None
) -> float:
    """The number of errors for each true label, Σ distance / Σ length; 0 is perfect.

    The distance is the smallest number of labels to insert, delete or replace to make the predicted
    sequence the true one (V. I. Levenshtein 1966). NaN if there is no true label.

    Args:
        y_pred: A list of n label sequences (S_i,), for example of `peephole.decoding.greedy`.
        y_true: As many true label sequences, of any lengths.
        weights: (n,), 0 or more.
    """
    predicted, true = _read(y_pred, "y_pred"), _read(y_true, "y_true")
    if len(predicted) != len(true):
        raise ValueError(
            f"y_true: expected {len(predicted)} sequences as in y_pred, got {len(true)}"
        )
    w = np.ones(len(true)) if weights is None else np.asarray(weights, np.float64)
    if w.shape != (len(true),):
        raise ValueError(f"weights: expected ({len(true)},), got {w.shape}")
    lengths = np.array([len(sequence) for sequence in true], np.float64)
    total = float((w * lengths).sum())
    if total == 0:
        return math.nan
    errors = [_distance(a, b) for a, b in zip(predicted, true, strict=True)]
    return float((w * np.array(errors, np.float64)).sum()) / total


def _distance(a: NDArray[Any], b: NDArray[Any]) -> int:
    """The edit distance of two label sequences."""
    place = np.arange(len(b) + 1)
    row = place  # the distances of a's first labels to each beginning of b
    for label in a:
        changed = np.concatenate([row[:1] + 1, np.minimum(row[1:] + 1, row[:-1] + (b != label))])
        row = np.minimum.accumulate(changed - place) + place  # insertions, from left to right
    return int(row[-1])


def _read(sequences: Any, name: str) -> list[NDArray[Any]]:
    if not isinstance(sequences, (list, tuple)):
        raise TypeError(
            f"{name}: expected a list of label sequences, got {type(sequences).__name__}"
        )
    items = [array(item, f"{name}[{k}]") for k, item in enumerate(sequences)]
    for k, item in enumerate(items):
        if item.ndim != 1:
            raise ValueError(f"{name}[{k}]: expected labels (S,), got {item.shape}")
        if item.size and item.dtype.kind not in "iu":
            raise TypeError(f"{name}[{k}]: expected integers, got {item.dtype}")
    return items

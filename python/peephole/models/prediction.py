"""Predictions for many sequences, one batch at a time."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from peephole._sequences import Sequences, inference_batches


def predict_list(model: Any, inputs: Sequences, batch_size: int) -> list[NDArray[Any]]:
    """Arrays y (T_i, O), one for each sequence, for readout "all"."""
    result: dict[int, NDArray[Any]] = {}
    for rows, y in inference_batches(model, inputs, batch_size):
        for row, outputs in zip(rows.tolist(), y, strict=True):
            result[row] = outputs[: inputs.lengths[row]].copy()
    return [result[row] for row in range(len(result))]


def predict_into(result: NDArray[Any], model: Any, inputs: Sequences, batch_size: int) -> None:
    """Writes y to `result`, (n, T, O) or for readout "last" (n, O), which must be 0 before."""
    for rows, y in inference_batches(model, inputs, batch_size):
        if result.ndim == 3:
            result[rows, : y.shape[1]] = y
        else:
            result[rows] = y

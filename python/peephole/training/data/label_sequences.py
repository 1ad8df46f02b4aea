"""Targets of the loss CTC: a sequence of labels for each sequence, not aligned with its steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._checks import array
from peephole._sequences import Sequences, is_ragged
from peephole.losses import CTC
from peephole.losses.alignment import PADDING, steps_needed


def read_label_sequences(
    y: Any, inputs: Sequences, options: dict[str, Any], loss: CTC
) -> NDArray[np.intp]:
    """(n, S) with -1 after the labels of each sequence.

    y is a list of n label sequences (S_i,), or an array (n, S). Raises ValueError or TypeError.
    """
    if options["readout"] != "all":
        raise ValueError(
            'loss: expected a network of readout "all" with the loss ctc, '
            f'got readout "{options["readout"]}"'
        )
    targets = _padded(y, len(inputs.lengths))
    outputs = int(options["output_size"])
    wrong = loss.wrong(targets, outputs)
    if wrong.any():
        row, place = np.argwhere(wrong)[0]
        raise ValueError(
            f"y: expected {loss.wanted(outputs)}, got {targets[row, place]} in sequence {row}"
        )
    needed = steps_needed(targets)
    short = np.flatnonzero(needed > inputs.lengths)
    if short.size and not loss.zero_infinity:
        row = int(short[0])
        raise ValueError(
            f"y: expected labels that fit in the {inputs.lengths[row]} steps of sequence {row}, "
            f"got {(targets[row] >= 0).sum()} that need {needed[row]}; "
            "losses.CTC(zero_infinity=True) leaves such sequences out"
        )
    return targets


def _padded(y: Any, n: int) -> NDArray[np.intp]:
    if not is_ragged(y):
        values = _labels(y, "y")
        if values.ndim != 2 or len(values) != n:
            raise ValueError(
                f"y: expected a list of {n} label sequences, or ({n}, labels) with -1 after them, "
                f"got {values.shape}"
            )
        return values.astype(np.intp)
    if len(y) != n:
        raise ValueError(f"y: expected {n} label sequences as in x, got {len(y)}")
    items = [_labels(item, f"y[{k}]") for k, item in enumerate(y)]
    for k, item in enumerate(items):
        if item.ndim != 1:
            raise ValueError(f"y[{k}]: expected labels (S,), got {item.shape}")
        if (item < 0).any():
            raise ValueError(f"y[{k}]: expected labels of 0 or more, got {item.min()}")
    padded = np.full((n, max(map(len, items), default=0)), PADDING, np.intp)
    for place, item in zip(padded, items, strict=True):
        place[: len(item)] = item
    return padded


def _labels(y: Any, name: str) -> NDArray[Any]:
    values = array(y, name, "use y.filled(-1), with -1 after the labels")
    if values.size and values.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected class labels, integers, got {values.dtype}")
    return values

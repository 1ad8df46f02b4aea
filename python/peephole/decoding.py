"""Label sequences of the outputs of a network that was trained with `losses.CTC`.

Outputs are the probabilities of the labels and the blank, as `Network.predict` gives them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array, at_least_one, at_least_zero
from peephole._sequences import is_ragged

__all__ = ["Hypothesis", "beam_search", "greedy"]

_LARGEST = 1 + 1e-3  # of a probability that was computed in float32


class Hypothesis(NamedTuple):
    """A label sequence that a beam search has found."""

    labels: NDArray[np.intp]  # (S,)
    log_probability: float  # of the labels: the sum over the alignments that the search has kept


def greedy(y: Any, lengths: ArrayLike | None = None, *, blank: int = 0) -> Any:
    """The labels of the most probable path: the largest output of each step.

    Repeated outputs are merged, then blanks are removed ("best path decoding", Graves et al. 2006,
    section 3.2).

    Args:
        y: (B, T, O), a list of (T_i, O) arrays, or (T, O) for a single sequence.
        lengths: (B,) integers in 0..T, only with (B, T, O).
        blank: The output that stands for no label.

    Returns:
        A list of B arrays (S_i,) of labels; for a single sequence one array.

    Raises:
        ValueError, TypeError: If an argument is wrong; the message names it.
    """
    sequences, single = _read(y, lengths, blank)
    labels = [_collapse(sequence.argmax(axis=1), blank) for sequence in sequences]
    return labels[0] if single else labels


def beam_search(
    y: Any, lengths: ArrayLike | None = None, *, width: int = 16, blank: int = 0
) -> Any:
    """The most probable label sequences, over all their alignments.

    Keeps the `width` most probable prefixes after each step, each with the probability of its paths
    that end in a blank and of those that end in its last label (prefix search of Graves et al.
    2006, section 3.2, as a beam: A. Hannun, A. Maas, D. Jurafsky, A. Ng, 2014, arXiv:1408.2873).

    Args:
        y, lengths, blank: As in `greedy`.
        width: The number of prefixes to keep.

    Returns:
        A list of B lists of at most `width` `Hypothesis`, the most probable first; for a single
        sequence one such list.

    Raises:
        ValueError, TypeError: If an argument is wrong; the message names it.
    """
    width = at_least_one(width, "width")
    sequences, single = _read(y, lengths, blank)
    found = [_search(sequence, width, blank) for sequence in sequences]
    return found[0] if single else found


def _collapse(path: NDArray[np.intp], blank: int) -> NDArray[np.intp]:
    """(S,): a path (T,) without repetitions and blanks."""
    begins = np.ones(len(path), np.bool_)
    begins[1:] = path[1:] != path[:-1]
    labels: NDArray[np.intp] = path[begins & (path != blank)]
    return labels


def _search(y: NDArray[Any], width: int, blank: int) -> list[Hypothesis]:
    with np.errstate(divide="ignore"):
        log_y = np.log(y.astype(np.float64))
    labels = [k for k in range(y.shape[1]) if k != blank]
    # prefix -> log probabilities of its paths that end in a blank, and in its last label
    beam: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -np.inf)}
    for step in log_y.tolist():
        ends: dict[tuple[int, ...], list[float]] = {}
        for prefix, (in_blank, in_label) in beam.items():
            total = _log_add(in_blank, in_label)
            same = ends.setdefault(prefix, [-np.inf, -np.inf])
            same[0] = _log_add(same[0], total + step[blank])
            for k in labels:
                extended = ends.setdefault((*prefix, k), [-np.inf, -np.inf])
                if prefix and prefix[-1] == k:  # only a blank separates equal labels
                    same[1] = _log_add(same[1], in_label + step[k])
                    extended[1] = _log_add(extended[1], in_blank + step[k])
                else:
                    extended[1] = _log_add(extended[1], total + step[k])
        ranked = sorted(ends.items(), key=lambda item: -_log_add(*item[1]))
        beam = {prefix: (a, b) for prefix, (a, b) in ranked[:width] if max(a, b) > -np.inf}
    return [
        Hypothesis(np.array(prefix, np.intp), float(_log_add(*ends)))
        for prefix, ends in beam.items()
    ]


def _log_add(a: float, b: float) -> float:
    """log(exp(a) + exp(b)) of numbers."""
    if a < b:
        a, b = b, a
    return a if b == -np.inf else a + float(np.log1p(np.exp(b - a)))


def _read(y: Any, lengths: ArrayLike | None, blank: int) -> tuple[list[NDArray[Any]], bool]:
    """The sequences (T_i, O) in y, and whether y is a single one."""
    blank = at_least_zero(blank, "blank")
    if is_ragged(y):
        if lengths is not None:
            raise ValueError("lengths: allowed only with an array y, not with a list")
        names = [f"y[{k}]" for k in range(len(y))]
        return [_outputs(array(v, n), n, 2, blank) for v, n in zip(y, names, strict=True)], False
    values = array(y, "y")
    if values.ndim == 2:
        if lengths is not None:
            raise ValueError(
                "lengths: allowed only with y (batch, time, outputs), got (time, outputs)"
            )
        return [_outputs(values, "y", 2, blank)], True
    if lengths is None or values.ndim != 3:
        return list(_outputs(values, "y", 3, blank)), False
    steps = array(lengths, "lengths")
    if steps.dtype.kind not in "iu":
        raise TypeError(f"lengths: expected integers, got {steps.dtype}")
    batch, time = values.shape[:2]
    if steps.shape != (batch,) or (steps < 0).any() or (steps > time).any():
        raise ValueError(f"lengths: expected ({batch},) integers in 0..{time}, got {lengths!r}")
    return [_outputs(v[:n], "y", 2, blank) for v, n in zip(values, steps, strict=True)], False


def _outputs(values: NDArray[Any], name: str, ndim: int, blank: int) -> NDArray[Any]:
    """`values`, probabilities (..., T, O) with an output for the blank."""
    if values.dtype.kind != "f":
        raise TypeError(f"{name}: expected probabilities, got {values.dtype}")
    if values.ndim != ndim:
        shapes = "(batch, time, outputs), (time, outputs) or a list of (time, outputs)"
        raise ValueError(f"{name}: expected {shapes}, got {values.shape}")
    if blank >= values.shape[-1]:
        raise ValueError(f"blank: expected one of the {values.shape[-1]} outputs, got {blank}")
    if not ((values >= 0) & (values <= _LARGEST)).all():
        raise ValueError(f"{name}: expected probabilities in 0..1, got others")
    return values

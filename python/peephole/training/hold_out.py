"""`validation_share`: which sequences are held out for validation.

If the targets are labels, they are drawn at random, each class in proportion; otherwise they are
the last ones. Of overlapping windows of one series, the last ones are held out, and those just
before them that share steps with them are not used, so that no validation data are trained on.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from peephole._sequences import Sequences
from peephole.training.data.batches import Data

Part: TypeAlias = tuple[Data, NDArray[np.intp]]  # data, and the rows of it to use


def hold_out(
    data: Data, fraction: float, shuffle: bool | None, random: np.random.Generator
) -> tuple[Part, Part]:
    """(part to train on, part to validate with).

    With `shuffle` None, labels are shuffled unless the sequences are overlapping windows. Of a
    single sequence with a target per step, the last steps are held out.
    """
    n, rows = len(data), np.arange(len(data))
    if n == 1 and data.targets.per_step:
        time = int(data.lengths[0])
        cut = time - _held_out(time, fraction, "steps")
        return (data.steps(0, cut), rows), (data.steps(cut, time), rows)
    held = _held_out(n, fraction, "sequences")
    gap = 0 if shuffle else _gap(data, n - held)
    if shuffle is None:
        shuffle = data.targets.are_labels and gap == 0
    if shuffle:
        chosen = _drawn(data, held, random)
        return (data, np.delete(rows, chosen)), (data, chosen)
    if gap >= n - held:
        raise ValueError(
            f"validation_share: expected to leave some of {n} sequences to train on, got "
            f"{fraction}: the {gap} windows before those held out share steps with them"
        )
    return (data, rows[: n - held - gap]), (data, rows[n - held :])


def _held_out(n: int, fraction: float, what: str) -> int:
    count = max(1, round(n * fraction))
    if count >= n:
        raise ValueError(
            f"validation_share: expected to leave some of {n} {what} to train on, got {fraction}"
        )
    return count


def _drawn(data: Data, held: int, random: np.random.Generator) -> NDArray[np.intp]:
    """Random rows, sorted; of labels per sequence, each class by its proportion."""
    order = random.permutation(len(data))
    if not data.targets.are_labels or data.targets.per_step:
        return np.sort(order[:held])
    labels = data.targets.take(np.arange(len(data)))
    if labels.ndim > 1:  # label sequences have no class
        return np.sort(order[:held])
    _, codes, sizes = np.unique(labels[order], return_inverse=True, return_counts=True)
    # The rank of each row within its class, in random order, as a fraction of the class. The rows
    # with the smallest fractions are held out; the last row of each class comes after all others.
    by_class = np.argsort(codes, kind="stable")
    rank = np.empty(len(codes), np.intp)
    rank[by_class] = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    is_last = rank == sizes[codes] - 1
    position = np.where(is_last, np.inf, (rank + 0.5) / sizes[codes])
    return np.sort(order[np.argsort(position, kind="stable")[:held]])


def _gap(data: Data, cut: int) -> int:
    """The sequences before `cut` that share steps with those from `cut` on, as windows do."""
    of_inputs = _overlap(data.inputs.values, data.lengths, cut)
    targets = data.targets.values
    values = targets.values if isinstance(targets, Sequences) else targets
    if of_inputs == 0 or (not isinstance(values, list) and values.ndim < 2):
        return of_inputs
    # Forecasts of several steps may overlap further than the inputs.
    lengths = data.lengths if data.targets.per_step else np.full(len(data), values[0].size)
    return max(of_inputs, _overlap(values, lengths, cut))


def _overlap(values: NDArray[Any] | list[NDArray[Any]], lengths: NDArray[np.intp], cut: int) -> int:
    """The same for an array (n, T, ...), or a list of (T_i, ...)."""
    if not isinstance(values, list) and (found := _shared_memory(values)):
        return min(found, cut)

    def item(k: int) -> NDArray[Any]:
        return np.asarray(values[k][: lengths[k]])

    shift = _shift(item(cut - 1), item(cut))
    if shift is None:
        return 0
    count = 1
    while count < cut and (count + 1) * shift < len(item(cut)):
        if not _continues(item(cut - count - 1), item(cut - count), shift):
            break
        count += 1
    return count


def _shared_memory(values: NDArray[Any]) -> int:
    """How many of the next windows of a view (n, T, ...) share memory with each one."""
    n, time = values.shape[:2]
    of_row, of_step = abs(values.strides[0]), abs(values.strides[1])
    if 0 in (of_row, of_step):  # an array that is broadcast
        return 0
    # Step t + b of a row and step t of the row `a` below it are the same for these a and b.
    common = math.gcd(of_row, of_step)
    if of_step // common >= n or of_row // common >= time:
        return 0
    return int((time - 1) * of_step // of_row)


def _shift(first: NDArray[Any], second: NDArray[Any]) -> int | None:
    """The steps by which a window is moved from the one before it; None: they do not overlap.

    At least two steps must be in common that are not all the same, since sequences of few different
    values are equal in some steps by chance.
    """
    if len(first) != len(second):
        return None
    for shift in range(1, len(first) - 1):
        if _continues(first, second, shift) and (first[shift:] != first[shift]).any():
            return shift
    return None


def _continues(first: NDArray[Any], second: NDArray[Any], shift: int) -> bool:
    """Whether the steps of `first` from `shift` on are the first ones of `second`."""
    if first.shape != second.shape:
        return False
    same = np.array_equal(first[shift : shift + 1], second[:1], equal_nan=first.dtype.kind == "f")
    return same and np.array_equal(
        first[shift:], second[: len(second) - shift], equal_nan=first.dtype.kind == "f"
    )

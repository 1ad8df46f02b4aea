"""Loss of label sequences that are not aligned with the steps: CTC."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole import _core as core
from peephole import decoding
from peephole._checks import at_least_zero, flag
from peephole.losses.base import Loss, Value, mean

PADDING = -1  # after the labels of a target


class CTC(Loss):
    """-log p(labels | x), summed over all alignments of the labels with the steps.

    A. Graves, S. Fernández, F. Gomez, J. Schmidhuber, "Connectionist temporal classification",
    ICML 2006, 369-376. In each step a softmax head gives one of the labels or the blank. A path, an
    output for each step, stands for the labels that are left after repeated outputs are merged and
    blanks are removed; p is the sum over all paths that stand for the target. It is computed in
    log space and in float64. The gradient of the logits of step t is

        dl/dz = softmax(z) - Σ_s p(path is in state s at t | labels) onehot(label of s)

    with the states s of the target with blanks before, between and after its labels.

    In `fit`, y is a list of label sequences (S_i,), without lengths or positions of the labels in
    x; or an array (n, S), filled up with -1. A target may be empty. The network has head "softmax",
    readout "all", and an output for each label and the blank. The loss has a term for each
    sequence, so weights are (n,). Metrics by name are of the labels that `peephole.decoding.greedy`
    reads in y.

    Args:
        blank: The output that stands for no label.
        zero_infinity: Whether a sequence with too few steps for its labels counts as loss 0 with
            gradient 0. Otherwise its loss is infinite, with a gradient of NaN, and `fit` refuses it
            with a ValueError. A sequence needs a step for each label, and one more for each label
            that equals the one before it.
    """

    name = "ctc"
    heads = ("softmax",)
    of_logits = True

    def __init__(self, blank: int = 0, *, zero_infinity: bool = False) -> None:
        self.blank = at_least_zero(blank, "blank")
        self.zero_infinity = flag(zero_infinity, "zero_infinity")

    def __call__(
        self,
        y: NDArray[Any],
        logits: NDArray[Any],
        targets: NDArray[Any],
        weights: NDArray[Any] | None = None,
        lengths: NDArray[Any] | None = None,
    ) -> Value:
        """The loss of whole sequences.

        y is (B, T, O) with `lengths` (B,), its logits are (B, T, O), targets (B, S) with -1 after
        the labels, weights (B,).
        """
        if lengths is None:
            lengths = np.full(len(y), y.shape[1], np.intp)
        labels = targets != PADDING
        terms, gradient = core.ctc(logits, lengths, targets[labels], labels.sum(axis=1), self.blank)
        if self.zero_infinity:
            impossible = np.isinf(terms)
            terms, gradient[impossible] = np.where(impossible, 0.0, terms), 0
        value = mean(terms, gradient.reshape(len(y), y[:1].size), weights)
        return value._replace(gradient=value.gradient.reshape(y.shape))

    def present(self, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """See Loss: (B, S), True for the labels."""
        labels: NDArray[np.bool_] = targets != PADDING
        return labels

    def counts(self, targets: NDArray[Any]) -> NDArray[np.bool_]:
        """See Loss: (B,), all True, since a target may be empty."""
        return np.ones(len(targets), np.bool_)

    def wrong(self, targets: NDArray[Any], outputs: int) -> NDArray[np.bool_]:
        """See Loss."""
        label = targets != PADDING
        out_of_range = (targets < 0) | (targets >= outputs) | (targets == self.blank)
        last = np.maximum.accumulate(label[:, ::-1], axis=1)[:, ::-1]  # labels follow
        wrong: NDArray[np.bool_] = np.where(label, out_of_range, last)
        return wrong

    def wanted(self, outputs: int) -> str:
        """See Loss."""
        return f"class labels in 0..{outputs - 1} other than the blank {self.blank}"

    def check(self, outputs: int) -> None:
        """See Loss."""
        if self.blank >= outputs:
            raise ValueError(
                f"loss: expected a blank in 0..{outputs - 1} for a head with output_size="
                f"{outputs}, got {self.blank}"
            )

    def decode(self, y: list[NDArray[Any]]) -> list[NDArray[np.intp]]:
        """The labels that `peephole.decoding.greedy` reads in outputs, a list of (T_i, O)."""
        labels: list[NDArray[np.intp]] = decoding.greedy(y, blank=self.blank)
        return labels


def steps_needed(targets: NDArray[Any]) -> NDArray[np.intp]:
    """(B,): the fewest steps that can give each target (B, S) with -1 after the labels."""
    label = targets != PADDING
    repeated = label[:, 1:] & (targets[:, 1:] == targets[:, :-1])
    needed: NDArray[np.intp] = label.sum(axis=1) + repeated.sum(axis=1)
    return needed

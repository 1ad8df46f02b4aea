"""Losses for `Network.fit`.

Each loss is a mean over its terms, weighted if there are weights: Σ w l / Σ w. There are terms for
each valid step of each sequence, or for readout "last" for each sequence, as always for `CTC`. A
term of weight 0 or of a missing target counts as absent: it has no effect on the loss, and its
gradient is 0, even if it is not finite. `Network.fit` takes a loss by name, an object of these
classes, or a custom function.

A custom function (y_pred, y_true, lengths) -> (loss, dy) is called for each batch, or with `tbptt`
for each piece of one. It gets

- y_pred: (B, T, O), for readout "last" (B, O), in the network's dtype. Padding is 0.
- y_true: (B, T, ...), for readout "last" (B, ...): the targets, of any width and dtype, which stay
  as they were given; those in lists are padded with zeros. They are NaN where they are missing, if
  missing="skip"; the function must leave these out itself.
- lengths: (B,) integers in 0..T: the steps of each sequence in the batch or piece, for readout
  "last", too. A sequence that ended before the piece has 0.

It returns the loss, a number, and its gradient dy, of y_pred's shape and of any float dtype; dy
beyond a sequence's length is ignored. The function itself must apply weights of samples and
classes, if any. An epoch's loss is the mean over its batches, weighted by the sequences in them
that have a step.
"""

from peephole.losses.alignment import CTC
from peephole.losses.base import Loss, Value
from peephole.losses.distributions import GaussianNLL, Quantile
from peephole.losses.labels import CrossEntropy
from peephole.losses.mixture import MixtureNLL
from peephole.losses.predictive import Distribution
from peephole.losses.student import StudentTNLL
from peephole.losses.values import (
    BinaryCrossEntropy,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
)

__all__ = [
    "CTC",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Distribution",
    "GaussianNLL",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MixtureNLL",
    "Quantile",
    "StudentTNLL",
]

# Pickles and messages use the public place of these names, not the module that defines them.
for _public in (*map(globals().__getitem__, __all__), Value):
    _public.__module__ = __name__

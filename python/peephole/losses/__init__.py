"""Losses for `Network.fit`.

Each loss is a mean over its terms, weighted if there are weights: Σ w l / Σ w. There are terms for
each valid step of each sequence, or for readout "last" for each sequence. A term of weight 0 or of
a missing target counts as absent: it has no effect on the loss, and its gradient is 0, even if it
is not finite. `Network.fit` takes a loss by name, an object of these classes, or a custom function.
"""

from peephole.losses.base import Loss, Value
from peephole.losses.distributions import GaussianNLL, Quantile
from peephole.losses.labels import CrossEntropy
from peephole.losses.values import (
    BinaryCrossEntropy,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
)

__all__ = [
    "BinaryCrossEntropy",
    "CrossEntropy",
    "GaussianNLL",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Quantile",
]

# Pickles and messages use the public place of these names, not the module that defines them.
for _public in (*map(globals().__getitem__, __all__), Value):
    _public.__module__ = __name__

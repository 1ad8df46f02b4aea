"""Optimisers, for `Network.fit` and for custom training loops."""

from peephole.optim.base import Optimiser
from peephole.optim.clipping import clip_norm, clip_value
from peephole.optim.rules import SGD, Adam, AdamW, RMSprop

__all__ = ["SGD", "Adam", "AdamW", "Optimiser", "RMSprop", "clip_norm", "clip_value"]

# Pickles and messages use the public place of these names, not the module that defines them.
for _public in map(globals().__getitem__, __all__):
    _public.__module__ = __name__

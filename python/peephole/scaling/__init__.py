"""Scaling of features to mean 0 and standard deviation 1, for sequences of any lengths."""

from peephole.scaling.standardiser import NotFittedError, Standardiser

__all__ = ["NotFittedError", "Standardiser"]

# Pickles and messages use the public place of this name, not the module that defines it.
NotFittedError.__module__ = __name__

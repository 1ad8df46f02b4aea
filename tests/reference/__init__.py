"""Slow, readable implementations of the model that the library is compared with."""

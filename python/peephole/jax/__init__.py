"""Peephole LSTMs as functions of JAX arrays; needs JAX: `pip install "peephole[jax]"`."""

from peephole.interop.packages import needed

needed("jax", '"peephole[jax]"')

from peephole.jax.lstm import from_lstm, init, lstm, to_lstm  # noqa: E402

__all__ = ["from_lstm", "init", "lstm", "to_lstm"]

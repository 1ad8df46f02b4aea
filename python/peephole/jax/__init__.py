"""Peephole LSTMs as functions of JAX arrays; needs JAX: `pip install "peephole[jax]"`."""

try:
    import jax as _jax
except ImportError as error:
    raise ImportError(f'peephole.jax needs JAX: pip install "peephole[jax]" ({error})') from error

from peephole.jax.lstm import from_lstm, init, lstm, to_lstm

__all__ = ["from_lstm", "init", "lstm", "to_lstm"]

del _jax

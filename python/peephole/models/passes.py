"""The forward and backward passes of training, by the core model of an `LSTM` or a `Network`."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from peephole._checks import call_arrays, flag, seed_number_or_none, without_mask
from peephole._types import Gradients, Seed


def forward(model: Any, x: Any, state: Any, lengths: Any, seed: Seed, recompute: bool) -> Any:
    """What the core's `forward` returns, for the arguments of `LSTM.forward`."""
    recompute = flag(recompute, "recompute")
    number = seed_number_or_none(seed)
    x, lengths = call_arrays(x, state, lengths)
    return model.forward(x, state, lengths, number, recompute)


def backward(
    model: Any, tape: Any, dstate: Any, inputs: bool, **gradients: NDArray[Any] | None
) -> Gradients:
    """The core's `backward`, for the arguments of `LSTM.backward`; `gradients` has dy."""
    without_mask(dstate, "dstate")
    inputs = flag(inputs, "inputs")
    return Gradients(*model.backward(tape, dstate=dstate, inputs=inputs, **gradients))

"""peephole.LSTM, through Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import peephole

from bench.implementations.interface import Implementation, Opened
from bench.problem import DENSE, NOTE, VANILLA, Array, Arrays, Problem
from bench.timing import Call

_PEEPHOLE = {NOTE: "diagonal", DENSE: "dense", VANILLA: "none"}


class Ours(Implementation):
    """The note's model: peepholes on all four gates, diagonal or dense, or none.

    Args:
        model: NOTE, DENSE or VANILLA.
        lengths: (B,) of a ragged batch; None: every sequence has T steps.
        same_weights: Leave the parameters alone between training passes. Otherwise, as any
            optimiser would, one is written before each, so that nothing derived from them can be
            kept.
        recompute: Train with gates and cell states computed again in backward.
        noise: Options of recurrent dropout and zoneout.
    """

    name = "peephole"

    def __init__(
        self,
        model: str = NOTE,
        lengths: Array | None = None,
        same_weights: bool = False,
        recompute: bool = False,
        noise: Mapping[str, float] | None = None,
    ) -> None:
        self.model = model
        self.lengths = lengths
        self.same_weights = same_weights
        self.recompute = recompute
        self.noise = dict(noise or {})

    def version(self) -> str:
        """See Implementation."""
        return str(peephole.__version__)

    def missing(self, dtype: str) -> str | None:
        """See Implementation."""
        return None

    def open(self, problem: Problem, threads: int) -> OursOpened:
        """See Implementation."""
        return OursOpened(self, problem, threads)


class OursOpened(Opened):
    """A layer with the problem's parameters."""

    def __init__(self, ours: Ours, problem: Problem, threads: int) -> None:
        shape = problem.shape
        lstm = peephole.LSTM(
            shape.I,
            shape.H,
            peephole=_PEEPHOLE[ours.model],
            dtype=problem.dtype,
            seed=0,
            **ours.noise,  # type: ignore[arg-type]
        )
        values = problem.parameters | {"weight_ch": problem.peepholes(ours.model)}
        for name in lstm.parameters:
            lstm.parameters[name] = values[name.removesuffix("_l0")]
        self.lstm = lstm
        self.x, self.dy, self.lengths = problem.x, problem.dy, ours.lengths
        self.recompute = ours.recompute
        self.seed = 1 if ours.noise else None
        bias = values["bias"]

        def change() -> None:
            lstm.parameters["bias_l0"] = bias

        self.turn = lambda: peephole.set_num_threads(threads)
        self.inference = Call(self.infer, turn=self.turn)
        self.training = Call(self.train, None if ours.same_weights else change, self.turn)

    def infer(self) -> Any:
        """Inference, and its results."""
        if self.lengths is None:
            return self.lstm(self.x)
        return self.lstm(self.x, lengths=self.lengths)

    def train(self) -> tuple[Array, Any]:
        """Forward and backward: y, and the gradients of x and all parameters."""
        y, _, tape = self.lstm.forward(
            self.x, lengths=self.lengths, seed=self.seed, recompute=self.recompute
        )
        return y, self.lstm.backward(tape, self.dy)

    def answers(self, gradients: bool) -> Arrays:
        """See Opened."""
        self.turn()
        if not gradients:
            return {"y": self.infer()[0]}
        y, computed = self.train()
        of_parameters = computed.parameters.items()
        named = {name.removesuffix("_l0"): value for name, value in of_parameters}
        return {"y": y, "x": computed.x, **named}

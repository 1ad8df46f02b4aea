"""peephole.jax.lstm in compiled functions, and the same layer in JAX's own operations."""

from __future__ import annotations

from typing import Any

import peephole

from bench.implementations.interface import Implementation, Opened, not_installed
from bench.problem import NOTE, Arrays, Problem
from bench.timing import Call


class ThroughJax(Implementation):
    """peephole.jax.lstm."""

    name = "peephole.jax"
    model = NOTE

    def version(self) -> str:
        """See Implementation."""
        import jax

        return str(jax.__version__)

    def missing(self, dtype: str) -> str | None:
        """See Implementation."""
        return not_installed("jax")

    def open(self, problem: Problem, threads: int) -> Opened:
        """See Implementation."""
        import jax
        import peephole.jax

        def layer(parameters: Any, x: Any) -> Any:
            return peephole.jax.lstm(parameters, x)[0]

        _float64(problem)
        parameters = _parameters(problem)
        return JaxOpened(jax, layer, parameters, problem.x, problem.dy, threads)


class JaxScan(ThroughJax):
    """The layer as `lax.scan`, over x W^T + b; XLA chooses the number of threads."""

    name = "jax.lax.scan"

    def open(self, problem: Problem, threads: int) -> Opened:
        """See Implementation."""
        import jax

        _float64(problem)
        x, dy = (array.swapaxes(0, 1).copy() for array in (problem.x, problem.dy))  # (T, B, ...)
        return JaxOpened(jax, _scan, _parameters(problem), x, dy, threads, time_first=True)


def _scan(parameters: Any, x: Any) -> Any:
    """Y (T, B, H) from x (T, B, I)."""
    import jax
    import jax.numpy as jnp

    weight_hh, weight_ch = parameters["weight_hh_l0"], parameters["weight_ch_l0"]

    def step(state: Any, inputs: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(inputs + h @ weight_hh.T, 4, axis=-1)
        i = jax.nn.sigmoid(i + weight_ch[0] * c)
        f = jax.nn.sigmoid(f + weight_ch[1] * c)
        g = jnp.tanh(g + weight_ch[2] * c)
        o = jax.nn.sigmoid(o + weight_ch[3] * c)
        c = f * c + g * i
        h = jnp.tanh(c) * o
        return (h, c), h

    zeros = jnp.zeros((x.shape[1], weight_hh.shape[1]), x.dtype)
    inputs = x @ parameters["weight_ih_l0"].T + parameters["bias_l0"]
    return jax.lax.scan(step, (zeros, zeros), inputs)[1]


def _float64(problem: Problem) -> None:
    """JAX has no float64 without this."""
    import jax

    if problem.dtype == "float64":
        jax.config.update("jax_enable_x64", True)


def _parameters(problem: Problem) -> Arrays:
    values = problem.parameters | {"weight_ch": problem.peepholes(NOTE)}
    return {f"{n}_l0": values[n] for n in ("weight_ih", "weight_hh", "weight_ch", "bias")}


class JaxOpened(Opened):
    """A compiled function of parameters and x, and one of its gradients."""

    def __init__(
        self,
        jax: Any,
        layer: Any,
        parameters: Arrays,
        x: Any,
        dy: Any,
        threads: int,
        time_first: bool = False,
    ) -> None:
        def train(parameters: Any, x: Any, dy: Any) -> Any:
            y, pull = jax.vjp(layer, parameters, x)
            return y, *pull(dy)

        self.parameters, self.x, self.dy = jax.device_put((parameters, x, dy))
        self.time_first = time_first
        self._ready = jax.block_until_ready
        self._layer, self._train = jax.jit(layer), jax.jit(train)
        turn = lambda: peephole.set_num_threads(threads)  # noqa: E731
        self.turn = turn
        self.inference = Call(self.infer, turn=turn)
        self.training = Call(self.train, turn=turn)

    def infer(self) -> Any:
        """Inference, and its result."""
        return self._ready(self._layer(self.parameters, self.x))

    def train(self) -> Any:
        """The results of forward and backward: y, the gradients of the parameters and of x."""
        return self._ready(self._train(self.parameters, self.x, self.dy))

    def answers(self, gradients: bool) -> Arrays:
        """See Opened."""
        self.turn()
        if not gradients:
            return {"y": self._batch_first(self.infer())}
        y, of_parameters, dx = self.train()
        named = {name.removesuffix("_l0"): value for name, value in of_parameters.items()}
        return {"y": self._batch_first(y), "x": self._batch_first(dx), **named}

    def _batch_first(self, array: Any) -> Any:
        return array.swapaxes(0, 1) if self.time_first else array

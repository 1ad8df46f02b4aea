"""torch.nn.LSTM: no peepholes."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np

from bench.implementations.interface import Implementation, Opened, not_installed
from bench.problem import VANILLA, Array, Arrays, Problem
from bench.timing import Call


class Torch(Implementation):
    """With arrays (T, B, ...), which is its own layout."""

    name = "torch"
    model = VANILLA

    def version(self) -> str:
        """See Implementation."""
        return version("torch")

    def missing(self, dtype: str) -> str | None:
        """See Implementation."""
        return not_installed("torch")

    def open(self, problem: Problem, threads: int) -> TorchOpened:
        """See Implementation."""
        import torch

        return TorchOpened(torch, problem, threads)


class TorchOpened(Opened):
    """A layer with the problem's parameters."""

    def __init__(self, torch: Any, problem: Problem, threads: int) -> None:
        self.torch = torch
        shape = problem.shape
        self.lstm = torch.nn.LSTM(shape.I, shape.H, dtype=getattr(torch, problem.dtype))
        bias = problem.parameters["bias"]
        values = {
            "weight_ih_l0": problem.parameters["weight_ih"],
            "weight_hh_l0": problem.parameters["weight_hh"],
            "bias_ih_l0": bias,
            "bias_hh_l0": np.zeros_like(bias),  # torch adds two biases
        }
        with torch.no_grad():
            for name, value in values.items():
                getattr(self.lstm, name).copy_(torch.from_numpy(value))
        self.x = _time_first(torch, problem.x)
        self.x_wanting_gradient = self.x.clone().requires_grad_()
        self.dy = _time_first(torch, problem.dy)
        self.leaves = {
            "x": self.x_wanting_gradient,
            "weight_ih": self.lstm.weight_ih_l0,
            "weight_hh": self.lstm.weight_hh_l0,
            "bias": self.lstm.bias_ih_l0,
            "bias again": self.lstm.bias_hh_l0,
        }
        self.turn = lambda: torch.set_num_threads(threads)
        self.inference = Call(self.infer, turn=self.turn)
        self.training = Call(self.train, turn=self.turn)

    def infer(self) -> Any:
        """Y, (T, B, H), and the final state."""
        with self.torch.inference_mode():
            return self.lstm(self.x)

    def train(self) -> tuple[Any, Any]:
        """Y, and the gradients of the leaves."""
        y, _ = self.lstm(self.x_wanting_gradient)
        return y, self.torch.autograd.grad(y, tuple(self.leaves.values()), self.dy)

    def answers(self, gradients: bool) -> Arrays:
        """See Opened."""
        self.turn()
        if not gradients:
            return {"y": _batch_first(self.infer()[0])}
        y, computed = self.train()
        answers = {name: value.numpy() for name, value in zip(self.leaves, computed, strict=True)}
        return answers | {"y": _batch_first(y.detach()), "x": _batch_first(computed[0])}


def _time_first(torch: Any, array: Array) -> Any:
    """(B, T, F) as a tensor (T, B, F)."""
    return torch.from_numpy(np.ascontiguousarray(array.transpose(1, 0, 2)))


def _batch_first(tensor: Any) -> Array:
    """The inverse: a tensor (T, B, F) as (B, T, F)."""
    return np.asarray(tensor.numpy().transpose(1, 0, 2))

"""The dense head of a network, compared with NumPy's product of the same matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import peephole

from bench.answers import WrongAnswerError
from bench.implementations.interface import not_installed
from bench.problem import Array
from bench.progress import say
from bench.tables import markdown, significant, threads
from bench.timing import Call, Effort, take_turns

# B sequences of T steps, F features: 2048 rows for the head.
T, B, F = 64, 32, 128
OUTPUTS = (100, 500, 2000)
TOLERANCE = {"float32": 1e-5, "float64": 1e-13}


class Head:
    """A network, the stack in it, and NumPy's products."""

    def __init__(self, outputs: int, dtype: str, count: int) -> None:
        rng = np.random.default_rng(0)
        self.net = peephole.Network(F, F, outputs, dtype=dtype, seed=0)
        self.lstm = self.net.lstm
        x = rng.standard_normal((B, T, F)).astype(dtype)
        self.y = np.empty((B, T, outputs), dtype)
        self.h = np.empty((B, T, F), dtype)
        self.dy = rng.standard_normal(self.y.shape).astype(dtype)
        self.dh = rng.standard_normal(self.h.shape).astype(dtype)
        self.weight = np.array(self.net.parameters["head.weight"])
        self.transposed = np.ascontiguousarray(self.weight.T)
        tape, of_stack = self.net.forward(x)[-1], self.lstm.forward(x)[-1]
        self.runs = {
            "inference": (
                lambda: self.net(x, out=self.y),
                lambda: self.lstm(x, out=self.h),
                lambda: self.rows(self.h) @ self.transposed,
            ),
            "backward": (
                lambda: self.net.backward(tape, self.dy, inputs=False),
                lambda: self.lstm.backward(of_stack, self.dh, inputs=False),
                self.backward_by_numpy,
            ),
        }
        self.count = count

    @staticmethod
    def rows(array: Array) -> Array:
        """(B T, features)."""
        return array.reshape(B * T, -1)

    def backward_by_numpy(self) -> tuple[Array, Array, Array]:
        """The gradients of h, and of the head's weight and bias."""
        dy = self.rows(self.dy)
        return dy @ self.weight, dy.T @ self.rows(self.h), dy.sum(axis=0)

    def check(self, dtype: str) -> None:
        """Raises WrongAnswerError where the head and NumPy differ by more than rounding."""
        network, stack, product = self.runs["inference"]
        network(), stack()
        expected = product() + np.array(self.net.parameters["head.bias"])
        gradients = self.runs["backward"][0]().parameters
        _, weight, bias = self.backward_by_numpy()
        pairs = {
            "y": (self.rows(self.y), expected),
            "head.weight": (gradients["head.weight"], weight),
            "head.bias": (gradients["head.bias"], bias),
        }
        for name, (actual, wanted) in pairs.items():
            error = np.abs(actual - wanted).max() / np.abs(wanted).max()
            if not error < TOLERANCE[dtype]:
                raise WrongAnswerError(f"the head's {name}: relative error {error:.1e}")

    def seconds(self, mode: str, effort: Effort) -> dict[str, float]:
        """The fastest calls of the network, its stack, and NumPy with as many threads."""
        from threadpoolctl import threadpool_limits

        peephole.set_num_threads(self.count)
        calls = dict(zip(("network", "stack", "numpy"), map(Call, self.runs[mode]), strict=True))
        with threadpool_limits(self.count, user_api="blas"):
            return take_turns(calls, effort)


def measure(counts: Sequence[int], dtype: str, effort: Effort) -> list[dict[str, Any]]:
    """A record for each number of outputs, mode and number of threads."""
    if reason := not_installed("threadpoolctl"):
        raise ValueError(f"head: {reason}; it sets NumPy's threads")
    records = []
    for outputs in OUTPUTS:
        for count in counts:
            say(f"a head of {outputs} outputs, {threads(count)}")
            head = Head(outputs, dtype, count)
            head.check(dtype)
            for mode in head.runs:
                seconds = head.seconds(mode, effort)
                record = {
                    "outputs": outputs,
                    "what": mode,
                    "threads": count,
                    "milliseconds": {name: 1e3 * value for name, value in seconds.items()},
                    "ratio": (seconds["network"] - seconds["stack"]) / seconds["numpy"],
                }
                records.append(record)
    return records


def table(records: Sequence[dict[str, Any]]) -> str:
    """The records, a row each."""
    rows = [
        [
            str(record["outputs"]),
            f"{record['what']}, {threads(record['threads'])}",
            *(significant(value) for value in record["milliseconds"].values()),
            f"{record['ratio']:.2f}",
        ]
        for record in records
    ]
    names = [
        "outputs",
        "",
        "network, ms",
        "without head, ms",
        "NumPy's product, ms",
        "head / NumPy",
    ]
    return markdown(names, rows)

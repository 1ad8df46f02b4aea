"""`peephole.torch.LSTM`, compared with `torch.nn.LSTM` and with bare calls, in one process.

All three have the same weights. A training call is a forward pass and the gradients of all
parameters, for dy = y. Torch's own threads stay alive between the calls, as in a user's program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import peephole

from bench.answers import WrongAnswerError
from bench.progress import say
from bench.shapes import Shape
from bench.tables import markdown, significant, threads
from bench.timing import Call, Effort, take_turns

SHAPES = ("500,1,1,20", "365,64,5,64", "500,1,64,128", "100,32,64,128", "50,64,256,256")
TOLERANCE = {"float32": 1e-4, "float64": 1e-11}  # of gradients, relative to the largest


class Modules:
    """The three, on the same batch."""

    def __init__(self, shape: Shape, dtype: str) -> None:
        import peephole.torch
        import torch

        torch.manual_seed(0)
        of_dtype = {"float32": torch.float32, "float64": torch.float64}[dtype]
        self.theirs = torch.nn.LSTM(shape.I, shape.H, batch_first=True, dtype=of_dtype)
        self.ours = peephole.torch.replace(self.theirs)
        self.bare = peephole.interop.from_torch(self.theirs)
        self.x = torch.randn(shape.B, shape.T, shape.I, dtype=of_dtype)
        self.torch = torch

    def calls(self) -> dict[str, dict[str, Callable[[], Any]]]:
        """{what: {name: call}}."""
        torch, x = self.torch, self.x
        array = x.numpy()

        def train(module: Any) -> Any:
            y, _ = module(x)
            return torch.autograd.grad(y, list(module.parameters()), y.detach())

        def infer(module: Any) -> Any:
            with torch.no_grad():
                return module(x)[0]

        def bare() -> Any:
            y, _, tape = self.bare.forward(array)
            return self.bare.backward(tape, y, inputs=False)

        return {
            "inference": {
                "module": lambda: infer(self.ours),
                "bare": lambda: self.bare(array)[0],
                "nn.LSTM": lambda: infer(self.theirs),
            },
            "training": {
                "module": lambda: train(self.ours),
                "bare": bare,
                "nn.LSTM": lambda: train(self.theirs),
            },
        }

    def check(self, dtype: str) -> None:
        """Raises WrongAnswerError where the three differ by more than rounding."""
        calls = self.calls()
        y, of_bare, of_torch = (calls["inference"][n]() for n in ("module", "bare", "nn.LSTM"))
        gradients = dict(zip(self.names(self.ours), calls["training"]["module"](), strict=True))
        expected = dict(zip(self.names(self.theirs), calls["training"]["nn.LSTM"](), strict=True))
        pairs = {"y": (y, of_torch), "y of bare calls": (of_bare, of_torch)}
        pairs.update({name: (value, expected[name]) for name, value in gradients.items()})
        for name, (actual, wanted) in pairs.items():
            wanted = wanted.detach().numpy()
            # Of weight_hh, all are 0 where there is one step.
            scale = np.abs(wanted).max() or 1.0
            error = np.abs(np.asarray(actual) - wanted).max() / scale
            if not error < TOLERANCE[dtype]:
                raise WrongAnswerError(f"torch: {name}: relative error {error:.1e}")

    @staticmethod
    def names(module: Any) -> list[str]:
        """Of the parameters."""
        return [name for name, _ in module.named_parameters()]


def measure(
    shapes: Sequence[Shape], counts: Sequence[int], dtype: str, effort: Effort
) -> list[dict[str, Any]]:
    """A record for each shape, kind of call and number of threads."""
    import torch

    records = []
    for shape in shapes:
        modules = Modules(shape, dtype)
        modules.check(dtype)
        for count in counts:
            say(f"torch: {shape.sizes}, {threads(count)}")
            peephole.set_num_threads(count)
            torch.set_num_threads(count)
            for what, calls in modules.calls().items():
                timed = {name: Call(call) for name, call in calls.items()}
                seconds = take_turns(timed, effort)
                records.append(
                    {
                        "shape": shape.sizes,
                        "what": what,
                        "threads": count,
                        "milliseconds": {name: 1e3 * value for name, value in seconds.items()},
                        "overhead_microseconds": 1e6 * (seconds["module"] - seconds["bare"]),
                        "ratio": seconds["nn.LSTM"] / seconds["module"],
                    }
                )
    return records


def table(records: Sequence[dict[str, Any]]) -> str:
    """The records, a row each."""
    rows = [
        [
            record["shape"],
            f"{record['what']}, {threads(record['threads'])}",
            *(significant(value) for value in record["milliseconds"].values()),
            f"{record['overhead_microseconds']:+.0f}",
            f"{record['ratio']:.2f}",
        ]
        for record in records
    ]
    names = [
        "T,B,I,H",
        "",
        "module, ms",
        "bare calls, ms",
        "nn.LSTM, ms",
        "module - bare, µs",
        "nn.LSTM / module",
    ]
    return markdown(names, rows)

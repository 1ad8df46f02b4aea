"""Kinds of cells, each compared with the same layer in PyTorch.

Ours and PyTorch's run in processes of their own, by turns. Both have the same weights. A training
call is a forward pass and the gradients of x and of all parameters, for a given dy.

A kind is a row of CELLS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import numpy as np
import peephole
from peephole.interop import from_torch

from bench.answers import WrongAnswerError
from bench.problem import Array
from bench.progress import say
from bench.shapes import Shape
from bench.tables import markdown, significant, threads
from bench.timing import Call, Effort, Timed, take_turns

SHAPES = ("100,32,64,128", "365,64,5,64")
MODES = ("inference", "training")
TOLERANCE = {"float32": 1e-4, "float64": 1e-11}  # of gradients, relative to the largest


@dataclass(frozen=True)
class Cell:
    """One kind of layer.

    Attributes:
        module: The layer in PyTorch, a module of x (T, B, I) that returns (y, state), from
            the package torch and a shape.
        ours: The `peephole.LSTM` with the weights of the module.
        names: {name of a parameter of the module: ours}, of the gradients that are compared.
    """

    module: Callable[[Any, Shape], Any]
    ours: Callable[[Any], peephole.LSTM]
    names: dict[str, str]


def _projected(divisor: int) -> Cell:
    """P = H / divisor."""
    names = {f"{name}_l0": f"{name}_l0" for name in ("weight_ih", "weight_hh", "weight_hr")}
    return Cell(
        lambda torch, shape: torch.nn.LSTM(shape.I, shape.H, proj_size=shape.H // divisor),
        lambda module: _lstm(from_torch(module)),
        {**names, "bias_ih_l0": "bias_l0"},
    )


def _lstm(model: Any) -> peephole.LSTM:
    assert isinstance(model, peephole.LSTM)
    return model


CELLS = {
    "projection, P = H / 2": _projected(2),
    "projection, P = H / 4": _projected(4),
}


def measure(
    shapes: Sequence[Shape], counts: Sequence[int], dtype: str, effort: Effort
) -> list[dict[str, Any]]:
    """A record for each kind, shape, number of threads and mode."""
    records = []
    for name in CELLS:
        for shape in shapes:
            _check(name, shape, dtype)
            for count in counts:
                say(f"{name}: {shape.sizes}, {threads(count)}")
                for mode, seconds in _seconds(name, shape, count, dtype, effort).items():
                    records.append(
                        {
                            "cell": name,
                            "shape": shape.sizes,
                            "what": mode,
                            "threads": count,
                            "milliseconds": {who: 1e3 * value for who, value in seconds.items()},
                            "ratio": seconds["torch"] / seconds["peephole"],
                        }
                    )
    return records


def table(records: Sequence[dict[str, Any]]) -> str:
    """The records, a row each."""
    rows = [
        [
            record["cell"],
            record["shape"],
            f"{record['what']}, {threads(record['threads'])}",
            *(significant(value) for value in record["milliseconds"].values()),
            f"{record['ratio']:.2f}",
        ]
        for record in records
    ]
    names = ["cell", "T,B,I,H", "", "peephole, ms", "torch, ms", "torch / peephole"]
    return markdown(names, rows)


class _Layers:
    """Both layers and their inputs."""

    def __init__(self, name: str, shape: Shape, dtype: str) -> None:
        import torch

        torch.manual_seed(0)
        self.cell = CELLS[name]
        self.module = self.cell.module(torch, shape).to(getattr(torch, dtype))
        self.model = self.cell.ours(self.module)
        rng = np.random.default_rng(0)
        self.x = rng.standard_normal((shape.B, shape.T, shape.I)).astype(dtype)
        size = (shape.B, shape.T, self.model.output_size)
        self.dy = rng.standard_normal(size).astype(dtype)


class _Ours:
    def __init__(self, model: peephole.LSTM, x: Array, dy: Array, count: int, isa: str) -> None:
        peephole.set_isa(isa)
        peephole.set_num_threads(count)
        first = next(iter(model.parameters))
        value = np.array(model.parameters[first])
        value[0, 0] += 1
        values = [np.array(model.parameters[first]), value]

        def change() -> None:  # as an optimiser would
            values.reverse()
            model.parameters[first] = values[0]

        def train() -> Any:
            y, _, tape = model.forward(x)
            return y, model.backward(tape, dy)

        self.calls = {"inference": Call(lambda: model(x)), "training": Call(train, change)}


class _Torchs:
    def __init__(self, name: str, shape: Shape, dtype: str, count: int) -> None:
        import torch

        torch.set_num_threads(count)
        layers = _Layers(name, shape, dtype)
        module = layers.module
        x, dy = (torch.from_numpy(a.swapaxes(0, 1).copy()) for a in (layers.x, layers.dy))
        leaves = [x.clone().requires_grad_(), *module.parameters()]

        def infer() -> Any:
            with torch.inference_mode():
                return module(x)

        def train() -> Any:
            y, _ = module(leaves[0])
            return y, torch.autograd.grad(y, leaves, dy)

        self.train = train
        self.calls = {"inference": Call(infer), "training": Call(train)}


_opened: Any  # of this process


def _open(make: Callable[..., Any], *arguments: Any) -> None:
    global _opened
    _opened = make(*arguments)


def _fastest(mode: str, seconds: float) -> float:
    return float(_opened.calls[mode].fastest(seconds))


@dataclass
class _Elsewhere:
    """The calls of one mode in another process."""

    process: ProcessPoolExecutor
    mode: str

    def fastest(self, seconds: float) -> float:
        """See Timed."""
        return self.process.submit(_fastest, self.mode, seconds).result()


@contextmanager
def _process(make: Callable[..., Any], *arguments: Any) -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        process.submit(_open, make, *arguments).result()
        yield process


def _seconds(
    name: str, shape: Shape, count: int, dtype: str, effort: Effort
) -> dict[str, dict[str, float]]:
    """{mode: {who: seconds of the fastest call}}."""
    layers = _Layers(name, shape, dtype)
    isa = peephole.build_info()["isa"]
    with (
        _process(_Ours, layers.model, layers.x, layers.dy, count, isa) as ours,
        _process(_Torchs, name, shape, dtype, count) as theirs,
    ):
        found = {}
        for mode in MODES:
            runs: dict[str, Timed] = {
                "peephole": _Elsewhere(ours, mode),
                "torch": _Elsewhere(theirs, mode),
            }
            found[mode] = take_turns(runs, effort)
    return found


def _check(name: str, shape: Shape, dtype: str) -> None:
    """Raises WrongAnswerError where the two differ by more than rounding."""
    layers = _Layers(name, shape, dtype)
    y, _, tape = layers.model.forward(layers.x)
    ours = layers.model.backward(tape, layers.dy)
    theirs = _Torchs(name, shape, dtype, 1)
    of_torch, (dx, *gradients) = theirs.train()
    pairs = {
        "y": (y.swapaxes(0, 1), of_torch.detach().numpy()),
        "x": (ours.x.swapaxes(0, 1), dx.numpy()),
    }
    named = zip((n for n, _ in layers.module.named_parameters()), gradients, strict=True)
    for of_module, gradient in named:
        if of_module in layers.cell.names:
            own = layers.cell.names[of_module]
            pairs[own] = (ours.parameters[own], gradient.numpy())
    for what, (actual, wanted) in pairs.items():
        # Of weight_hh, all are 0 where there is one step.
        error = np.abs(actual - wanted).max() / (np.abs(wanted).max() or 1.0)
        if not error < TOLERANCE[dtype]:
            raise WrongAnswerError(f"{name}: {what}: relative error {error:.1e}")

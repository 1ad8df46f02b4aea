"""Kinds of cells for which PyTorch has no fast kernel, compared with what its users run.

Ours and theirs have the same weights. Each runs on one thread in a process of its own, and they
take turns, also with our layer of the same sizes without the option ("plain"): theirs over plain is
the ratio that ours could reach if the option cost nothing. A training call is a forward pass and
the gradients of all parameters, for dy = y.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import peephole

from bench.answers import WrongAnswerError
from bench.progress import say
from bench.remote import Remote, answer_calls, process
from bench.shapes import Shape
from bench.tables import markdown, significant
from bench.timing import Call, Effort, take_turns

SHAPES = ("100,32,64,128", "365,64,5,64", "500,1,64,128")
TOLERANCE = {"float32": 1e-4, "float64": 1e-11}  # relative to the largest value
WHAT = ("inference", "training")
RUNS = ("ours", "theirs", "plain")

_Weights = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of cell.

    Attributes:
        options: Of `peephole.LSTM`, with a shape's sizes.
        theirs: A module of PyTorch that computes the same on (T, B, I), from our weights.
        baseline: What that module is, for the table.
    """

    options: Callable[[Shape], Mapping[str, Any]]
    theirs: Callable[[_Weights], Any]
    baseline: str


def _normalised_products(weights: _Weights) -> Any:
    from bench.torch_cells import normalised_products

    return normalised_products(weights)


def _normalised_gates(weights: _Weights) -> Any:
    from bench.torch_cells import normalised_gates

    return normalised_gates(weights)


def _projected(weights: _Weights) -> Any:
    from bench.torch_cells import projected

    return projected(weights)


KINDS = {
    "layer-norm-products": Kind(
        lambda shape: {"peephole": "none", "layer_norm": "products"},
        _normalised_products,
        "scripted LayerNormLSTMCell",
    ),
    "layer-norm-gates": Kind(
        lambda shape: {"peephole": "none", "layer_norm": "gates"},
        _normalised_gates,
        "scripted LayerNormBasicLSTMCell",
    ),
    "projection-half": Kind(
        lambda shape: {"peephole": "none", "projection_size": shape.H // 2},
        _projected,
        "nn.LSTM, proj_size = H / 2",
    ),
    "projection-quarter": Kind(
        lambda shape: {"peephole": "none", "projection_size": shape.H // 4},
        _projected,
        "nn.LSTM, proj_size = H / 4",
    ),
}


def _ours(
    kind: Kind, shape: Shape, dtype: str, plain: bool = False
) -> dict[str, Callable[[], list[Any]]]:
    """{what: call}, each call giving y or the gradients."""
    peephole.set_num_threads(1)
    lstm = _model(kind, shape, dtype, plain)
    x = _x(shape, dtype)

    def train() -> list[Any]:
        y, _, tape = lstm.forward(x)
        return list(lstm.backward(tape, y, inputs=False).parameters.values())

    return {"inference": lambda: [lstm(x)[0]], "training": train}


def _theirs(kind: Kind, shape: Shape, dtype: str) -> dict[str, Callable[[], list[Any]]]:
    """The same of PyTorch; gradients in the order and shapes of ours."""
    import torch

    torch.set_num_threads(1)
    weights = {
        name: torch.from_numpy(value.copy()).requires_grad_()
        for name, value in _model(kind, shape, dtype).parameters.items()
    }
    module = kind.theirs(weights)
    x = torch.from_numpy(_x(shape, dtype).transpose(1, 0, 2).copy())

    def infer() -> list[Any]:
        with torch.no_grad():
            return [module(x).transpose(0, 1)]

    def train() -> list[Any]:
        y = module(x)
        return list(torch.autograd.grad(y, list(weights.values()), y.detach()))

    return {"inference": infer, "training": train}


def _model(kind: Kind, shape: Shape, dtype: str, plain: bool = False) -> peephole.LSTM:
    options: dict[str, Any] = {"peephole": "none"} if plain else dict(kind.options(shape))
    model = peephole.LSTM(shape.I, shape.H, **options, dtype=dtype, seed=0)
    rng = np.random.default_rng(1)
    for name in model.parameters:
        if name.startswith(("gain", "shift", "bias")):
            # With gains of 1, rounding errors grow from step to step, those of PyTorch as well.
            values = 0.25 * model.parameters[name]
            model.parameters[name] = values + rng.uniform(-0.1, 0.1, values.shape)
    return model


def _x(shape: Shape, dtype: str) -> Any:
    return np.random.default_rng(2).standard_normal((shape.B, shape.T, shape.I)).astype(dtype)


def _serve(pipe: Connection, which: str, name: str, shape: Shape, dtype: str) -> None:
    """The calls of each kind of pass, in a process of their own."""
    ours, kind = which != "theirs", KINDS[name]
    calls = _ours(kind, shape, dtype, which == "plain") if ours else _theirs(kind, shape, dtype)
    for call in calls.values():
        for _ in range(3):  # PyTorch compiles scripts in their first calls
            call()
    answer_calls(
        pipe,
        lambda what: [np.asarray(y if ours else y.detach()) for y in calls[what]()],
        {what: Call(call) for what, call in calls.items()},
    )


def measure(
    shapes: Sequence[Shape], counts: Sequence[int], dtype: str, effort: Effort
) -> list[dict[str, Any]]:
    """A record for each kind, shape and kind of pass; `counts` is not used: one thread."""
    records = []
    for name in KINDS:
        for shape in shapes:
            say(f"cells: {name}, {shape.sizes}")
            with ExitStack() as processes:
                pipes = {
                    which: processes.enter_context(process(_serve, which, name, shape, dtype))
                    for which in RUNS
                }
                for what in WHAT:
                    runs = {which: Remote(pipe, what) for which, pipe in pipes.items()}
                    _check(name, what, runs["ours"].answers(), runs["theirs"].answers(), dtype)
                    seconds = take_turns(runs, effort)
                    records.append(
                        {
                            "kind": name,
                            "baseline": KINDS[name].baseline,
                            "shape": shape.sizes,
                            "what": what,
                            "milliseconds": {k: 1e3 * value for k, value in seconds.items()},
                            "ratio": seconds["theirs"] / seconds["ours"],
                            "ratio_plain": seconds["theirs"] / seconds["plain"],
                        }
                    )
    return records


def _check(name: str, what: str, ours: list[Any], theirs: list[Any], dtype: str) -> None:
    for actual, wanted in zip(ours, theirs, strict=True):
        error = np.abs(actual - wanted).max() / (np.abs(wanted).max() or 1.0)
        if not error < TOLERANCE[dtype]:
            raise WrongAnswerError(f"{name}, {what}: relative error {error:.1e}")


def table(records: Sequence[dict[str, Any]]) -> str:
    """The records, a row each."""
    rows = [
        [
            record["kind"],
            record["shape"],
            record["what"],
            *(significant(value) for value in record["milliseconds"].values()),
            f"{record['ratio']:.2f}",
            f"{record['ratio_plain']:.2f}",
            record["baseline"],
        ]
        for record in records
    ]
    names = ["cell", "T,B,I,H", "", "ours, ms", "theirs, ms", "plain, ms"]
    names += ["theirs / ours", "theirs / plain", "theirs is"]
    return markdown(names, rows)

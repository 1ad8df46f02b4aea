"""Errors of quantized models against float64: random, adversarial and trained ones.

An error is RMS of the difference of y over RMS of y. The model in float64 has the float32 weights
from which the others are made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
import peephole

from bench.problem import Array
from bench.progress import say
from bench.quantized import trained
from bench.quantized.engines import FORMATS
from bench.quantized.exact import in_float64, relative_rms
from bench.tables import markdown

# What is promised of RMS error over RMS of y, for random and for trained models.
TARGETS = {"int16": 5e-4, "int8": 1e-2, "int8_fast": 3e-2}

# Beyond it a model makes small differences large: no format can be near to float64 then.
MOST_OF_FLOAT32 = 1e-5

SMALLEST_H, LARGEST_H = 16, 512
SHORTEST_T, LONGEST_T = 10, 1000
LARGEST_I = 128
PEEPHOLES = ("diagonal", "none", "dense")
BATCH = 2
SCALES = (1, 3)  # of the weights, against those that models begin with
UNSCALED = 1e4  # how much larger one feature is


def measure(models: int, with_trained: bool) -> list[dict[str, Any]]:
    """Records of all kinds; trained models take a minute."""
    records = _random(models) + _adversarial()
    return records + trained.measure() if with_trained else records


def _random(models: int) -> list[dict[str, Any]]:
    """A record for each model: sizes and scale in turn over their ranges, at random."""
    records = []
    for number in range(models):
        say(f"errors of random models: {number + 1} of {models}")
        random = np.random.default_rng(number)
        scale = SCALES[number % len(SCALES)]
        T, I, H = (  # noqa: E741
            round(np.exp(random.uniform(np.log(low), np.log(high))))
            for low, high in ((SHORTEST_T, LONGEST_T), (1, LARGEST_I), (SMALLEST_H, LARGEST_H))
        )
        kind: Any = PEEPHOLES[int(random.choice(3, p=(0.5, 0.25, 0.25)))]
        lstm = peephole.LSTM(I, H, peephole=kind, seed=number)
        for name in lstm.parameters:
            if name.startswith("weight"):
                lstm.parameters[name] = scale * lstm.parameters[name]
        x = random.standard_normal((BATCH, T, I)).astype(np.float32)
        records.append(
            {
                "kind": "random",
                "scale": scale,
                "peephole": kind,
                "model": f"T {T}, I {I}, H {H}, {kind}, weights × {scale}, seed {number}",
                "errors": _errors(lstm, x),
            }
        )
    return records


def _errors(lstm: peephole.LSTM, x: Array) -> dict[str, float]:
    exact = in_float64(lstm)(x)[0]
    errors = {"float32": relative_rms(lstm(x)[0], exact)}
    for format, arguments in FORMATS.items():
        errors[format] = relative_rms(lstm.quantize(**arguments)(x)[0], exact)  # type: ignore[arg-type]
    return errors


def _one_large(x: Array) -> Array:
    x = x.copy()
    x[..., 0] *= UNSCALED
    return x


# {name: x from normal x (B, T, I)}
INPUTS: dict[str, Callable[[Array], Array]] = {
    "normal": lambda x: x,
    "constant 1": np.ones_like,
    "constant -1": lambda x: -np.ones_like(x),
    "constant 1e30": lambda x: np.full_like(x, 1e30),
    "constant -1e30": lambda x: np.full_like(x, -1e30),
    "alternating features": lambda x: np.ones_like(x) * (-1) ** np.arange(x.shape[2]),
    "alternating steps": lambda x: np.ones_like(x) * (-1) ** np.arange(x.shape[1])[:, None],
    "one feature 1e4 times larger": _one_large,
    "denormal": lambda x: np.full_like(x, 1e-40),
    "all zeros": np.zeros_like,
}
# {name: weights from weights as models begin with}; "equal" ones give the largest possible sums.
WEIGHTS: dict[str, Callable[[Array], Array]] = {
    "random": lambda w: w,
    "equal": lambda w: np.full_like(w, np.abs(w).max()),
}


def _adversarial() -> list[dict[str, Any]]:
    """A record for each input, kind of weights, and I on both sides of where W stays float32."""
    records = []
    for inputs, of_x in INPUTS.items():
        for weights, of_weight in WEIGHTS.items():
            for I in (16, 64):  # noqa: E741
                say(f"errors: {inputs}, {weights} weights, I = {I}")
                lstm = peephole.LSTM(I, 128, seed=0)
                bias = lstm.parameters["bias_l0"]
                bias[:] = np.random.default_rng(1).uniform(-1, 1, bias.shape)  # so y is never 0
                for name in ("weight_ih_l0", "weight_hh_l0"):
                    lstm.parameters[name] = of_weight(lstm.parameters[name])
                x = of_x(np.random.default_rng(0).standard_normal((BATCH, 50, I))).astype(
                    np.float32
                )
                records.append(
                    {
                        "kind": "adversarial",
                        "model": f"{inputs}; {weights} weights, I {I}",
                        "errors": _errors(lstm, x),
                    }
                )
    return records


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """Medians and largest errors of the random models; every record of the other kinds."""
    formats = ["float32", *FORMATS]
    random = [record for record in records if record["kind"] == "random"]
    rows = []
    for scale in SCALES:
        of_scale = [record for record in random if record["scale"] == scale]
        if not of_scale:
            continue
        name = f"{len(of_scale)} models, weights × {scale}"
        for what, of in (("median", median), ("largest", max)):
            values = [of([r["errors"][f] for r in of_scale]) for f in formats]
            rows.append([f"{name}: {what}", *(f"{value:.1e}" for value in values)])
    parts = [markdown(["RMS error / RMS of y", *formats], rows), _within(random)]
    for kind in ("adversarial", "trained"):
        chosen = [record for record in records if record["kind"] == kind]
        if chosen:
            rows = [[r["model"], *(_cell(r, format) for format in formats)] for r in chosen]
            parts.append(markdown([kind, *formats], rows))
    return "\n\n".join(parts)


def _within(random: Sequence[Mapping[str, Any]]) -> str:
    """How many of the random models keep to the targets, of those that float32 computes well."""
    rows = []
    for scale in SCALES:
        for kind in PEEPHOLES:
            all_of_them = [r for r in random if (r["scale"], r["peephole"]) == (scale, kind)]
            stable = [r for r in all_of_them if r["errors"]["float32"] <= MOST_OF_FLOAT32]
            within = [
                sum(r["errors"][format] <= target for r in stable)
                for format, target in TARGETS.items()
            ]
            name = f"{kind}, weights × {scale}"
            rows.append([name, *map(str, (len(all_of_them), len(stable), *within))])
    head = ["peepholes", "models", f"float32 within {MOST_OF_FLOAT32:.0e}"]
    head += [f"{format} within {target:.0e}" for format, target in TARGETS.items()]
    return markdown(head, rows)


def _cell(record: Mapping[str, Any], format: str) -> str:
    text = f"{record['errors'][format]:.1e}"
    changed = record.get("changed", {}).get(format)
    return text if changed is None else f"{text} ({changed} changed)"

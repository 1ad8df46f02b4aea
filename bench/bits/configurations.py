"""Random configurations: a model's options, and how it is called.

Everything here is drawn from a seed by NumPy, without peephole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.bits.draws import LARGEST, SHARES, Draws, Range
from bench.bits.options import draw_options
from bench.bits.shapes import layer_sizes, parameter_shapes, state_sizes

LAYOUTS = ("contiguous", "negative", "strided", "transposed", "byteswapped", "single precision")


@dataclass(frozen=True)
class Configuration:
    """A model and a batch; `arrays.py` has the numbers.

    `masked` is the fraction of connected entries of each masked parameter, `lengths` None or (B,).
    `single` says whether x is (T, I) rather than (B, T, I). `call` holds the other choices.
    """

    seed: int
    number: int
    network: bool
    options: dict[str, Any]
    masked: dict[str, float]
    batch: int
    time: int
    single: bool
    lengths: tuple[int, ...] | None
    call: dict[str, Any]

    @property
    def sizes(self) -> list[int]:
        """(L,) units of each layer."""
        return layer_sizes(self.options)

    @property
    def state_sizes(self) -> list[tuple[int, int]]:
        """(P, H) of the state of each layer and direction."""
        return state_sizes(self.options)

    @property
    def last(self) -> bool:
        """Whether y has no time axis."""
        return self.options.get("readout", "all") != "all"

    @property
    def streams(self) -> bool:
        """Whether the model can be computed a step at a time."""
        of_whole_sequences = self.options.get("readout") in ("mean", "max")
        return not (self.options["bidirectional"] or of_whole_sequences)

    @property
    def output_size(self) -> int:
        """The features of y."""
        if self.network:
            return int(self.options["output_size"])
        directions = 2 if self.options["bidirectional"] else 1
        return self.state_sizes[-1][0] * directions

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """{parameter name: shape}, as the documentation of `peephole.LSTM` gives them."""
        return parameter_shapes(self.options)

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        call = ", ".join(f"{name}={value!r}" for name, value in self.call.items())
        kind = "Network" if self.network else "LSTM"
        where = f"B={self.batch} T={self.time}{' without batch axis' if self.single else ''}"
        masks = f", masked {self.masked}" if self.masked else ""
        lengths = "" if self.lengths is None else f", lengths {list(self.lengths)}"
        return f"{kind}({options}){masks}; {where}{lengths}; {call}"


def draw(seed: int, number: int) -> Configuration:
    """Configuration `number` of the seed; it does not depend on how many others are drawn."""
    draws = Draws(np.random.default_rng([seed, number]))
    sizes = draws.weighted(SHARES)
    network = draws.chance(0.5)
    options = draw_options(draws, sizes, network)
    batch, time = _batch_and_time(draws, sizes, options)
    single = batch == 1 and draws.chance(0.4)
    return Configuration(
        seed=seed,
        number=number,
        network=network,
        options=options,
        masked=_masked(draws, parameter_shapes(options)),
        batch=batch,
        time=time,
        single=single,
        lengths=None if single else _lengths(draws, batch, time),
        call=_call(draws, network, time, batch),
    )


def _batch_and_time(draws: Draws, sizes: Range, options: dict[str, Any]) -> tuple[int, int]:
    """As drawn, but with fewer steps where that would be more work than the range allows."""
    batch = sizes.batch if sizes is LARGEST else draws.size(sizes.batch)
    times = {0: 1, 1: 2, draws.between(2, sizes.time): 17}
    time = sizes.time if sizes is LARGEST else draws.weighted(times)
    directions = 2 if options["bidirectional"] else 1
    inputs, work = options.get("input_dense_size") or options["input_size"], 0
    for H in layer_sizes(options):
        seen = inputs + (2 * H if options["peephole"] == "dense" else H)
        work += directions * 2 * batch * 4 * H * seen
        inputs = H * directions
    return batch, min(time, max(2, int(sizes.work / work)))


def _masked(draws: Draws, shapes: dict[str, tuple[int, ...]]) -> dict[str, float]:
    if draws.chance(0.7):
        return {}
    weights = [name for name in shapes if "weight" in name]
    return {name: draws.one_of((0.0, 0.3, 0.7, 1.0)) for name in weights if draws.chance(0.5)}


def _lengths(draws: Draws, batch: int, time: int) -> tuple[int, ...] | None:
    form = draws.weighted({"none": 5, "ragged": 4, "some empty": 2, "full": 1, "all empty": 1})
    if form == "none":
        return None
    lengths = {"full": [time] * batch, "all empty": [0] * batch}.get(form)
    if lengths is None:
        lengths = [draws.between(0, time) for _ in range(batch)]
    if form == "some empty":
        every = draws.between(2, 3)
        lengths = [0 if b % every == 0 else n for b, n in enumerate(lengths)]
    return tuple(lengths)


def _call(draws: Draws, network: bool, time: int, batch: int) -> dict[str, Any]:
    call: dict[str, Any] = {
        "layout": draws.one_of(LAYOUTS),
        "state": draws.chance(0.5),
        "dstate": draws.chance(0.5),
        "scale": draws.weighted({1.0: 8, 30.0: 1, 1e-30: 1}),
        "dy_scale": draws.weighted({1.0: 8, 1e-36: 1, 1e6: 1}),
        "nan_padding": draws.chance(0.6),
        "seed": draws.between(0, 2**62),
        "recompute": draws.chance(0.3),
        "inputs": draws.chance(0.8),
        "steps": draws.between(0, min(time, 30)),
        "block": draws.between(1, max(1, time)),
        "optimiser": draws.one_of(("SGD", "Nesterov", "Adam", "AdamW", "RMSprop", "centred")),
        "clip": draws.one_of((None, "norm", "value")),
    }
    if network:
        call["dlogits"] = draws.chance(0.4)
        call["batch_size"] = draws.between(1, batch + 1)
    return call

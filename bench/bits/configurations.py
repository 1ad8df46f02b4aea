"""Random configurations: a model's options, and how it is called.

Everything here is drawn from a seed by NumPy, without peephole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

_T = TypeVar("_T")

GATES = "ifgo"
BOUNDED = ("sigmoid", "tanh", "softsign", "hard_sigmoid", "one")
ACTIVATIONS = (*BOUNDED, "identity", "relu", "softplus")
HEADS = ("identity", "sigmoid", "tanh", "softmax")
LAYOUTS = ("contiguous", "negative", "strided", "transposed", "byteswapped", "single precision")


@dataclass(frozen=True)
class Range:
    """The largest sizes of a class of configurations, and of its work.

    `work` bounds the multiplications and additions of one inference.
    """

    name: str
    units: int
    layers: int
    batch: int
    time: int
    inputs: int
    outputs: int
    work: float


SMALL = Range("small", 9, 3, 7, 12, 7, 5, 1e7)
MEDIUM = Range("medium", 48, 3, 24, 60, 40, 12, 4e7)
FEW_ROWS = Range("few rows", 130, 2, 3, 200, 140, 70, 4e8)
LARGE = Range("large", 130, 2, 70, 200, 140, 70, 6e8)
LARGEST = Range("largest", 130, 1, 70, 200, 100, 10, 4e9)
WIDE = (FEW_ROWS, LARGE, LARGEST)

# In a hundred configurations.
SHARES = {LARGEST: 2, LARGE: 12, FEW_ROWS: 6, MEDIUM: 20, SMALL: 60}


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
    def directions(self) -> int:
        """1, or 2 for a bidirectional model."""
        return 2 if self.options["bidirectional"] else 1

    @property
    def last(self) -> bool:
        """Whether y has no time axis."""
        return self.options.get("readout") == "last"

    @property
    def output_size(self) -> int:
        """The features of y."""
        if self.network:
            return int(self.options["output_size"])
        return self.sizes[-1] * self.directions

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


def layer_sizes(options: dict[str, Any]) -> list[int]:
    """(L,) units of each layer."""
    size = options["hidden_size"]
    return list(size) if isinstance(size, list) else [size] * options["num_layers"]


def parameter_shapes(options: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """{parameter name: shape} of all layers and directions, and of a network's head."""
    shapes: dict[str, tuple[int, ...]] = {}
    directions = ("", "_reverse") if options["bidirectional"] else ("",)
    inputs = options["input_size"]
    for layer, H in enumerate(layer_sizes(options)):
        for direction in directions:
            end = f"l{layer}{direction}"
            shapes[f"weight_ih_{end}"] = (4 * H, inputs)
            shapes[f"weight_hh_{end}"] = (4 * H, H)
            if options["peephole"] != "none":
                shapes[f"weight_ch_{end}"] = (4 if options["peephole"] == "diagonal" else 4 * H, H)
            if options["bias"]:
                shapes[f"bias_{end}"] = (4 * H,)
        inputs = H * len(directions)
    if "output_size" in options:
        shapes["head.weight"] = (options["output_size"], inputs)
        shapes["head.bias"] = (options["output_size"],)
    return shapes


def draw(seed: int, number: int) -> Configuration:
    """Configuration `number` of the seed; it does not depend on how many others are drawn."""
    draws = _Draws(np.random.default_rng([seed, number]))
    sizes = draws.weighted(SHARES)
    network = draws.chance(0.5)
    options = _options(draws, sizes, network)
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


class _Draws:
    """Plain Python values from a generator."""

    def __init__(self, random: np.random.Generator) -> None:
        self.random = random

    def between(self, low: int, high: int) -> int:
        """An int of low..high."""
        return int(self.random.integers(low, high, endpoint=True))

    def chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def one_of(self, values: Sequence[_T]) -> _T:
        return values[self.between(0, len(values) - 1)]

    def weighted(self, shares: dict[_T, int]) -> _T:
        return self.one_of([value for value, share in shares.items() for _ in range(share)])

    def size(self, most: int) -> int:
        """A size of 1..most: often the smallest ones, otherwise any."""
        return self.between(1, min(3, most)) if self.chance(0.25) else self.between(1, most)


def _options(draws: _Draws, sizes: Range, network: bool) -> dict[str, Any]:
    options: dict[str, Any] = {"input_size": draws.size(sizes.inputs)}
    layers = draws.between(1, sizes.layers)
    smallest = sizes.units // 2 if sizes in WIDE else 1
    if draws.chance(0.5):
        options["hidden_size"] = [draws.between(smallest, sizes.units) for _ in range(layers)]
    else:
        one = sizes is SMALL and draws.chance(0.2)
        options["hidden_size"] = 1 if one else draws.between(smallest, sizes.units)
        options["num_layers"] = layers
    if network:
        options["output_size"] = draws.size(sizes.outputs)
        options["head"] = draws.one_of(HEADS)
    options |= {
        "peephole": draws.weighted({"diagonal": 3, "dense": 2, "none": 1}),
        "peephole_gates": "".join(gate for gate in GATES if draws.chance(0.8)),
        "output_peephole": draws.one_of(("previous", "current")),
        "bias": draws.chance(0.8),
        # Unbounded gates overflow within more than a few steps.
        "activations": _activations(draws, layers, ACTIVATIONS if sizes is SMALL else BOUNDED),
        "coupled_input_forget": draws.chance(0.2),
        "bidirectional": draws.chance(0.3),
        "dtype": draws.one_of(("float32", "float64")),
        "seed": draws.between(0, 2**62),
        "recurrent_init": draws.one_of(("uniform", "orthogonal")),
    }
    # The meaning of the last step differs between versions where there are two directions.
    if network and not options["bidirectional"]:
        options["readout"] = draws.one_of(("all", "last"))
    return options | _regularisation(draws, dropout=network or layers > 1)


def _activations(draws: _Draws, layers: int, of_gates: Sequence[str]) -> Any:
    def mapping() -> dict[str, str]:
        return {
            key: draws.one_of(of_gates if key in "ifo" else ACTIVATIONS)
            for key in "ifgoc"
            if draws.chance(0.4)
        }

    form = draws.weighted({"none": 4, "same": 3, "each": 3})
    if form == "none":
        return None
    return mapping() if form == "same" else [mapping() for _ in range(layers)]


def _regularisation(draws: _Draws, dropout: bool) -> dict[str, float]:
    options = {}
    if dropout and draws.chance(0.25):
        options["dropout"] = draws.one_of((0.1, 0.5))
    if draws.chance(0.12):
        options["recurrent_dropout"] = draws.one_of((0.2, 0.5))
    if draws.chance(0.12):
        options["zoneout"] = draws.one_of((0.1, 0.4))
    return options


def _batch_and_time(draws: _Draws, sizes: Range, options: dict[str, Any]) -> tuple[int, int]:
    """As drawn, but with fewer steps where that would be more work than the range allows."""
    batch = sizes.batch if sizes is LARGEST else draws.size(sizes.batch)
    times = {0: 1, 1: 2, draws.between(2, sizes.time): 17}
    time = sizes.time if sizes is LARGEST else draws.weighted(times)
    directions = 2 if options["bidirectional"] else 1
    inputs, work = options["input_size"], 0
    for H in layer_sizes(options):
        seen = inputs + (2 * H if options["peephole"] == "dense" else H)
        work += directions * 2 * batch * 4 * H * seen
        inputs = H * directions
    return batch, min(time, max(2, int(sizes.work / work)))


def _masked(draws: _Draws, shapes: dict[str, tuple[int, ...]]) -> dict[str, float]:
    if draws.chance(0.7):
        return {}
    weights = [name for name in shapes if "bias" not in name]
    return {name: draws.one_of((0.0, 0.3, 0.7, 1.0)) for name in weights if draws.chance(0.5)}


def _lengths(draws: _Draws, batch: int, time: int) -> tuple[int, ...] | None:
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


def _call(draws: _Draws, network: bool, time: int, batch: int) -> dict[str, Any]:
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

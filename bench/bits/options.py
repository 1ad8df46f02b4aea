"""Random options of a model, all that `peephole.LSTM` and `peephole.Network` have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.bits.draws import SMALL, WIDE, Draws, Range
from bench.bits.shapes import layer_sizes

GATES = "ifgo"
BOUNDED = ("sigmoid", "tanh", "softsign", "hard_sigmoid", "one")
ACTIVATIONS = (*BOUNDED, "identity", "relu", "softplus")
HEADS = ("identity", "sigmoid", "tanh", "softmax")
READOUTS = ("all", "last", "mean", "max")
CLIPS = (None, 0.1, 0.5, 2.0)


def draw_options(draws: Draws, sizes: Range, network: bool) -> dict[str, Any]:
    """Keyword arguments of LSTM, or of Network."""
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
    if network:
        readouts = [r for r in READOUTS if r != "last" or not options["bidirectional"]]
        options["readout"] = draws.one_of(readouts)
    options |= _regularisation(draws, dropout=network or layers > 1)
    return options | _variants(draws, options)


def _activations(draws: Draws, layers: int, of_gates: Sequence[str]) -> Any:
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


def _regularisation(draws: Draws, dropout: bool) -> dict[str, float]:
    options = {}
    if dropout and draws.chance(0.25):
        options["dropout"] = draws.one_of((0.1, 0.5))
    if draws.chance(0.12):
        options["recurrent_dropout"] = draws.one_of((0.2, 0.5))
    if draws.chance(0.12):
        options["zoneout"] = draws.one_of((0.1, 0.4))
    return options


def _variants(draws: Draws, options: dict[str, Any]) -> dict[str, Any]:
    """Options that most models leave at their defaults."""
    variants: dict[str, Any] = {}
    for name in ("cell_clip", "preactivation_clip"):
        if draws.chance(0.25):
            variants[name] = draws.one_of(CLIPS)
    if draws.chance(0.3):
        variants["initial_state"] = draws.one_of(("zeros", "learned", "learned"))
    if draws.chance(0.3):
        variants |= {
            "layer_norm": draws.one_of(("gates", "products")),
            "layer_norm_cell": draws.one_of(("state", "output", "none")),
            "layer_norm_epsilon": draws.one_of((1e-5, 1e-3, 0.1)),
        }
    most = min(layer_sizes(options)) - 1
    if most > 0 and draws.chance(0.25):
        variants["projection_size"] = draws.between(1, most)
        variants["projection_clip"] = draws.one_of(CLIPS)
    if draws.chance(0.2):
        variants["gate_inputs"] = _gate_inputs(draws, options["input_size"])
    if "output_size" in options and draws.chance(0.2):
        variants["input_dense_size"] = draws.between(1, 2 * options["input_size"] + 4)
        variants["input_activation"] = draws.one_of(ACTIVATIONS)
        variants.pop("gate_inputs", None)  # they would be columns of the dense layer's output
    return variants


def _gate_inputs(draws: Draws, inputs: int) -> dict[str, list[int]]:
    """Columns of x for some of the gates, one of them or all together."""
    gates = draws.one_of((*GATES, "fgo", GATES))
    return {gates: [column for column in range(inputs) if draws.chance(0.6)]}

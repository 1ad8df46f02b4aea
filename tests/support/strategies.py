"""Hypothesis strategies over all options, and the models and inputs that they describe.

Hypothesis draws the structure and one seed; NumPy draws the numbers by that seed, so that examples
are readable and shrink well.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import peephole
from hypothesis import strategies as st
from reference import lstm as reference

MOST_UNITS = 5
MOST_LAYERS = 3
MOST_STEPS = 6
MOST_SEQUENCES = 4

# Small enough that unbounded activations in a stack stay within a few orders of magnitude.
LARGEST_WEIGHT = 0.6

# Bounds that some values reach, and mostly none: smooth points around them take long to find.
clips = st.sampled_from([None] * 6 + [0.25, 0.6])

activation_names = st.sampled_from(sorted(reference.ACTIVATIONS))
activation_mappings = st.dictionaries(st.sampled_from("ifgoc"), activation_names)


@st.composite
def layer_norms(draw):
    """The options of layer normalisation, in one of three examples."""
    form = draw(st.sampled_from([None, None, None, None, "gates", "products"]))
    if form is None:
        return {}
    return {
        "layer_norm": form,
        "layer_norm_cell": draw(st.sampled_from(["state", "output", "none"])),
        # Large ones: around equal values, the function bends within about their square root.
        "layer_norm_epsilon": draw(st.sampled_from([1.0, 0.1])),
    }


@st.composite
def lstm_options(draw, **fixed):
    """Arguments of peephole.LSTM except masks, dtype and seed; `fixed` ones as given."""
    layers = draw(st.integers(1, MOST_LAYERS))
    units = st.integers(1, MOST_UNITS)
    options = {"input_size": draw(st.integers(1, MOST_UNITS))}
    if draw(st.booleans()):
        options |= {"hidden_size": draw(st.lists(units, min_size=layers, max_size=layers))}
    else:
        options |= {"hidden_size": draw(units), "num_layers": layers}
    options |= {
        "peephole": draw(st.sampled_from(["diagonal", "dense", "none"])),
        "peephole_gates": "".join(k for k in "ifgo" if draw(st.integers(0, 3))),
        "output_peephole": draw(st.sampled_from(["previous", "current"])),
        "bias": draw(st.booleans()),
        "activations": draw(
            st.none()
            | activation_mappings
            | st.lists(activation_mappings, min_size=layers, max_size=layers)
        ),
        "coupled_input_forget": draw(st.integers(0, 3)) == 3,
        "bidirectional": draw(st.booleans()),
        "initial_state": draw(st.sampled_from(["zeros", "learned"])),
        "cell_clip": draw(clips),
        "preactivation_clip": draw(clips),
        **draw(layer_norms()),
    }
    options |= fixed
    most = min(reference.hidden_sizes(options)) - 1
    # Layers that are normalised too have derivatives that are too small for difference quotients.
    if most > 0 and "layer_norm" not in options and draw(st.integers(0, 2)) == 2:
        size = draw(st.integers(1, most))
        # Small enough to be reached often.
        bound = draw(st.none() | st.floats(0.01, 0.3))
        options |= {"projection_size": size, "projection_clip": bound} | fixed
    return options


@dataclass(frozen=True)
class Case:
    """A model and a batch. Everything that follows from it is a method, equal at every call."""

    options: dict
    masked: tuple = field(default=())  # (parameter name, fraction of its entries that is connected)
    batch: int = 2
    time: int = 3
    lengths: tuple | None = None
    with_state: bool = True
    seed: int = 0

    def rng(self, purpose):
        return np.random.default_rng([self.seed, *purpose.encode()])

    @cached_property
    def shapes(self):
        return reference.parameter_shapes(self.options)

    @cached_property
    def masks(self):
        """{name: bool}; at a fraction of 0.0 nothing is connected."""
        return {
            name: self.rng("mask " + name).random(self.shapes[name]) < share
            for name, share in self.masked
        }

    @cached_property
    def parameters(self):
        """{name: float64}, 0 where masked and in peephole rows of gates without one."""
        values = {}
        for name, shape in self.shapes.items():
            value = self.rng(name).uniform(-LARGEST_WEIGHT, LARGEST_WEIGHT, shape)
            values[name] = np.where(self.connected(name), value, 0.0)
        return values

    def connected(self, name):
        """Where the parameter may be other than 0."""
        connected = np.array(self.masks.get(name, np.ones(self.shapes[name], bool)))
        if name.startswith("weight_ch"):
            gates = np.split(connected, 4)
            for gate, rows in zip("ifgo", gates, strict=True):
                if gate not in self.options["peephole_gates"]:
                    rows[...] = False
        return connected

    @cached_property
    def x(self):
        return self.rng("x").standard_normal((self.batch, self.time, self.options["input_size"]))

    @cached_property
    def state(self):
        return self.random_state("state") if self.with_state else None

    def random_state(self, purpose):
        rng = self.rng(purpose)
        return tuple(
            (rng.uniform(-1, 1, (self.batch, P)), rng.uniform(-1, 1, (self.batch, H)))
            for P, H in reference.state_sizes(self.options)
        )

    @cached_property
    def dy(self):
        width = reference.output_size(self.options)
        return self.rng("dy").standard_normal((self.batch, self.time, width))

    @cached_property
    def dstate(self):
        return self.random_state("dstate")

    @property
    def real_steps(self):
        """(B, T) bool: False where padding."""
        lengths = [self.time] * self.batch if self.lengths is None else self.lengths
        return np.arange(self.time) < np.array(lengths, int)[:, None]

    def build(self, dtype="float64", **changes):
        """The peephole.LSTM of the case."""
        masks = self.masks or None
        lstm = peephole.LSTM(**{**self.options, "masks": masks, **changes}, dtype=dtype, seed=0)
        fill(lstm, self.parameters)
        return lstm

    def build_network(self, output_size, dtype="float64", **network_options):
        """A peephole.Network over the same stack, and the values of its parameters."""
        options = {"output_size": output_size, "masks": self.masks or None, **self.options}
        network = peephole.Network(**options, **network_options, dtype=dtype, seed=0)
        values = dict(self.parameters)
        for name in ("head.weight", "head.bias"):
            shape = network.parameters[name].shape
            values[name] = self.rng(name).uniform(-LARGEST_WEIGHT, LARGEST_WEIGHT, shape)
        fill(network, values)
        return network, values


def fill(model, values):
    """Copies those of `values` in that the model has."""
    for name in model.parameters:
        model.parameters[name] = values[name]


@st.composite
def cases(draw, options=None, masks=True, ragged=None, min_time=0, with_state=None):
    """A Case. `ragged`: whether there are lengths; None leaves it open."""
    options = draw(lstm_options() if options is None else options)
    weights = [n for n in reference.parameter_shapes(options) if n.startswith("weight")]
    masked = []
    if masks and draw(st.booleans()):
        for name in weights:
            share = draw(st.sampled_from([1.0, 0.0, 0.3, 0.7, None]))
            if share is not None:
                masked.append((name, share))
    batch = draw(st.integers(1, MOST_SEQUENCES))
    time = draw(st.integers(min_time, MOST_STEPS))
    lengths = None
    if draw(st.booleans()) if ragged is None else ragged:
        lengths = tuple(draw(st.lists(st.integers(0, time), min_size=batch, max_size=batch)))
    return Case(
        options=options,
        masked=tuple(masked),
        batch=batch,
        time=time,
        lengths=lengths,
        with_state=draw(st.booleans()) if with_state is None else with_state,
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def begin_anywhere(model, rng):
    """Gives a learned initial state values, which are 0 at first; other models stay as they are."""
    for name, value in model.parameters.items():
        if name.startswith(("h0_", "c0_")):
            model.parameters[name] = rng.uniform(-1, 1, value.shape)

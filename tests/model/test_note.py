"""The library equals the architecture note's sums, written out index by index."""

import math

import numpy as np
import peephole
import pytest
from reference import note
from support.strategies import fill
from support.tolerances import REFERENCE, assert_close

INPUTS, UNITS, OUTPUTS, STEPS, SEQUENCES = 3, 4, 2, 5, 2
SHAPES = {"weight_ih_l0": (4 * UNITS, INPUTS), "weight_hh_l0": (4 * UNITS, UNITS)}
PEEPHOLE_SHAPES = {"diagonal": (4, UNITS), "dense": (4 * UNITS, UNITS)}

# Gate k is rows k*H to (k+1)*H of the library's arrays, in this order of the note's names.
ROWS = ("ig", "f", "ci", "og")


def index_sets(connected):
    """N[n]: the sources l that unit n is connected to. connected is (H, sources)."""
    return [np.flatnonzero(row).tolist() for row in connected]


def from_source(weight):
    """w[l][n] of a (H, sources) block."""
    return weight.T.tolist()


def diagonal(row):
    """The peephole of N_c = 1: unit n sees the cell state n, by weight row[n]."""
    return np.diag(row)


def note_gate(k, values, masks):
    """Gate k of the note from the library's parameters and masks."""

    def block(name):
        value, connected = values[name], masks.get(name, np.ones(values[name].shape, bool))
        if value.shape == PEEPHOLE_SHAPES["diagonal"]:
            return diagonal(value[k]), diagonal(connected[k])
        rows = slice(k * UNITS, (k + 1) * UNITS)
        return value[rows], connected[rows]

    w, N = block("weight_ih_l0")
    w_minus, N_minus = block("weight_hh_l0")
    w_c, N_c = block("weight_ch_l0")
    return note.Gate(
        *(from_source(weight) for weight in (w, w_minus, w_c)),
        *(index_sets(connected) for connected in (N, N_minus, N_c)),
    )


def note_cell(values, masks, g_ci=math.tanh, h_co=math.tanh):
    gates = {name: note_gate(k, values, masks) for k, name in enumerate(ROWS)}
    sigmoid = note.sigmoid
    return note.Cell(**gates, g_ci=g_ci, f_ig=sigmoid, f_f=sigmoid, f_og=sigmoid, h_co=h_co)


def random_values(rng, peephole_form):
    shapes = SHAPES | {
        "weight_ch_l0": PEEPHOLE_SHAPES[peephole_form],
        "head.weight": (OUTPUTS, UNITS),
        "head.bias": (OUTPUTS,),
    }
    return {name: rng.uniform(-1, 1, shape) for name, shape in shapes.items()}


MASKED = {
    "all connected": (),
    "masked P": ("weight_ch_l0",),
    "masked W and R": ("weight_ih_l0", "weight_hh_l0"),
    "masked W, R and P": ("weight_ih_l0", "weight_hh_l0", "weight_ch_l0"),
}


@pytest.mark.parametrize("masked", MASKED.values(), ids=MASKED.keys())
@pytest.mark.parametrize("peephole_form", ["diagonal", "dense"])
def test_layer(rng, dtype, peephole_form, masked):
    values = random_values(rng, peephole_form)
    masks = {name: rng.random(values[name].shape) < 0.5 for name in masked}
    lstm = peephole.LSTM(
        INPUTS, UNITS, peephole=peephole_form, bias=False, masks=masks or None, dtype=dtype
    )
    fill(lstm, values)
    x = rng.standard_normal((SEQUENCES, STEPS, INPUTS))
    h0, c0 = rng.uniform(-1, 1, (2, SEQUENCES, UNITS))

    y, ((h, c),) = lstm(x, [(h0, c0)])

    cell = note_cell(values, masks)
    for b in range(SEQUENCES):
        outputs, s_c = note.layer(cell, x[b].tolist(), h0[b].tolist(), c0[b].tolist())
        assert_close(y[b], outputs, REFERENCE[dtype], "x^{l+1}")
        assert_close(h[b], outputs[-1], REFERENCE[dtype], "last x^{l+1}")
        assert_close(c[b], s_c, REFERENCE[dtype], "s_c")


def test_identity_cell(rng):
    """g_ci and h_co are free: here the identity."""
    values = random_values(rng, "dense")
    lstm = peephole.LSTM(
        INPUTS,
        UNITS,
        peephole="dense",
        bias=False,
        activations={"g": "identity", "c": "identity"},
        dtype="float64",
    )
    fill(lstm, values)
    x = rng.standard_normal((STEPS, INPUTS))
    y, _ = lstm(x)
    cell = note_cell(values, {}, g_ci=note.identity, h_co=note.identity)
    outputs, _ = note.layer(cell, x.tolist(), [0.0] * UNITS, [0.0] * UNITS)
    assert_close(y, outputs, REFERENCE["float64"], "x^{l+1}")


@pytest.mark.parametrize("head", ["identity", "sigmoid", "tanh"])
def test_two_layers_and_head(rng, dtype, head):
    """Fig. 2 of the note: layers in a row, then x^{l+2} = f_{l+2}(sum of w x^{l+1} + b)."""
    values = random_values(rng, "dense")
    upper = {"weight_ih_l1": (4 * UNITS, UNITS)}
    upper |= {"weight_hh_l1": (4 * UNITS, UNITS), "weight_ch_l1": (4 * UNITS, UNITS)}
    values |= {name: rng.uniform(-1, 1, shape) for name, shape in upper.items()}
    network = peephole.Network(
        INPUTS,
        UNITS,
        OUTPUTS,
        num_layers=2,
        head=head,
        peephole="dense",
        bias=False,
        dtype=dtype,
    )
    fill(network, values)
    x = rng.standard_normal((SEQUENCES, STEPS, INPUTS))

    y = network.predict(x)

    lower = note_cell(values, {})
    of_layer_0 = {name: values[name.replace("_l0", "_l1")] for name in values if "_l0" in name}
    upper = note_cell(of_layer_0, {})
    w, b = from_source(values["head.weight"]), values["head.bias"].tolist()
    f_head = {"identity": note.identity, "sigmoid": note.sigmoid, "tanh": math.tanh}[head]
    zeros = [0.0] * UNITS
    for sequence in range(SEQUENCES):
        outputs, _ = note.layer(lower, x[sequence].tolist(), zeros, zeros)
        outputs, _ = note.layer(upper, outputs, zeros, zeros)
        expected = [[note.x_head(n, o, w, b, f_head) for n in range(OUTPUTS)] for o in outputs]
        assert_close(y[sequence], expected, REFERENCE[dtype], "x^{l+2}")

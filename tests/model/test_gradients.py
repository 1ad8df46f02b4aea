"""Gradients of the stack: against difference quotients of the library's own values, and against the
reference's derivatives by complex step, which are exact to rounding."""

from collections import Counter

import numpy as np
import peephole
from hypothesis import Phase, given, settings
from reference import derivatives
from reference import lstm as reference
from support.quotients import compare_quotients, initial_state, weights_of
from support.strategies import Case, cases
from support.tolerances import (
    COMPLEX_STEP,
    FINITE_DIFFERENCE,
    assert_close,
    assert_identical,
)

CONFIGURATIONS = 300
EACH_OPTION = 5  # configurations that have it


def backward(case):
    lstm = case.build()
    _, _, tape = lstm.forward(case.x, case.state, case.lengths)
    return lstm, lstm.backward(tape, case.dy, case.dstate)


class Tally:
    """Which options were tested, and with how many probes of each array."""

    def __init__(self):
        self.seen = Counter()

    def add(self, case):
        options = case.options
        self.seen["configurations"] += 1
        self.seen[options["peephole"]] += 1
        self.seen[options["output_peephole"]] += 1
        self.seen["no gates"] += options["peephole_gates"] == ""
        self.seen["some gates"] += 0 < len(options["peephole_gates"]) < 4
        self.seen["no bias"] += not options["bias"]
        self.seen["coupled"] += options["coupled_input_forget"]
        self.seen["normalised gates"] += options.get("layer_norm") == "gates"
        self.seen["normalised products"] += options.get("layer_norm") == "products"
        for cell in ("state", "output", "none"):
            normalised = "layer_norm" in options and options["layer_norm_cell"] == cell
            self.seen["normalised cell: " + cell] += normalised
        self.seen["bidirectional"] += options["bidirectional"]
        self.seen["projection"] += "projection_size" in options
        self.seen["projection clip"] += options.get("projection_clip") is not None
        self.seen["stack"] += len(reference.hidden_sizes(options)) > 1
        self.seen["own sizes"] += len(set(reference.hidden_sizes(options))) > 1
        self.seen["masks"] += bool(case.masked)
        self.seen["H = 1"] += 1 in reference.hidden_sizes(options)
        self.seen["B = 1"] += case.batch == 1
        self.seen["T = 0"] += case.time == 0
        self.seen["T = 1"] += case.time == 1
        self.seen["lengths"] += case.lengths is not None
        self.seen["length 0 of T > 0"] += case.time > 0 and 0 in (case.lengths or ())
        self.seen["no state"] += case.state is None
        self.seen["cell_clip"] += options["cell_clip"] is not None
        self.seen["preactivation_clip"] += options["preactivation_clip"] is not None
        learned = options["initial_state"] == "learned"
        self.seen["learned state"] += learned and case.state is None
        self.seen["given instead of learned"] += learned and case.state is not None
        for names in reference.activations(options):
            self.seen.update(set(names.values()))

    def rarest(self):
        return min(self.seen.items(), key=lambda item: item[1])


def test_finite_differences():
    tally = Tally()

    @settings(max_examples=CONFIGURATIONS, phases=[Phase.explicit, Phase.generate, Phase.shrink])
    @given(case=cases())
    def check(case):
        lstm, grads = backward(case)
        gradient = derivatives.gradient_point(grads)
        point = derivatives.make_point(case.x, initial_state(case), case.parameters)
        weights = weights_of(case)
        compared = compare_quotients(case, lstm, gradient, point, weights)
        for name, probes, error in compared:
            tally.seen["probes"] += probes
            assert error <= FINITE_DIFFERENCE, f"{name}: relative error {error:.2e}"
        tally.add(case)

    check()
    assert tally.seen["configurations"] >= CONFIGURATIONS
    assert tally.seen["probes"] >= 20 * CONFIGURATIONS
    assert tally.rarest()[1] >= EACH_OPTION, tally.rarest()


@given(case=cases())
def test_every_entry_by_complex_step(case):
    _, grads = backward(case)
    gradient = derivatives.gradient_point(grads)
    point = derivatives.make_point(case.x, initial_state(case), case.parameters)
    model, weights = derivatives.ReferenceModel(case), weights_of(case)
    for name in point:
        exact = derivatives.entry_gradient(model.run, weights, point, name)
        assert_close(gradient[name], exact, COMPLEX_STEP, name)


def test_adjointness():
    """<dy, J v> = <J^T dy, v>, at a size that has both whole vectors and a remainder."""
    masked = (("weight_hh_l0", 0.5), ("weight_ch_l1_reverse", 0.3))
    options = {
        "input_size": 19,
        "hidden_size": [33, 17],
        "peephole": "dense",
        "peephole_gates": "ifgo",
        "output_peephole": "previous",
        "bidirectional": True,
    }
    for seed, output_peephole in enumerate(["previous", "current"]):
        case = Case(
            options=options | {"output_peephole": output_peephole},
            masked=masked,
            batch=5,
            time=11,
            lengths=(11, 3, 0, 7, 11),
            seed=seed,
        )
        _, grads = backward(case)
        gradient = derivatives.gradient_point(grads)
        point = derivatives.make_point(case.x, case.state, case.parameters)
        model, weights = derivatives.ReferenceModel(case), weights_of(case)
        for names in [*([name] for name in point), list(point)]:
            direction = derivatives.random_direction(case.rng("v"), point, names)
            forward = derivatives.complex_step(model.run, weights, point, direction)
            transposed = derivatives.inner(gradient, direction)
            assert_close(transposed, forward, COMPLEX_STEP, f"{len(names)} from {names[0]}")


@given(case=cases())
def test_zero_where_nothing_is_connected(case):
    """Masked weights, and rows of gates outside peephole_gates: 0, exactly, and positive."""
    lstm, grads = backward(case)
    for name in lstm.parameters:
        cut = ~case.connected(name)
        zeros = np.zeros(np.count_nonzero(cut))
        assert_identical(grads.parameters[name][cut], zeros, "gradient of " + name)
        assert_identical(lstm.parameters[name][cut], zeros, name)


@given(case=cases(ragged=True))
def test_padding_and_empty_sequences(case):
    """x beyond a length has gradient 0; a sequence of length 0 hands dstate through."""
    _, grads = backward(case)
    assert not grads.x[~case.real_steps].any()
    for (dh, dc), (dh_final, dc_final) in zip(grads.state, case.dstate, strict=True):
        empty = np.array(case.lengths) == 0
        assert_identical(dh[empty], dh_final[empty], "dh")
        assert_identical(dc[empty], dc_final[empty], "dc")


@given(case=cases())
def test_without_dstate(case):
    """No gradient of the final state is a gradient of zeros."""
    lstm = case.build()
    _, _, tape = lstm.forward(case.x, case.state, case.lengths)
    zeros = tuple((np.zeros_like(dh), np.zeros_like(dc)) for dh, dc in case.dstate)
    without = derivatives.gradient_point(lstm.backward(tape, case.dy))
    with_zeros = derivatives.gradient_point(lstm.backward(tape, case.dy, zeros))
    for name, gradient in with_zeros.items():
        assert_identical(without[name], gradient, name)


def test_one_tape_serves_many_backward_passes(rng):
    lstm = peephole.LSTM(3, [4, 2], peephole="dense", dtype="float64", seed=0)
    x = rng.standard_normal((2, 5, 3))
    _, _, tape = lstm.forward(x)
    dy, other = rng.standard_normal((2, 2, 5, 2))
    first = derivatives.gradient_point(lstm.backward(tape, dy))
    lstm.backward(tape, other)
    lstm.forward(x + 1)
    again = derivatives.gradient_point(lstm.backward(tape, dy))
    for name, gradient in first.items():
        assert_identical(again[name], gradient, name)

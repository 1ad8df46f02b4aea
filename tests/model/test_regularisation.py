"""Dropout, recurrent dropout and zoneout: random numbers, values and gradients."""

import numpy as np
import peephole
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference import derivatives
from reference import lstm as reference
from reference.noise import Expected, Noise, philox
from support.quotients import initial_state, weights_of
from support.strategies import Case, cases, lstm_options
from support.tolerances import (
    COMPLEX_STEP,
    FINITE_DIFFERENCE,
    REFERENCE,
    SINGLE_PRECISION,
    assert_close,
    assert_identical,
)

NAMES = ("dropout", "recurrent_dropout", "zoneout")
ALL = {"dropout": 0.3, "recurrent_dropout": 0.2, "zoneout": 0.25}
EXAMPLES = 25  # of what draws one number at a time
SEEDS = st.integers(0, 2**64 - 1)


@st.composite
def regularised_options(draw):
    rates = {name: draw(st.sampled_from([0.0, 0.2, 0.5, 0.9])) for name in NAMES}
    return draw(lstm_options()) | rates


def regularised_cases(**choices):
    return regularised_options().flatmap(lambda options: cases(options=st.just(options), **choices))


def results(case, seed, model=None):
    """The training pass's y and final states, and its tape."""
    model = case.build() if model is None else model
    y, final, tape = model.forward(case.x, case.state, case.lengths, seed=seed)
    return [y, *(array for pair in final for array in pair)], tape


def arrays_of(y, state):
    return [y, *(array for pair in state for array in pair)]


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([2**32 - 1] * 4, [2**32 - 1] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    ],
)
def test_the_references_random_numbers(counter, key, words):
    """The known answers of Random123."""
    assert philox(counter, key) == words


@settings(max_examples=EXAMPLES)
@given(case=regularised_cases(), seed=SEEDS)
def test_training_pass(case, seed):
    expected = reference.forward(
        case.options,
        case.parameters,
        case.x,
        case.state,
        case.lengths,
        noise=Noise(case.options, seed),
    )
    for actual, wanted in zip(results(case, seed)[0], arrays_of(*expected), strict=True):
        assert_close(actual, wanted, REFERENCE["float64"])


@settings(max_examples=EXAMPLES)
@given(case=regularised_cases(), seed=SEEDS)
def test_gradient(case, seed):
    """Every entry, by complex step."""
    lstm = case.build()
    _, tape = results(case, seed, lstm)
    gradient = derivatives.gradient_point(lstm.backward(tape, case.dy, case.dstate))
    point = derivatives.make_point(case.x, initial_state(case), case.parameters)
    model = derivatives.ReferenceModel(case, noise=Noise(case.options, seed))
    for name in point:
        exact = derivatives.entry_gradient(model.run, weights_of(case), point, name)
        assert_close(gradient[name], exact, COMPLEX_STEP, name)


@pytest.mark.parametrize("readout", ["all", "last"])
@settings(max_examples=EXAMPLES)
@given(case=regularised_cases(min_time=1, ragged=False), seed=SEEDS)
def test_network(case, seed, readout):
    """Dropout also applies to what the head reads, and to its gradient."""
    net, parameters = case.build_network(2, head="tanh", readout=readout)
    y, final, tape = net.forward(case.x, case.state, case.lengths, seed=seed)
    point = derivatives.make_point(case.x, initial_state(case), parameters)
    model = derivatives.ReferenceModel(case, "tanh", readout, Noise(case.options, seed))
    expected_y, _, *expected_final = model.run(point)
    # The derivative of a saturated tanh, 1 - y², has few correct digits.
    assume(np.abs(expected_y).max() < 0.999)
    for actual, wanted in zip(arrays_of(y, final), [expected_y, *expected_final], strict=True):
        assert_close(actual, wanted, REFERENCE["float64"])

    dy = case.rng("dy").standard_normal(y.shape)
    gradient = derivatives.gradient_point(net.backward(tape, dy, case.dstate))
    dstate = [array for pair in case.dstate for array in pair]
    weights = [dy, np.zeros_like(dy), *dstate]
    for name in point:
        exact = derivatives.entry_gradient(model.run, weights, point, name)
        assert_close(gradient[name], exact, COMPLEX_STEP, name)


@pytest.fixture
def case():
    options = {"input_size": 3, "hidden_size": [7, 5], "bidirectional": True, "peephole": "dense"}
    options |= {"peephole_gates": "ifgo", "bias": True, "coupled_input_forget": False, **ALL}
    return Case(options, batch=6, time=9, lengths=(9, 4, 9, 0, 7, 1), seed=3)


def test_difference_quotients(case):
    """The library's gradient, compared with differences of the library's own values."""
    lstm, rng = case.build(), case.rng("directions")
    _, tape = results(case, 11, lstm)
    gradient = derivatives.gradient_point(lstm.backward(tape, case.dy, case.dstate))
    point = derivatives.make_point(case.x, case.state, case.parameters)

    def run(moved):
        for name in lstm.parameters:
            lstm.parameters[name] = moved[name]
        y, final, _ = lstm.forward(moved["x"], derivatives.state_of(moved), case.lengths, seed=11)
        return arrays_of(y, final)

    for name in point:
        direction = derivatives.random_direction(rng, point, [name])
        quotient = derivatives.difference_quotient(
            run, weights_of(case), point, direction, derivatives.STEPS[0]
        )
        assert_close(quotient, derivatives.inner(gradient, direction), FINITE_DIFFERENCE, name)


def test_only_the_seed_matters(case):
    first, tape = results(case, 5)
    again, other = results(case, 5), results(case, 6)[0]
    for a, b in zip(first, again[0], strict=True):
        assert_identical(a, b)
    assert (first[0] != other[0]).any()
    generators = [results(case, np.random.default_rng(2))[0][0] for _ in range(2)]
    assert_identical(*generators)

    # A tape keeps what was drawn for it, whatever was drawn since.
    lstm = case.build()
    _, tape = results(case, 5, lstm)
    before = lstm.backward(tape, case.dy).x
    results(case, 6, lstm)
    assert_identical(lstm.backward(tape, case.dy).x, before)


@pytest.mark.parametrize("rates", [ALL, {"dropout": 0.3}])
def test_threads_and_instruction_sets(rates, runtime_as_before):
    """Bits are the same on any number of threads; what is drawn, with any instruction set."""
    rng = np.random.default_rng(0)
    net = peephole.Network(16, [96, 64], 4, seed=0, **rates)
    x = rng.standard_normal((24, 40, 16)).astype(np.float32)

    def run(threads, isa):
        peephole.set_num_threads(threads)
        peephole.set_isa(isa)
        y, _, tape = net.forward(x, seed=9)
        return y, net.backward(tape, y).parameters["weight_ih_l0"]

    best = peephole.build_info()["isa"]
    one = run(1, best)
    for threads in (2, 3):
        for a, b in zip(run(threads, best), one, strict=True):
            assert_identical(a, b)
    for isa in peephole.build_info()["isas"]:
        for a, b in zip(run(1, isa), one, strict=True):
            assert_close(a, b, SINGLE_PRECISION, isa)


def test_a_sequence_draws_by_its_place_in_the_batch(case):
    """Not by the rank of its length, nor by the other sequences."""
    lstm = case.build()
    y = lstm.forward(case.x, lengths=case.lengths, seed=4)[0]
    others = [9, 9, 2, 9, 7, 9]
    np.testing.assert_allclose(
        lstm.forward(case.x, lengths=others, seed=4)[0][[0, 4]], y[[0, 4]], rtol=1e-12
    )
    np.testing.assert_allclose(
        lstm.forward(case.x[:3], lengths=case.lengths[:3], seed=4)[0], y[:3], rtol=1e-12
    )


def test_recurrent_dropout_is_of_whole_sequences():
    """With R = I and nothing else, what is dropped at one step is dropped at all."""
    units, p = 50, 0.4
    lstm = peephole.LSTM(
        1,
        units,
        recurrent_dropout=p,
        peephole="none",
        bias=False,
        dtype="float64",
        seed=0,
        activations={"i": "one", "f": "one", "o": "one", "g": "identity", "c": "identity"},
    )
    for name in lstm.parameters:
        lstm.parameters[name][...] = 0
    lstm.parameters["weight_hh_l0"][2 * units : 3 * units] = np.eye(units)
    ones = np.ones((1, units))
    y = lstm.forward(np.zeros((1, 4, 1)), [(ones, ones)], seed=0)[0][0]
    # c_t = c_{t-1} + m h_{t-1}, h = c: at least doubled for m = 1 / (1 - p), unchanged for m = 0.
    growth = y[1:] / y[:-1] - 1
    np.testing.assert_allclose(growth, np.broadcast_to(growth[0], growth.shape), rtol=1e-12)
    np.testing.assert_allclose(np.unique(growth.round(9)), [0, round(1 / (1 - p), 9)])
    assert 0.2 < (growth[0] == 0).mean() < 0.6


def test_zoneout_keeps_or_takes():
    """With c counting steps, a unit's count is that of the steps at which it was not kept."""
    units, steps, z = 200, 50, 0.3
    lstm = peephole.LSTM(
        1,
        units,
        zoneout=z,
        peephole="none",
        dtype="float64",
        seed=0,
        activations={"i": "one", "f": "one", "o": "one", "g": "identity", "c": "identity"},
    )
    for name in lstm.parameters:
        lstm.parameters[name][...] = 0
    lstm.parameters["bias_l0"][2 * units : 3 * units] = 1  # g
    x = np.zeros((1, steps, 1))
    _, ((_, c),), _ = lstm.forward(x, seed=0)
    assert_identical(c, c.round())
    deviation = np.sqrt(z * (1 - z) / (units * steps))
    assert abs(c.mean() / steps - (1 - z)) < 5 * deviation
    np.testing.assert_allclose(lstm(x)[1][0][1], steps * (1 - z), rtol=1e-12)


def test_dropout_leaves_the_mean(rng):
    """Over 400 draws, the mean of each input of the head is its value without dropout."""
    net = peephole.Network(2, 3, 3, dropout=0.4, dtype="float64", seed=0)
    net.parameters["head.weight"] = np.eye(3)
    net.parameters["head.bias"] = np.zeros(3)
    x = rng.standard_normal((2, 5, 2))
    plain = net(x)[0]
    drawn = np.array([net.forward(x, seed=seed)[0] for seed in range(400)])
    kept = drawn != 0
    np.testing.assert_allclose(drawn[kept], np.broadcast_to(plain / 0.6, drawn.shape)[kept])
    # Five standard deviations of the mean of 400 times 30 choices.
    assert abs(kept.mean() - 0.6) < 5 * np.sqrt(0.24 / kept.size)


@given(case=regularised_cases())
def test_inference_draws_nothing(case):
    """It equals that of the plain model, bit for bit; with zoneout, it uses the expected values."""
    lstm = case.build()
    actual = arrays_of(*lstm(case.x, case.state, case.lengths))
    if case.options["zoneout"] == 0:
        plain = case.build(**dict.fromkeys(NAMES, 0.0))
        expected = arrays_of(*plain(case.x, case.state, case.lengths))
        for a, b in zip(actual, expected, strict=True):
            assert_identical(a, b)
        return
    expected = reference.forward(
        case.options,
        case.parameters,
        case.x,
        case.state,
        case.lengths,
        noise=Expected(case.options),
    )
    for a, b in zip(actual, arrays_of(*expected), strict=True):
        assert_close(a, b, REFERENCE["float64"])


def test_inspection_shows_inference(rng):
    lstm = peephole.LSTM(2, 4, dtype="float64", seed=0, **ALL)
    x = rng.standard_normal((6, 2))
    activities = peephole.inspection.gate_activities(lstm, x)
    y, ((_, c),) = lstm(x)
    np.testing.assert_allclose(activities.h, y, rtol=1e-12)
    np.testing.assert_allclose(activities.c[-1], c, rtol=1e-12)


def test_one_layer_has_no_dropout(rng):
    x = rng.standard_normal((2, 5, 2))
    lstm = peephole.LSTM(2, 3, dropout=0.5, seed=0)
    assert_identical(lstm.forward(x, seed=0)[0], lstm(x)[0])


def test_a_seed_is_allowed(rng):
    """Without regularisation, so that one training loop serves all models."""
    lstm = peephole.LSTM(2, 3, seed=0)
    x = rng.standard_normal((2, 5, 2))
    assert_identical(lstm.forward(x, seed=1)[0], lstm.forward(x)[0])

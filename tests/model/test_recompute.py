"""A tape that keeps less: backward computes the rest again, with the same bits."""

import numpy as np
import peephole
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.strategies import begin_anywhere, cases, lstm_options
from support.tolerances import assert_identical, assert_identical_states

pytestmark = pytest.mark.usefixtures("runtime_as_before")

# Steps in all, so that layers of a few units have several segments too.
MANY_STEPS = 30_000


def passes(model, x, recompute, **arguments):
    """(y, state, gradients, bytes of the tape) of a training pass; dy and dstate are made of y."""
    y, state, tape = model.forward(x, **arguments, recompute=recompute)
    dstate = tuple((np.cos(h), np.sin(c)) for h, c in state)
    return y, state, model.backward(tape, np.cos(3 * y), dstate), tape.nbytes


def assert_same_bits(model, x, **arguments):
    """Returns the tapes' bytes, kept whole and not."""
    y, state, grads, whole = passes(model, x, recompute=False, **arguments)
    y_again, state_again, grads_again, part = passes(model, x, recompute=True, **arguments)
    assert_identical(y_again, y)
    assert_identical_states(state_again, state)
    assert_identical_states(grads_again.state, grads.state)
    assert_identical(grads_again.x, grads.x)
    for name, gradient in grads.parameters.items():
        assert_identical(grads_again.parameters[name], gradient)
    return whole, part


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    options=lstm_options(),
    batch=st.integers(1, 60),
    ragged=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
    isa=st.sampled_from(peephole.build_info()["isas"]),
    seed=st.integers(0, 1000),
)
def test_same_bits_for_every_option(options, batch, ragged, dtype, isa, seed):
    rng = np.random.default_rng(seed)
    options["activations"] = None  # unbounded ones overflow in this many steps
    lstm = peephole.LSTM(**options, dtype=dtype, seed=seed)
    begin_anywhere(lstm, rng)
    time = MANY_STEPS // batch if isa != "reference" else 200
    x = rng.standard_normal((batch, time, lstm.input_size)).astype(dtype)
    lengths = rng.integers(0, time + 1, batch) if ragged else None
    peephole.set_isa(isa)
    assert_same_bits(lstm, x, lengths=lengths)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases(), dtype=st.sampled_from(["float32", "float64"]))
def test_same_bits_of_small_batches(case, dtype):
    lengths = None if case.lengths is None else list(case.lengths)
    lstm = case.build(dtype)
    assert_same_bits(lstm, case.x, state=case.state, lengths=lengths)


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("options", [{}, {"bidirectional": True}, {"peephole": "dense"}])
def test_same_bits_on_threads(threads, options):
    rng = np.random.default_rng(0)
    lstm = peephole.LSTM(5, 48, 2, seed=1, **options)
    x = rng.standard_normal((32, 200, 5), np.float32)
    peephole.set_num_threads(threads)
    assert_same_bits(lstm, x, lengths=rng.integers(0, 201, 32))


@pytest.mark.parametrize(
    "options",
    [
        {"dropout": 0.3},
        {"recurrent_dropout": 0.3},
        {"zoneout": 0.2},
        {"dropout": 0.2, "recurrent_dropout": 0.1, "zoneout": 0.3, "bidirectional": True},
    ],
)
def test_draws_the_same_again(options):
    rng = np.random.default_rng(0)
    lstm = peephole.LSTM(3, 40, 2, seed=1, **options)
    x = rng.standard_normal((16, 300, 3), np.float32)
    assert_same_bits(lstm, x, seed=7, lengths=rng.integers(0, 301, 16))


@pytest.mark.parametrize(("batch", "time", "units"), [(8, 2000, 64), (1, 20_000, 128)])
def test_keeps_a_fifth_or_less(batch, time, units):
    x = np.random.default_rng(0).standard_normal((batch, time, 4), np.float32)
    whole, part = assert_same_bits(peephole.LSTM(4, units, 2, seed=0), x)
    assert whole >= 2 * 6 * units * batch * time * 4
    assert part < whole / 5


def test_a_tape_serves_again():
    lstm = peephole.LSTM(2, 32, seed=0)
    y, _, tape = lstm.forward(np.ones((30, 200, 2), np.float32), recompute=True)
    first, second = lstm.backward(tape, y), lstm.backward(tape, y)
    assert_identical(first.x, second.x)
    for name, gradient in first.parameters.items():
        assert_identical(second.parameters[name], gradient)


def test_a_network_trains_to_the_same_weights():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((12, 400, 3), np.float32), rng.integers(0, 4, 12)
    options = {"head": "softmax", "readout": "last", "dropout": 0.2, "seed": 0}
    networks = [peephole.Network(3, 32, 4, num_layers=2, **options) for _ in range(2)]
    for net, recompute in zip(networks, [False, True], strict=True):
        net.fit(x, y, epochs=2, batch_size=6, seed=1, progress=False, recompute=recompute)
    for name, values in networks[0].parameters.items():
        assert_identical(networks[1].parameters[name], values)


@pytest.mark.parametrize("wrong", [1, "yes", None])
def test_says_what_it_expects(wrong):
    lstm, x = peephole.LSTM(2, 3, seed=0), np.zeros((1, 4, 2), np.float32)
    with pytest.raises(TypeError, match=r"recompute: expected True or False, got"):
        lstm.forward(x, recompute=wrong)
    net = peephole.Network(2, 3, 1, seed=0)
    with pytest.raises(TypeError, match=r"recompute: expected True or False, got"):
        net.forward(x, recompute=wrong)
    with pytest.raises(TypeError, match=r"recompute: expected True or False, got"):
        net.fit(x, np.zeros((1, 4, 1)), recompute=wrong)

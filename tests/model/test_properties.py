"""Properties of every model and batch: equivalent calls give the same results."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from reference import lstm as reference
from support.runs import assert_all, named, rows, run, train
from support.strategies import cases, lstm_options
from support.tolerances import (
    REFERENCE,
    SINGLE_PRECISION,
    assert_close,
    assert_identical,
)

forward_only = lstm_options(bidirectional=False)


@given(case=cases())
def test_equals_the_readable_reference(case):
    expected = reference.forward(
        case.options, case.parameters, case.x, case.state, case.lengths, case.masks
    )
    for dtype in ("float64", "float32"):
        for name, array in named(*run(case, dtype=dtype)).items():
            tolerance = REFERENCE[dtype] if dtype == "float64" else SINGLE_PRECISION
            assert_close(array, named(*expected)[name], tolerance, f"{name} in {dtype}")


@given(case=cases())
def test_inference_equals_training(case):
    lstm = case.build()
    y, final, _ = lstm.forward(case.x, case.state, case.lengths)
    assert_all(assert_identical, named(*run(case, lstm)), named(y, final))


@given(case=cases())
def test_the_same_call_twice(case):
    lstm = case.build()
    assert_all(assert_identical, train(case, lstm), train(case, lstm))


@given(case=cases(forward_only), data=st.data())
def test_time_can_be_split(case, data):
    """T steps equal T1 steps, then T2 with the state carried."""
    first = data.draw(st.integers(0, case.time), label="T1")
    lengths = np.full(case.batch, case.time) if case.lengths is None else np.array(case.lengths)
    lstm = case.build()
    y1, state = lstm(case.x[:, :first], case.state, np.minimum(lengths, first))
    y2, state = lstm(case.x[:, first:], state, np.maximum(lengths - first, 0))
    whole = named(*lstm(case.x, case.state, lengths))
    assert_all(assert_identical, named(np.concatenate([y1, y2], axis=1), state), whole)


@given(case=cases())
def test_row_alone(case):
    """A sequence does not depend on the batch around it, nor on the time that it is padded to."""
    lstm = case.build()
    y, final = run(case, lstm)
    for b in range(case.batch):
        length = case.time if case.lengths is None else case.lengths[b]
        y_b, final_b = lstm(case.x[b : b + 1, :length], rows(case.state, slice(b, b + 1)))
        expected = named(y[b : b + 1, :length], rows(final, slice(b, b + 1)))
        assert_all(assert_identical, named(y_b, final_b), expected)


@given(case=cases(), data=st.data())
def test_order_of_the_batch(case, data):
    order = np.array(data.draw(st.permutations(range(case.batch)), label="order"))
    lengths = None if case.lengths is None else np.array(case.lengths)[order]
    lstm = case.build()
    y, final = run(case, lstm)
    permuted = lstm(case.x[order], rows(case.state, order), lengths)
    assert_all(assert_identical, named(*permuted), named(y[order], rows(final, order)))


@given(case=cases(ragged=True), poison=st.sampled_from([np.nan, np.inf, -np.inf, 1e300]))
def test_padding_changes_nothing(case, poison):
    """Bit for bit, in values and gradients, for any x and dy beyond the lengths."""
    real = case.real_steps[..., None]
    clean = train(case, x=np.where(real, case.x, 0.0), dy=np.where(real, case.dy, 0.0))
    poisoned = train(case, x=np.where(real, case.x, poison), dy=np.where(real, case.dy, poison))
    assert_all(assert_identical, poisoned, clean)
    inference = named(*case.build()(np.where(real, case.x, poison), case.state, case.lengths))
    assert_all(assert_identical, inference, {name: clean[name] for name in inference})


@given(case=cases(ragged=True))
def test_beyond_a_length(case):
    """Outputs there are 0; a sequence of length 0 returns its initial state, bit for bit."""
    y, final = run(case)
    beyond = y[~case.real_steps]
    assert_identical(beyond, np.zeros_like(beyond), "y beyond the lengths")
    empty = np.array(case.lengths) == 0
    initial = case.state or reference.initial_states(case.options, case.parameters, case.batch)
    assert_all(
        assert_identical, named(y[:0], rows(final, empty)), named(y[:0], rows(initial, empty))
    )


@given(case=cases(forward_only, min_time=1))
def test_final_state_is_that_of_the_last_real_step(case):
    y, final = run(case)
    lengths = [case.time] * case.batch if case.lengths is None else case.lengths
    for b, length in enumerate(lengths):
        if length > 0:
            assert_identical(final[-1][0][b], y[b, length - 1], "h")


@given(case=cases(ragged=False))
def test_single_sequence_is_a_batch_of_one(case):
    lstm = case.build()
    batch_state, dstate = rows(case.state, slice(0, 1)), rows(case.dstate, slice(0, 1))
    y, final, tape = lstm.forward(case.x[:1], batch_state)
    grads = lstm.backward(tape, case.dy[:1], dstate)
    expected = named(y[0], rows(final, 0)) | named(grads.x[0], rows(grads.state, 0), "d")

    state = rows(case.state, 0)
    assert_all(assert_identical, named(*lstm(case.x[0], state)), named(*first(lstm, case)))
    y, final, tape = lstm.forward(case.x[0], state)
    single = lstm.backward(tape, case.dy[0], rows(case.dstate, 0))
    assert_all(assert_identical, named(y, final) | named(single.x, single.state, "d"), expected)
    assert_all(assert_identical, single.parameters, grads.parameters)


def first(lstm, case):
    """Values of the first sequence, as a batch of one, without the batch axis."""
    y, final = lstm(case.x[:1], rows(case.state, slice(0, 1)))
    return y[0], rows(final, 0)


@given(case=cases())
def test_results_are_new_arrays(case):
    """No result shares memory with an input, a parameter or another result."""
    lstm = case.build()
    y, final, tape = lstm.forward(case.x, case.state, case.lengths)
    grads = lstm.backward(tape, case.dy, case.dstate)
    results = named(y, final) | named(grads.x, grads.state, "d") | grads.parameters
    given_arrays = [case.x, case.dy, *dict(lstm.parameters).values()]
    given_arrays += [a for pair in (*(case.state or ()), *case.dstate) for a in pair]
    kept = {name: array.copy() for name, array in results.items()}
    for name, array in results.items():
        assert array.flags.writeable and array.flags.c_contiguous
        assert not any(np.shares_memory(array, other) for other in given_arrays), name
        others = [other for other_name, other in results.items() if other_name != name]
        assert not any(np.shares_memory(array, other) for other in others), name
    for array in results.values():
        array[...] = np.nan
    assert_all(assert_identical, train(case, lstm), kept)


@given(case=cases())
def test_tape_keeps_what_it_needs(case):
    """Inputs may be overwritten between forward and backward."""
    expected = train(case)
    lstm, x = case.build(), case.x.copy()
    state = None if case.state is None else tuple((h.copy(), c.copy()) for h, c in case.state)
    lengths = None if case.lengths is None else np.array(case.lengths)
    y, final, tape = lstm.forward(x, state, lengths)
    results = {name: array.copy() for name, array in named(y, final).items()}
    for array in [x, y, *(a for pair in (*(state or ()), *final) for a in pair)]:
        array[...] = np.nan
    if lengths is not None:
        lengths[...] = 0
    grads = lstm.backward(tape, case.dy, case.dstate)
    results |= named(grads.x, grads.state, "d") | grads.parameters
    assert_all(assert_identical, results, expected)

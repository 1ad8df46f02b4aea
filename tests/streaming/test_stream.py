"""Streams: a step at a time, with the bits of the whole sequence."""

import copy
import pickle
import threading
import time

import numpy as np
import peephole
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.refusals import refused
from support.strategies import begin_anywhere, lstm_options
from support.tolerances import assert_identical

STEPS = 9


def inputs(rng, batch, size, dtype):
    return rng.standard_normal((batch, STEPS, size)).astype(dtype)


def stepped(stream, x):
    """y (B, T, O) of x (B, T, I)."""
    return np.stack([stream.step(x[:, t]) for t in range(x.shape[1])], axis=1)


@given(
    options=lstm_options(bidirectional=False),
    head=st.sampled_from(["identity", "sigmoid", "tanh", "softmax"]),
    readout=st.sampled_from(["all", "last"]),
    outputs=st.integers(1, 5),
    zoneout=st.sampled_from([0.0, 0.0, 0.25]),
    batch=st.integers(1, 3),
    dtype=st.sampled_from(["float32", "float64"]),
    isa=st.sampled_from(peephole.build_info()["isas"]),
    seed=st.integers(0, 1000),
)
def test_equals_predict(options, head, readout, outputs, zoneout, batch, dtype, isa, seed):
    chosen = peephole.build_info()["isa"]
    peephole.set_isa(isa)
    try:
        net = peephole.Network(
            **options,
            output_size=outputs,
            head=head,
            readout=readout,
            zoneout=zoneout,
            dtype=dtype,
            seed=seed,
        )
        x = inputs(np.random.default_rng(seed), batch, net.input_size, dtype)
        begin_anywhere(net, np.random.default_rng(seed))
        stream = net.stream(batch)
        y = stepped(stream, x)
        expected = net.predict(x)
        assert_identical(y if readout == "all" else y[:, -1], expected, "y")
        stream.reset()
        assert_identical(np.concatenate([stream.process(x[:, :4]), stream.process(x[:, 4:])], 1), y)
    finally:
        peephole.set_isa(chosen)


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("batch", [1, 2])
def test_a_layer_equals_the_call(rng, dtype, layers, batch):
    lstm = peephole.LSTM(2, 5, layers, dtype=dtype, seed=3)
    x = inputs(rng, batch, 2, dtype)
    _, begin = lstm(x[:, ::-1])
    y, state = lstm(x, begin)
    stream = lstm.stream(batch)
    stream.state = begin
    assert_identical(stepped(stream, x), y, "y")
    for ours, theirs in zip(stream.state, state, strict=True):
        assert_identical(ours[0], theirs[0], "h")
        assert_identical(ours[1], theirs[1], "c")


def test_a_single_sequence_has_no_batch_axis(rng):
    net = peephole.Network(3, 5, 2, seed=1)
    x = inputs(rng, 1, 3, np.float32)[0]
    stream = net.stream()
    y = np.stack([stream.step(step) for step in x])
    assert y.shape == (STEPS, 2)
    assert_identical(y, net.predict(x), "y")
    _, state = net(x)
    stream.reset()
    assert_identical(stream.process(x), y, "block")
    stream.state = state
    assert_identical(stream.state[0][0][0], state[0][0], "h")
    stream.state = None
    assert not np.any(stream.state[0])


def test_out(rng):
    net = peephole.Network(2, 5, 2, seed=1)
    x = inputs(rng, 1, 2, np.float32)[0]
    expected = net.predict(x)
    stream, out = net.stream(), np.empty(2, np.float32)
    for t in range(STEPS):
        assert stream.step(x[t], out=out) is out
        assert_identical(out, expected[t], "out")
    stream.reset()
    for t in range(STEPS):
        stream.step(x[t], out=x[t])
    assert_identical(x, expected, "in place")


def test_converts_what_is_no_float32():
    net = peephole.Network(2, 3, 1, seed=1)
    expected = net.predict(np.ones((1, 2), np.float32))[0]
    for x in ([1, 1], np.ones(2), np.ones(4, np.float32)[::2], np.ones((1, 2), int)):
        assert_identical(net.stream().step(x).ravel(), expected, "y")


def test_holds_the_weights_it_was_made_with(rng):
    net = peephole.Network(2, 4, 1, seed=1)
    x = inputs(rng, 1, 2, np.float32)
    view = net.parameters["weight_hh_l0"]
    before, y = net.stream(), net.predict(x)
    view[:] *= 2
    assert_identical(before.process(x), y, "y of before")
    assert_identical(net.stream().process(x), net.predict(x), "y of after")
    del net, view
    before.reset()
    assert_identical(before.process(x), y, "y without the model")


def test_a_copy_is_independent(rng):
    stream = peephole.LSTM(2, 4, seed=1).stream()
    x = inputs(rng, 1, 2, np.float32)
    stream.process(x)
    other = copy.copy(stream)
    y = stream.process(x)
    assert_identical(other.process(x), y, "y")
    assert_identical(other.state[0][0], stream.state[0][0], "h")


@pytest.mark.parametrize(
    "way",
    [
        copy.copy,
        copy.deepcopy,
        lambda s: s.copy(),
        *(
            lambda s, p=protocol: pickle.loads(pickle.dumps(s, p))
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
        ),
    ],
)
@pytest.mark.parametrize("kind", ["lstm", "network"])
def test_branches(rng, kind, way):
    """A copy, also one by pickle, continues from the same state with the same weights."""
    options = {"peephole_gates": "ifo", "zoneout": 0.25, "dtype": "float64", "seed": 1}
    if kind == "lstm":
        model = peephole.LSTM(2, [4, 3], **options)
    else:
        model = peephole.Network(2, [4, 3], 3, head="softmax", readout="last", **options)
    stream = model.stream(2)
    x = inputs(rng, 2, 2, np.float64)
    stream.process(x)
    model.parameters["bias_l0"] = np.zeros(16)  # too late for the stream
    branch = way(stream)
    y = stream.process(x)
    assert_identical(branch.process(x), y, "y")
    branch.reset()
    assert np.any(stream.state[0][0])
    assert not np.any(branch.state[0][0])


def test_on_threads(rng):
    net = peephole.Network(1, 24, 1, seed=1)
    x = rng.standard_normal((5000, 1)).astype(np.float32)
    expected, results = net.predict(x), [None] * 4

    def run(n):
        results[n] = net.stream().process(x)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for y in results:
        assert_identical(y, expected, "y")


def test_one_stream_on_two_threads_is_refused():
    stream = peephole.LSTM(1, 256, seed=1).stream()
    x = np.zeros((40_000, 1), np.float32)  # half a second
    thread = threading.Thread(target=stream.process, args=(x,))
    thread.start()
    with pytest.raises(RuntimeError, match="stream: in use by another thread"):
        while thread.is_alive():
            stream.step(np.zeros(1, np.float32))
            time.sleep(0)
    thread.join()


@pytest.mark.parametrize(
    ("argument", "call", "says"),
    [
        ("x", lambda s: s.step(np.zeros(3)), r"expected \(1, 2\) or \(2,\), got \(3,\)"),
        ("x", lambda s: s.step(np.zeros((2, 2))), r"got \(2, 2\)"),
        ("x", lambda s: s.step(0.5), r"got \(\)"),
        ("x", lambda s: s.process(np.zeros(2)), r"expected \(1, time, 2\) or \(time, 2\)"),
        ("x", lambda s: s.process(np.zeros((2, 5, 2))), r"got \(2, 5, 2\)"),
        ("out", lambda s: s.step(np.zeros(2), out=np.zeros(2, np.float32)), r"shape \(4,\)"),
        ("out", lambda s: s.step(np.zeros((1, 2)), out=np.zeros(4, np.float32)), r"\(1, 4\)"),
        ("state", lambda s: setattr(s, "state", ()), "expected 2 pairs"),
    ],
)
def test_refuses_values(argument, call, says):
    stream = peephole.LSTM(2, 4, 2, seed=1).stream()
    stream.step(np.ones(2, np.float32))
    before = stream.state
    with refused(ValueError, argument):
        call(stream)
    with pytest.raises(ValueError, match=says):
        call(stream)
    for now, then in zip(stream.state, before, strict=True):
        assert_identical(now[0], then[0], "h")


@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("x", lambda s: s.step(np.zeros(2, complex))),
        ("x", lambda s: s.step(np.zeros(2, object))),
        ("out", lambda s: s.step(np.zeros(2), out=np.zeros(4))),
        ("out", lambda s: s.step(np.zeros(2), out=[0.0] * 4)),
        ("state", lambda s: setattr(s, "state", 5)),
    ],
)
def test_refuses_types(argument, call):
    stream = peephole.LSTM(2, 4, 2, seed=1).stream()
    with refused(TypeError, argument):
        call(stream)


def test_many_share_the_weights_of_an_unchanged_model():
    resource = pytest.importorskip("resource")
    net = peephole.Network(1, 64, 1, seed=1)
    streams = [net.stream() for _ in range(3)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    streams += [net.stream() for _ in range(500)]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 500 * 16  # KiB; the weights are 67


def test_refuses_models_and_batches():
    with refused(ValueError, "stream"):
        peephole.LSTM(2, 3, bidirectional=True).stream()
    with refused(ValueError, "batch"):
        peephole.LSTM(2, 3).stream(0)
    with refused(TypeError, "batch"):
        peephole.LSTM(2, 3).stream(1.5)
    for batch in (2**61, 2**64):
        with refused(ValueError, "batch"):
            peephole.LSTM(2, 3).stream(batch)
    for readout in ("mean", "max"):
        with pytest.raises(ValueError, match="stream: expected a model whose readout is"):
            peephole.Network(2, 3, 1, readout=readout).stream()
    for model in (None, 5, peephole.LSTM):
        with refused(TypeError, "model"):
            peephole.Stream(model)

"""Pools of sessions: each with the bits of a stream of its own."""

import copy
import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import peephole
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.refusals import refused
from support.strategies import begin_anywhere, lstm_options
from support.tolerances import assert_identical

ACTIONS = ["open", "open", "close", "reset", "step", "step", "step", "process", "state", "move"]


class Players:
    """A pool beside streams that do the same."""

    def __init__(self, model, capacity, rng):
        self.model, self.rng = model, rng
        self.pool = model.sessions(capacity)
        self.streams = {}

    def act(self, action):
        getattr(self, action)()
        assert len(self.pool) == len(self.streams)
        assert set(self.pool) == set(self.streams)

    def any(self):
        return int(self.rng.choice(list(self.streams)))

    def some(self):
        count = self.rng.integers(0, len(self.streams) + 1)
        return self.rng.permutation(np.array(list(self.streams), np.int64))[:count]

    def numbers(self, *shape):
        shape += (self.model.input_size,)
        return self.rng.standard_normal(shape).astype(self.model.dtype)

    def open(self):
        if len(self.streams) == self.pool.capacity:
            with pytest.raises(RuntimeError, match=r"sessions: all \d+ are open"):
                self.pool.open()
            return
        session = self.pool.open()
        assert session not in self.streams
        self.streams[session] = self.model.stream()

    def close(self):
        if self.streams:
            session = self.any()
            self.pool.close(session)
            assert session not in self.pool
            del self.streams[session]

    def reset(self):
        if self.streams:
            session = self.any()
            self.pool.reset(session)
            self.streams[session].reset()

    def step(self):
        ids = self.some()
        x = self.numbers(len(ids))
        y = self.pool.step(ids, x)
        assert y.shape == (len(ids), self.pool.output_size)
        for session, row, result in zip(ids, x, y, strict=True):
            assert_identical(result, self.streams[session].step(row), "y")

    def process(self):
        ids = self.some()
        time = self.rng.integers(0, 5)
        x = self.numbers(len(ids), time)
        lengths = self.rng.integers(0, time + 1, len(ids)) if self.rng.integers(2) else None
        y = self.pool.process(ids, x, lengths)
        for i, session in enumerate(ids):
            length = time if lengths is None else lengths[i]
            assert_identical(y[i, :length], self.streams[session].process(x[i, :length]), "y")
            assert not np.any(y[i, length:])

    def state(self):
        if self.streams:
            a, b = self.any(), self.any()
            for ours, theirs in zip(self.pool.state(a), self.streams[a].state, strict=True):
                assert_identical(ours[0], theirs[0][0], "h")
                assert_identical(ours[1], theirs[1][0], "c")
            state = self.streams[a].state if self.rng.integers(2) else self.pool.state(a)
            self.pool.set_state(b, state)
            self.streams[b].state = state

    def move(self):
        way = self.rng.integers(4)
        if way == 0:
            self.pool = pickle.loads(pickle.dumps(self.pool))
        elif way == 1:
            self.pool = copy.deepcopy(self.pool)
        else:
            file = io.BytesIO()
            np.savez(file, **self.pool.snapshot())
            if way == 2:
                self.pool = self.model.sessions(self.pool.capacity)
            file.seek(0)
            with np.load(file) as snapshot:
                self.pool.restore(snapshot)


@settings(deadline=None)
@given(
    options=lstm_options(bidirectional=False),
    head=st.sampled_from([None, "identity", "softmax"]),
    zoneout=st.sampled_from([0.0, 0.0, 0.25]),
    capacity=st.integers(1, 6),
    dtype=st.sampled_from(["float32", "float64"]),
    isa=st.sampled_from(peephole.build_info()["isas"]),
    actions=st.lists(st.sampled_from(ACTIONS), max_size=25),
    seed=st.integers(0, 1000),
)
def test_equals_streams(options, head, zoneout, capacity, dtype, isa, actions, seed):
    chosen = peephole.build_info()["isa"]
    peephole.set_isa(isa)
    try:
        options |= {"zoneout": zoneout, "dtype": dtype, "seed": seed}
        if head is None:
            model = peephole.LSTM(**options)
        else:
            model = peephole.Network(**options, output_size=3, head=head)
        rng = np.random.default_rng(seed)
        begin_anywhere(model, rng)
        players = Players(model, capacity, rng)
        for action in actions:
            players.act(action)
    finally:
        peephole.set_isa(chosen)


@pytest.fixture
def pool():
    """Of 5 sessions, 4 are open and have state."""
    pool = peephole.Network(2, [4, 3], 1, seed=1).sessions(5)
    ids = [pool.open() for _ in range(4)]
    pool.step(ids, np.ones((4, 2), np.float32))
    return pool


def test_many_blocks(rng):
    model = peephole.Network(3, 20, 2, seed=1)
    pool = model.sessions(1000)
    ids = np.array([pool.open() for _ in range(1000)])
    x = rng.standard_normal((1000, 6, 3)).astype(np.float32)
    assert_identical(pool.process(ids, x), model.predict(x), "y")
    for session in ids:
        pool.reset(session)
    lengths = rng.integers(0, 7, 1000)
    assert_identical(pool.process(ids, x, lengths), model.predict(x, lengths), "ragged")


def test_out(pool):
    ids = list(pool)
    other = pool.copy()
    x = np.full((4, 2), 0.5, np.float32)
    out = np.empty((4, 1), np.float32)
    assert pool.step(ids, x, out=out) is out
    assert_identical(out, other.step(ids, x), "out")
    block = np.empty((4, 3, 1), np.float32)
    x = np.full((4, 3, 2), 0.5, np.float32)
    assert pool.process(ids, x, out=block) is block
    assert_identical(block, other.process(ids, x), "block")
    square = peephole.LSTM(3, 3, seed=1).sessions(2)
    ids = [square.open(), square.open()]
    x = np.ones((2, 3), np.float32)
    expected = square.copy().step(ids, x)
    assert_identical(square.step(ids, x, out=x), expected, "in place")


def test_converts():
    pool = peephole.Network(2, 3, 1, seed=1).sessions(2)
    ids = [pool.open(), pool.open()]
    expected = pool.copy().step(ids, np.ones((2, 2), np.float32))
    for ids_given in (ids, tuple(ids), np.array(ids, np.uint16), np.array(ids * 2)[:2]):
        for x in ([[1, 1], [1, 1]], np.ones((2, 2)), np.ones((2, 2), int).T):
            assert_identical(pool.copy().step(ids_given, x), expected, "y")
    assert pool.step([], np.ones((0, 2))).shape == (0, 1)
    assert pool.process([], np.ones((0, 4, 2))).shape == (0, 4, 1)


def test_collection(pool):
    ids = list(pool)
    assert len(pool) == 4
    assert pool.capacity == 5
    assert repr(pool) == "<Sessions 4 of 5 open, input_size=2, output_size=1, float32>"
    assert (pool.input_size, pool.output_size, pool.dtype) == (2, 1, np.float32)
    assert all(session in pool for session in ids)
    assert np.int64(ids[0]) in pool
    for other in (-1, max(ids) + 1, 2**70, "a", 1.0, None):
        assert other not in pool
    pool.close(ids[2])
    assert ids[2] not in pool
    assert sorted(pool) == [ids[0], ids[1], ids[3]]
    assert pool.open() not in ids


def test_holds_the_weights_it_was_made_with():
    model = peephole.Network(2, 4, 1, seed=1)
    pool = model.sessions(1)
    session = pool.open()
    x = np.ones((1, 5, 2), np.float32)
    y = model.predict(x)
    model.parameters["weight_hh_l0"][:] *= 2
    assert_identical(pool.process([session], x), y, "y")
    pool.reset(session)
    del model
    assert_identical(pickle.loads(pickle.dumps(pool)).process([session], x), y, "y of a pickle")


def test_nan_stays_in_its_session():
    pool = peephole.Network(1, 20, 1, seed=1).sessions(100)
    ids = np.array([pool.open() for _ in range(100)])
    other = pool.copy()
    x = np.linspace(-1, 1, 100, dtype=np.float32)[:, None]
    with_nan = x.copy()
    with_nan[3] = np.nan
    others = np.arange(100) != 3
    for _ in range(3):
        y = pool.step(ids, with_nan)
        assert np.isnan(y[3]).all()
        assert_identical(y[others], other.step(ids, x)[others], "y")
    assert np.isnan(pool.step(ids, x)[3]).all()
    pool.reset(ids[3])
    assert np.isfinite(pool.step(ids, x)).all()


def unchanged(before, after):
    return all(np.array_equal(before[name], after[name]) for name in before)


BAD_VALUES = [
    ("ids", lambda p, i: p.step([i[0], 99], np.ones((2, 2))), "got 99 at position 1"),
    ("ids", lambda p, i: p.step([i[0], -1], np.ones((2, 2))), "got -1 at position 1"),
    (
        "ids",
        lambda p, i: p.step([*i[:3], i[1]], np.ones((4, 2))),
        "once, got 1 again at position 3",
    ),
    ("ids", lambda p, i: p.process([i[0], 99], np.ones((2, 5, 2))), "open sessions, got 99 at"),
    ("ids", lambda p, i: p.process([99], np.ones((1, 5000, 2))), "open sessions, got 99 at"),
    ("ids", lambda p, i: p.step([i], np.ones((4, 2))), r"expected \(n,\), got \(1, 4\)"),
    ("ids", lambda p, i: p.step(i[0], np.ones(2)), r"expected \(n,\), got \(\)"),
    ("x", lambda p, i: p.step(i, np.ones((4, 3))), r"expected \(4, 2\), got \(4, 3\)"),
    ("x", lambda p, i: p.step(i, np.ones((3, 2))), r"expected \(4, 2\), got \(3, 2\)"),
    ("x", lambda p, i: p.process(i, np.ones((4, 2))), r"expected \(4, time, 2\), got \(4, 2\)"),
    ("out", lambda p, i: p.step(i, np.ones((4, 2)), out=np.ones((4, 2), "f4")), r"shape \(4, 1\)"),
    ("lengths", lambda p, i: p.process(i[:2], np.ones((2, 3, 2)), [1, 4]), "0..3, got 4 at pos"),
    ("lengths", lambda p, i: p.process(i[:2], np.ones((2, 3, 2)), [-1, 3]), "got -1 at position 0"),
    ("lengths", lambda p, i: p.process(i[:2], np.ones((2, 3, 2)), [3]), r"expected \(2,\)"),
    ("id", lambda p, i: p.close(99), "expected an open session, got 99"),
    ("id", lambda p, i: p.reset(2**70), "an open session, got 1180591620717411303424"),
    ("id", lambda p, i: p.state(-1), "got -1"),
    ("id", lambda p, i: p.set_state(99, p.state(i[0])), "got 99"),
    ("state", lambda p, i: p.set_state(i[0], ()), "expected 2 pairs"),
    ("snapshot", lambda p, i: p.restore({}), "expected header, slots, states, got no header"),
]


@pytest.mark.parametrize(("argument", "call", "says"), BAD_VALUES)
def test_refuses_values(pool, argument, call, says):
    before = pool.snapshot()
    with refused(ValueError, argument):
        call(pool, list(pool))
    with pytest.raises(ValueError, match=says):
        call(pool, list(pool))
    assert unchanged(before, pool.snapshot())


@pytest.mark.parametrize(
    ("argument", "call"),
    [
        ("ids", lambda p, i: p.step([0.5], np.ones((1, 2)))),
        ("ids", lambda p, i: p.step(["a"], np.ones((1, 2)))),
        ("ids", lambda p, i: p.step(np.ma.array(i, mask=[1, 0, 0, 0]), np.ones((4, 2)))),
        ("x", lambda p, i: p.step(i, np.ones((4, 2), complex))),
        ("out", lambda p, i: p.step(i, np.ones((4, 2)), out=np.ones((4, 1)))),
        ("lengths", lambda p, i: p.process(i, np.ones((4, 3, 2)), np.ones(4))),
        ("id", lambda p, i: p.close(1.0)),
        ("id", lambda p, i: p.reset(True)),
        ("id", lambda p, i: p.state("a")),
        ("state", lambda p, i: p.set_state(i[0], 5)),
        ("snapshot", lambda p, i: p.restore(5)),
        ("snapshot", lambda p, i: p.restore(dict.fromkeys(["header", "slots", "states"], "a"))),
    ],
)
def test_refuses_types(pool, argument, call):
    with pytest.raises(TypeError, match=f"^{argument}"):
        call(pool, list(pool))


def test_refuses_damaged_and_foreign_snapshots(pool):
    snapshot, before = pool.snapshot(), pool.snapshot()
    for name in ("header", "slots", "states"):
        damaged = {key: value.copy() for key, value in snapshot.items()}
        damaged[name].reshape(-1)[1] += 1
        with pytest.raises(ValueError, match="snapshot: expected an unchanged one"):
            pool.restore(damaged)
    for damaged in (
        dict(snapshot, states=snapshot["states"].astype(np.float64)),
        dict(snapshot, states=snapshot["states"][:-1]),
        dict(snapshot, slots=snapshot["slots"][:0]),
    ):
        with pytest.raises(ValueError, match="snapshot: expected an unchanged one"):
            pool.restore(damaged)
    for model, capacity in (
        (peephole.Network(2, [4, 3], 1, seed=2), 5),
        (peephole.Network(2, [4, 3], 1, seed=1), 4),
        (peephole.Network(2, [4, 3], 1, zoneout=0.1, seed=1), 5),
        (peephole.LSTM(2, [4, 3], seed=1), 5),
    ):
        with pytest.raises(ValueError, match="snapshot: expected one of a pool of this model"):
            model.sessions(capacity).restore(snapshot)
    assert unchanged(before, pool.snapshot())
    peephole.Network(2, [4, 3], 1, seed=1).sessions(9).restore(snapshot)


def test_refuses_models_and_capacities():
    with refused(ValueError, "stream"):
        peephole.LSTM(2, 3, bidirectional=True).sessions(1)
    with pytest.raises(ValueError, match="stream: expected a model whose readout is"):
        peephole.Network(2, 3, 1, readout="mean").sessions(1)
    for capacity in (0, -1, 2**24 + 1, 2**64):
        with refused(ValueError, "capacity"):
            peephole.LSTM(2, 3).sessions(capacity)
    with refused(TypeError, "capacity"):
        peephole.LSTM(2, 3).sessions(1.5)
    for model in (None, peephole.LSTM):
        with refused(TypeError, "model"):
            peephole.Sessions(model, 1)


def test_threads_share_a_pool(rng):
    """Each has sessions of its own; their calls run one after the other."""
    model = peephole.Network(2, 24, 1, seed=1)
    pool = model.sessions(40)
    x = rng.standard_normal((10, 200, 2)).astype(np.float32)
    expected, results = model.predict(x), [None] * 4

    def run(n):
        ids = [pool.open() for _ in range(10)]
        blocks = [pool.process(ids, x[:, :100])]
        blocks += [pool.step(ids, x[:, t])[:, None] for t in range(100, 200)]
        results[n] = np.concatenate(blocks, axis=1)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(results))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pool) == 40
    for y in results:
        assert_identical(y, expected, "y")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs Unix")
def test_an_interrupted_call_changes_nothing():
    pool = peephole.LSTM(1, 256, seed=1).sessions(100)
    ids = [pool.open() for _ in range(100)]
    pool.step(ids, np.ones((100, 1), np.float32))
    before = pool.snapshot()
    within = []

    def handler(*_):
        with pytest.raises(RuntimeError, match="sessions: in use by a call of this thread"):
            pool.step(ids, np.ones((100, 1), np.float32))
        within.append(True)
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            pool.process(ids, np.zeros((100, 20_000, 1), np.float32))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert within
    assert unchanged(before, pool.snapshot())
    pool.step(ids, np.ones((100, 1), np.float32))


def test_the_gil_is_released():
    pool = peephole.LSTM(1, 256, seed=1).sessions(64)
    ids = [pool.open() for _ in range(64)]
    x = np.zeros((64, 400, 1), np.float32)
    thread = threading.Thread(target=pool.process, args=(ids, x))
    thread.start()
    turns = 0
    while thread.is_alive():
        turns += 1
        time.sleep(0)
    assert turns > 10


FORK = """
import os, signal, threading, time
import numpy as np
import peephole

pool = peephole.LSTM(1, 256, seed=1).sessions(64)
ids = [pool.open() for _ in range(64)]
x = np.zeros((64, 1000, 1), np.float32)
thread = threading.Thread(target=pool.process, args=(ids, x))
thread.start()
time.sleep(0.05)
child = os.fork()
if child == 0:
    signal.alarm(20)
    try:
        pool.step(ids, x[:, 0])
    except RuntimeError as error:
        os._exit(0 if "when this process was forked" in str(error) else 1)
    os._exit(2)
status = os.waitpid(child, 0)[1]
thread.join()
assert pool.step(ids, x[:, 0]).shape == (64, 256)
assert status == 0, status
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_child_forked_during_a_call_gets_an_error():
    command = [sys.executable, "-W", "ignore", "-c", FORK]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr

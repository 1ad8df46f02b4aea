"""Pools of sessions: each with the bits of a stream of its own."""

import copy
import io
import pickle

import numpy as np
import peephole
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
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

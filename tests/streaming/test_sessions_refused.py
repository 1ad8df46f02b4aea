"""Pools of sessions refuse wrong arguments by name, and nothing changes."""

import numpy as np
import peephole
import pytest
from support.refusals import refused


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

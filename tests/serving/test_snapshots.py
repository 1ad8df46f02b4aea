"""Snapshots of a batcher: sessions go on where they were, or nothing is changed."""

import asyncio

import numpy as np
import peephole
import pytest
from peephole.serving import Batcher
from support.refusals import refused

I, O = 3, 2  # noqa: E741
NAMES = ["", "a", "a\0", "ä 中", "x" * 1000]


@pytest.fixture(scope="module")
def net():
    return peephole.Network(I, 16, O, seed=0)


@pytest.fixture
def x(rng):
    return rng.standard_normal((len(NAMES), 30, I)).astype(np.float32)


async def advance(batcher, x):
    """All sessions by some steps: y (n, T, O)."""
    each = zip(batcher.sessions.values(), x, strict=True)
    return np.array(await asyncio.gather(*(session.process(row) for session, row in each)))


@pytest.mark.parametrize("where", ["memory", "file"])
def test_sessions_go_on(net, x, tmp_path, where):
    expected = net.stream(len(NAMES)).process(x)

    async def run():
        async with Batcher(net.sessions(10)) as batcher:
            batcher.open("closed before")
            for name in NAMES:
                batcher.open(name)
            batcher.sessions["closed before"].close()
            before = await advance(batcher, x[:, :12])
            snapshot = await batcher.snapshot()
            await batcher.save(tmp_path / "sessions.npz")
            await advance(batcher, x[:, 12:20])  # not in the snapshot
        async with Batcher(net.sessions(10)) as batcher:
            if where == "file":
                batcher.load(tmp_path / "sessions.npz")
            else:
                batcher.restore(snapshot)
            assert list(batcher.sessions) == NAMES
            assert {session.steps for session in batcher.sessions.values()} == {12}
            after = await advance(batcher, x[:, 12:])
            return np.concatenate([before, after], axis=1)

    np.testing.assert_array_equal(asyncio.run(run()), expected)
    assert [path.name for path in tmp_path.iterdir()] == ["sessions.npz"]


def test_of_no_sessions(net):
    async def run():
        async with Batcher(net.sessions(2)) as batcher:
            batcher.restore(await batcher.snapshot())
            assert not batcher.sessions
            batcher.open("a")
            with pytest.raises(RuntimeError, match="expected no open sessions, got 1"):
                batcher.restore(await batcher.snapshot())

    asyncio.run(run())


def damaged(snapshot):
    """Snapshots that must be refused."""
    yield {}
    for key in snapshot:
        yield {name: array for name, array in snapshot.items() if name != key}
        yield {**snapshot, key: snapshot[key][:-1]}
    yield {**snapshot, "ids": snapshot["ids"] + 1}
    yield {**snapshot, "ids": snapshot["ids"].astype(float)}
    yield {**snapshot, "steps": snapshot["steps"] - 100}
    yield {**snapshot, "names": np.array(["a", "b", "c"])}
    yield {**snapshot, "names": snapshot["names"] ^ 0xFF}
    same = b"".join((1).to_bytes(8, "little") + b"a" for _ in range(3))
    yield {**snapshot, "names": np.frombuffer(same, np.uint8)}
    bad_utf8 = b"".join((1).to_bytes(8, "little") + bytes([0x80 + k]) for k in range(3))
    yield {**snapshot, "names": np.frombuffer(bad_utf8, np.uint8)}


def test_damaged_snapshots_change_nothing(net, x):
    async def run():
        async with Batcher(net.sessions(3)) as batcher:
            for name in "abc":
                batcher.open(name)
            await advance(batcher, x[:3])
            snapshot = await batcher.snapshot()
        pool = net.sessions(3)
        async with Batcher(pool) as batcher:
            for bad in damaged(snapshot):
                with pytest.raises((ValueError, TypeError), match=r"^snapshot"):
                    batcher.restore(bad)
                assert not batcher.sessions
                assert len(pool) == 0
            batcher.restore(snapshot)
            assert list(batcher.sessions) == ["a", "b", "c"]

    asyncio.run(run())


def test_of_another_model(net):
    async def run():
        async with Batcher(net.sessions(3)) as batcher:
            batcher.open("a")
            snapshot = await batcher.snapshot()
        for other in (peephole.Network(I, 17, O, seed=0), peephole.Network(I, 16, O, seed=1)):
            async with Batcher(other.sessions(3)) as batcher:
                with refused(ValueError, "snapshot"):
                    batcher.restore(snapshot)

    asyncio.run(run())


def test_bad_files(net, tmp_path):
    async def run():
        async with Batcher(net.sessions(3)) as batcher:
            for content in (b"", b"PK\x03\x04", b"no zip at all"):
                path = tmp_path / "bad.npz"
                path.write_bytes(content)
                with refused(ValueError, "path", "snapshot"):
                    batcher.load(path)
            with pytest.raises(FileNotFoundError):
                batcher.load(tmp_path / "absent.npz")
            with pytest.raises(FileNotFoundError):
                await batcher.save(tmp_path / "absent" / "sessions.npz")
            with refused(TypeError, "path"):
                await batcher.save(3)

    asyncio.run(run())

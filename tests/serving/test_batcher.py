"""`Batcher`: the results of streams, whatever is computed together."""

import asyncio

import numpy as np
import peephole
import pytest
from peephole.serving import Batcher, SessionClosed, batches

I, O, H = 3, 2, 16  # noqa: E741


@pytest.fixture(scope="module")
def net():
    return peephole.Network(I, H, O, seed=0)


@pytest.fixture
def x(rng):
    return rng.standard_normal((200, I)).astype(np.float32)


def streamed(net, x):
    return net.stream().process(x)


@pytest.mark.parametrize("on_the_loop", [1.0, 0.0])
@pytest.mark.parametrize("options", [{}, {"max_batch": 3}, {"max_delay": 0}, {"max_waiting": 2}])
def test_equal_to_streams(net, rng, monkeypatch, options, on_the_loop):
    """Steps and blocks of sessions that come and go at their own pace."""
    monkeypatch.setattr(batches, "_SECONDS_ON_THE_LOOP", on_the_loop)
    each = [rng.standard_normal((rng.integers(1, 150), I)).astype(np.float32) for _ in range(20)]

    async def user(batcher, name, x):
        await asyncio.sleep(rng.random() * 0.01)
        y, t = [], 0
        async with batcher.open(name) as session:
            while t < len(x):
                steps = int(rng.choice([1, 1, 1, 5, 100]))
                if steps == 1:
                    y.append([await session.step(x[t])])
                else:
                    y.append(await session.process(x[t : t + steps]))
                t += steps
            assert session.steps == len(x)
        return np.concatenate(y)

    async def run():
        async with Batcher(net.sessions(20), **options) as batcher:
            users = (user(batcher, f"{k}", x) for k, x in enumerate(each))
            results = await asyncio.gather(*users)
            metrics = batcher.metrics()
        assert metrics.sessions == metrics.waiting == 0
        assert metrics.steps == sum(map(len, each))
        assert metrics.latency.p50 >= metrics.queueing.p50 >= 0
        assert 1 <= metrics.batch_size <= options.get("max_batch", 20)
        return results

    for x, y in zip(each, asyncio.run(run()), strict=True):
        np.testing.assert_array_equal(y, streamed(net, x))


def test_requests_of_a_session_are_computed_in_order(net, x):
    async def run():
        async with Batcher(net.sessions(2)) as batcher:
            session = batcher.open("a")
            other = asyncio.create_task(batcher.open("b").process(x))
            y = await asyncio.gather(*(session.step(row) for row in x))
            np.testing.assert_array_equal(await other, streamed(net, x))
            return y

    np.testing.assert_array_equal(asyncio.run(run()), streamed(net, x))


def test_what_arrives_together_is_one_batch(net, x):
    async def run():
        async with Batcher(net.sessions(10), max_delay=60) as batcher:
            sessions = [batcher.open(str(k)) for k in range(10)]
            await asyncio.gather(*(session.step(x[0]) for session in sessions))
            assert batcher.metrics().batches == 1
            sessions.pop().close()
            await asyncio.gather(*(session.step(x[0]) for session in sessions))
            return batcher.metrics()

    metrics = asyncio.run(run())
    assert metrics.batches == 2
    assert metrics.batch_size == 9.5
    assert metrics.requests == metrics.steps == 19


def test_a_request_waits_no_longer_than_the_delay(net, x):
    async def run():
        async with Batcher(net.sessions(2), max_delay=0.05) as batcher:
            session = batcher.open("a")
            batcher.open("never")
            await session.step(x[0])
            return batcher.metrics().queueing

    queueing = asyncio.run(run())
    assert 0.04 < queueing.max < 5


def test_a_long_block_does_not_hold_up_others(net, x):
    async def run():
        async with Batcher(net.sessions(2)) as batcher:
            long, short = batcher.open("long"), batcher.open("short")
            block = asyncio.create_task(long.process(np.tile(x, (50, 1))))
            await asyncio.sleep(0)
            await short.step(x[0])
            assert not block.done()
            assert 0 < long.steps < 10_000
            return await block

    assert asyncio.run(run()).shape == (10_000, O)


def test_back_pressure(net, x):
    async def run():
        async with Batcher(net.sessions(10), max_waiting=3, max_delay=60) as batcher:
            sessions = [batcher.open(str(k)) for k in range(10)]
            tasks = [asyncio.create_task(session.step(x[0])) for session in sessions[:5]]
            await asyncio.sleep(0.01)
            assert batcher.metrics().waiting == 3
            for session in sessions[3:]:
                session.close()  # now all that are open wait
            results = await asyncio.gather(*tasks, return_exceptions=True)
            return [isinstance(result, SessionClosed) for result in results]

    assert asyncio.run(run()) == [False, False, False, True, True]


def test_cancelled_before_its_batch(net, x):
    async def run():
        async with Batcher(net.sessions(2), max_delay=0.01) as batcher:
            session = batcher.open("a")
            batcher.open("b")
            task = asyncio.create_task(session.step(x[7]))
            await asyncio.sleep(0)
            task.cancel()
            y = await session.process(x[:2])
            assert session.steps == 2
            assert batcher.metrics().waiting == 0
            return y

    np.testing.assert_array_equal(asyncio.run(run()), streamed(net, x[:2]))


def test_cancelled_in_its_batch(net, x, monkeypatch):
    """The state moves on, which the count of steps tells."""
    monkeypatch.setattr(batches, "_SECONDS_ON_THE_LOOP", 0)

    async def run():
        async with Batcher(net.sessions(1)) as batcher:
            session = batcher.open("a")
            await session.step(x[0])
            task = asyncio.create_task(session.process(x[1:]))
            while not batcher._batches.is_computing:
                await asyncio.sleep(0)
            task.cancel()
            await batcher.drain()
            assert 1 < session.steps < len(x)
            y = await session.step(x[session.steps])
            return session.steps, y

    steps, y = asyncio.run(run())
    np.testing.assert_array_equal(y, streamed(net, x)[steps - 1])


def test_idle_sessions_are_closed(net, x):
    async def run():
        async with Batcher(net.sessions(2), idle_timeout=0.1) as batcher:
            idle, busy = batcher.open("idle"), batcher.open("busy")
            for _ in range(20):
                await busy.step(x[0])
                await asyncio.sleep(0.01)
            assert list(batcher.sessions) == ["busy"]
            assert busy.is_open and not idle.is_open
            with pytest.raises(SessionClosed, match=r"'idle' was closed after 0.1 s without"):
                await idle.step(x[0])
            batcher.open("idle")

    asyncio.run(run())


@pytest.mark.parametrize("on_the_loop", [1.0, 0.0])
def test_closed_while_requests_wait(net, x, monkeypatch, on_the_loop):
    monkeypatch.setattr(batches, "_SECONDS_ON_THE_LOOP", on_the_loop)

    async def run():
        async with Batcher(net.sessions(1)) as batcher:
            session = batcher.open("a")
            long = np.tile(x, (50, 1))
            tasks = [asyncio.create_task(session.process(long)) for _ in range(3)]
            while not session.steps:
                await asyncio.sleep(0)
            session.close()
            session.close()  # does nothing
            for task in tasks:
                with pytest.raises(SessionClosed, match="closed by close"):
                    await task
            await batcher.drain()
            again = batcher.open("a")  # there is room for it
            return await again.process(x)

    np.testing.assert_array_equal(asyncio.run(run()), streamed(net, x))


def test_the_batcher_ends(net, x):
    async def run():
        async with Batcher(net.sessions(2), max_delay=60) as batcher:
            session = batcher.open("a")
            batcher.open("b")
            task = asyncio.create_task(session.step(x[0]))
            await asyncio.sleep(0)
        with pytest.raises(SessionClosed, match="with its batcher"):
            await task
        with pytest.raises(RuntimeError, match="the batcher is closed"):
            batcher.open("a")

    asyncio.run(run())


def test_an_error_reaches_its_requests_alone(net, x, monkeypatch):
    async def run():
        batcher = Batcher(net.sessions(2))
        a, b = batcher.open("a"), batcher.open("b")
        with monkeypatch.context() as patch:
            patch.setattr(peephole.Sessions, "step", lambda *_: 1 / 0)
            results = await asyncio.gather(a.step(x[0]), b.step(x[0]), return_exceptions=True)
        assert [type(error) for error in results] == [ZeroDivisionError] * 2
        y = await a.step(x[0])
        await batcher.close()
        return y

    np.testing.assert_array_equal(asyncio.run(run()), streamed(net, x[:1])[0])


def test_blocks_of_no_steps(net, x):
    async def run():
        async with Batcher(net.sessions(2)) as batcher:
            a, b = batcher.open("a"), batcher.open("b")
            alone = await a.process(x[:0])
            both = await asyncio.gather(a.process(x[:0]), b.process(x))
            assert a.steps == 0
            return [alone, *both, await a.process(x)]

    alone, beside, other, after = asyncio.run(run())
    assert alone.shape == beside.shape == (0, O)
    np.testing.assert_array_equal(other, streamed(net, x))
    np.testing.assert_array_equal(after, streamed(net, x))


def test_a_nan_stays_in_its_session(net, x):
    async def run():
        async with Batcher(net.sessions(2)) as batcher:
            a, b = batcher.open("a"), batcher.open("b")
            bad = np.full((len(x), I), np.nan)
            return await asyncio.gather(a.process(bad), b.process(x))

    bad, good = asyncio.run(run())
    assert np.isnan(bad).all()
    np.testing.assert_array_equal(good, streamed(net, x))

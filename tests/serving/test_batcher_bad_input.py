"""`Batcher` refuses wrong arguments by name, and its sessions stay as they were."""

import asyncio

import numpy as np
import peephole
import pytest
from peephole.serving import Batcher
from support.refusals import refused

I, O = 3, 2  # noqa: E741


@pytest.fixture(scope="module")
def net():
    return peephole.Network(I, 16, O, seed=0)


@pytest.fixture
def x(rng):
    return rng.standard_normal((200, I)).astype(np.float32)


def test_bad_input(net, x):
    async def run():
        async with Batcher(net.sessions(1)) as batcher:
            session = batcher.open("a")
            for bad in (x[0, :2], x, [[1.0, 2.0], [3.0]]):
                with refused(ValueError, "x"):
                    await session.step(bad)
            with refused(TypeError, "x", "real numbers"):
                await session.step([1j, 0, 0])
            with refused(ValueError, "x", "(T, 3)"):
                await session.process(x[0])
            with refused(ValueError, "name", "not in use"):
                batcher.open("a")
            with refused(TypeError, "name"):
                batcher.open(3)
            with pytest.raises(RuntimeError):
                batcher.open("b")
            assert session.steps == 0
            return await session.process(x)

    np.testing.assert_array_equal(asyncio.run(run()), net.stream().process(x))


@pytest.mark.parametrize(
    ("error", "argument", "options"),
    [
        (TypeError, "pool", {"pool": 3}),
        (ValueError, "max_batch", {"max_batch": 0}),
        (TypeError, "max_batch", {"max_batch": 1.5}),
        (ValueError, "max_delay", {"max_delay": -1}),
        (ValueError, "max_delay", {"max_delay": float("nan")}),
        (ValueError, "max_waiting", {"max_waiting": 0}),
        (ValueError, "idle_timeout", {"idle_timeout": 0}),
    ],
)
def test_bad_options(net, error, argument, options):
    with refused(error, argument):
        Batcher(**{"pool": net.sessions(1), **options})


def test_a_pool_in_use_is_refused(net):
    pool = net.sessions(1)
    pool.open()
    with refused(ValueError, "pool", "without open sessions"):
        Batcher(pool)

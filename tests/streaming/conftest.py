"""Fixtures of streams and sessions."""

import numpy as np
import peephole
import pytest


@pytest.fixture
def pool():
    """Of 5 sessions, 4 are open and have state."""
    pool = peephole.Network(2, [4, 3], 1, seed=1).sessions(5)
    ids = [pool.open() for _ in range(4)]
    pool.step(ids, np.ones((4, 2), np.float32))
    return pool

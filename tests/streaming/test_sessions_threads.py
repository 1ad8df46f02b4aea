"""Pools of sessions beside threads, signals and forks."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import peephole
import pytest
from support.tolerances import assert_identical


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
    assert all(np.array_equal(before[name], array) for name, array in pool.snapshot().items())
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

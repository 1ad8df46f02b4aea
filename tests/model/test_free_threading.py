"""What docs/guide/free-threading.md promises of threads that call at the same time.

On a free-threaded Python the calls really overlap. With a GIL they do while the core computes.
"""

import os
import subprocess
import sys
import sysconfig
import threading

import numpy as np
import peephole
import pytest
from peephole.optim import SGD, Adam
from support.tolerances import assert_identical

THREADS = 4
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def at_once(work, count=THREADS):
    """work(k) on `count` threads that begin together; raises what one of them raised."""
    begin = threading.Barrier(count)
    results, errors = [None] * count, []

    def run(k):
        begin.wait()
        try:
            results[k] = work(k)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((3, 12, 4)).astype(np.float32)


@pytest.mark.skipif(not FREE_THREADED, reason="needs a free-threaded Python")
def test_the_import_leaves_the_gil_off():
    program = "import sys, peephole; print(sys._is_gil_enabled())"
    command = [sys.executable, "-W", "error", "-c", program]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHON_GIL"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == ("False\n", "")


@pytest.mark.parametrize("make", [peephole.LSTM, lambda *a, **k: peephole.Network(*a, 2, **k)])
def test_calls_of_one_model(make, x):
    """Inference, training, streams and saving have the results of calls one after the other."""
    model = make(4, [8, 5], seed=0)
    y, state = model(x)
    *_, tape = model.forward(x)
    dy = np.ones_like(y)
    expected = model.backward(tape, dy).parameters

    def calls(_):
        for _ in range(20):
            assert_identical(model(x)[0], y)
            assert_identical(model(x, state)[0], model(x, state)[0])
            *_, own = model.forward(x)
            for some in (own, tape):  # backward only reads a tape
                for name, gradient in model.backward(some, dy).parameters.items():
                    assert_identical(gradient, expected[name])
            assert_identical(model.stream(batch=3).process(x), y)
            model.release_workspaces()

    at_once(calls)


def test_models_made_meanwhile(x):
    """Each thread has its own model and optimiser."""

    def train(_):
        net = peephole.Network(4, 8, 1, seed=3)
        net.fit(x, x[:, :, :1], epochs=3, progress=False, seed=1)
        return net.predict(x)

    first, *others = at_once(train)
    for y in others:
        assert_identical(y, first)


def test_steps_of_one_optimiser():
    """They are made one after the other: none is lost."""
    lstm = peephole.LSTM(4, 32, seed=0)
    before = {name: value.copy() for name, value in lstm.parameters.items()}
    optimiser = SGD(lstm.parameters, learning_rate=2**-20)
    gradients = {name: np.ones_like(value) for name, value in lstm.parameters.items()}

    def steps(_):
        for _ in range(200):
            optimiser.step(gradients)
            assert 0 < optimiser.steps <= 200 * THREADS
            assert optimiser.learning_rate == 2**-20

    at_once(steps)
    assert optimiser.steps == 200 * THREADS
    again = peephole.LSTM(4, 32, seed=0)
    alone = SGD(again.parameters, learning_rate=2**-20)
    for _ in range(200 * THREADS):
        alone.step(gradients)
    for name, value in lstm.parameters.items():
        assert_identical(value, again.parameters[name])
        assert not np.array_equal(value, before[name])


def test_states_of_an_optimiser_are_of_one_step():
    """Copies made while another thread makes steps never mix two steps."""
    lstm = peephole.LSTM(4, 64, seed=0)
    optimiser = Adam(lstm.parameters, learning_rate=1e-3)
    gradients = {name: np.ones_like(value) for name, value in lstm.parameters.items()}
    done = threading.Event()

    def work(k):
        if k == 0:
            for _ in range(300):
                optimiser.step(gradients)
            done.set()
        while not done.is_set():
            moments = [v for name, v in optimiser._core.state().items() if name.startswith("m/")]
            assert len({float(value) for m in moments for value in (m.min(), m.max())}) == 1

    at_once(work, 2)


def test_assignments_of_one_parameter():
    """A reader of the result finds one of the values, not parts of two."""
    lstm = peephole.LSTM(16, 64, seed=0)
    shape = lstm.parameters["weight_ih_l0"].shape

    def assign(k):
        value = np.full(shape, k, np.float32)
        for _ in range(200):
            lstm.parameters["weight_ih_l0"] = value
            view = lstm.parameters["weight_hh_l0"]  # made and dropped meanwhile
            assert view.shape == (256, 64)
            del view

    at_once(assign)
    assert np.unique(lstm.parameters["weight_ih_l0"]).size == 1


def test_masks_of_one_parameter():
    """A weight stays only if every mask keeps it, in whatever order threads set them."""
    for _ in range(50):
        parameters = peephole.LSTM(4, 8, seed=0).parameters
        core = parameters._core

        def cut(k, core=core):
            connected = np.ones((32, 4), bool)
            connected[k] = False
            core.set_mask("weight_ih_l0", connected)

        at_once(cut)
        expected = np.ones((32, 4), bool)
        expected[:THREADS] = False
        assert np.array_equal(core.mask("weight_ih_l0"), expected)
        assert not parameters["weight_ih_l0"][:THREADS].any()


def test_calls_of_one_stream(x):
    """Each call is made whole or refused: its state is that of the calls that were made."""
    lstm = peephole.LSTM(4, 64, seed=0)
    stream, alone = lstm.stream(), lstm.stream()
    steps = np.repeat(x[0], 40, axis=0)

    def process(_):
        made = 0
        for _ in range(50):
            assert (stream.batch, stream.input_size) == (1, 4)
            try:
                stream.process(steps)
            except RuntimeError as error:
                assert "in use by another thread" in str(error)
            else:
                made += 1
        return made

    for _ in range(sum(at_once(process))):
        alone.process(steps)
    assert_identical(stream.process(steps), alone.process(steps))


def test_sessions_of_one_pool(x):
    lstm = peephole.LSTM(4, 16, seed=0)
    pool = lstm.sessions(THREADS)
    expected = lstm(x[0])[0]

    def serve(_):
        for _ in range(20):
            session = pool.open()
            steps = [pool.step([session], row[None])[0] for row in x[0]]
            assert_identical(np.stack(steps), expected)
            pool.close(session)

    at_once(serve)
    assert len(pool) == 0


def test_an_executor_of_another_thread():
    scope = peephole.executor("own")
    scope.__enter__()

    def leave(_):
        with pytest.raises(RuntimeError, match="executor: entered by another thread"):
            scope.__exit__(None, None, None)
        with pytest.raises(RuntimeError, match="executor: entered twice"):
            scope.__enter__()

    at_once(leave)
    scope.__exit__(None, None, None)
    at_once(lambda _: scope.__enter__() or scope.__exit__(None, None, None), 1)


def test_mappings_that_change_meanwhile():
    """Another thread adds to and takes from a dict that a call goes through."""
    lstm = peephole.LSTM(2, 3, seed=0)
    x = np.zeros((4, 2), np.float32)
    tangents = {name: np.zeros_like(value) for name, value in lstm.parameters.items()}
    done = threading.Event()

    def work(k):
        if k == 0:
            try:
                for _ in range(200):
                    lstm._core.jvp(x, None, None, None, None, tangents, None)
            finally:
                done.set()
        while not done.is_set():
            bias = tangents.pop("bias_l0")
            tangents["bias_l0"] = bias

    at_once(work, 2)

"""Threads in a process: executors, limits, forks, the end of the process."""

import os
import subprocess
import sys

import numpy as np
import peephole
import pytest
from peephole import executor, register_with_threadpoolctl
from support.tolerances import assert_identical

pytestmark = pytest.mark.usefixtures("runtime_as_before")
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(autouse=True)
def _own_threads():
    yield
    peephole.set_executor("own")


def run(program, **environment):
    cleared = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**cleared, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def cases():
    """Sequences are shared, units, and directions."""
    for B, T, I, H, options in [  # noqa: E741
        (32, 20, 16, 48, {}),
        (1, 100, 16, 160, {}),
        (3, 30, 24, 64, {"bidirectional": True}),
    ]:
        lstm = peephole.LSTM(I, H, seed=3, **options)
        x = np.random.default_rng(4).standard_normal((B, T, I)).astype("f4")
        y, _, tape = lstm.forward(x)
        yield lstm, x, y, lstm.backward(tape, y).x


class TestExecutor:
    def test_same_bits_on_the_threads_of_torch(self):
        torch = pytest.importorskip("torch")
        torch.ones(3).sum()
        if sys.platform != "linux":
            pytest.skip("needs Linux")
        peephole.set_num_threads(1)
        expected = list(cases())
        peephole.set_num_threads(3)
        with executor("openmp"):
            assert peephole.build_info()["executor"] == "openmp"
            for lstm, x, y, dx in expected:
                for _ in range(20):
                    torch.mm(torch.ones(200, 200), torch.ones(200, 200))
                    got, _, tape = lstm.forward(x)
                    assert_identical(got, y)
                    assert_identical(lstm.backward(tape, y).x, dx)
        assert peephole.build_info()["executor"] == "own"

    def test_process_and_thread(self):
        pytest.importorskip("torch")
        peephole.set_executor("openmp")
        assert peephole.build_info()["executor"] == "openmp"
        with executor("own"):
            assert peephole.build_info()["executor"] == "own"
            with executor("openmp"):
                assert peephole.build_info()["executor"] == "openmp"
            assert peephole.build_info()["executor"] == "own"
        assert peephole.build_info()["executor"] == "openmp"

    def test_wrong_names(self):
        for choose in (peephole.set_executor, executor):
            with pytest.raises(ValueError, match='executor: expected "own" or "openmp", got "tbb"'):
                choose("tbb")
            with pytest.raises(TypeError, match="executor: expected a string, got None"):
                choose(None)

    def test_no_openmp_library(self):
        program = "import peephole; peephole.set_executor('openmp')"
        assert 'RuntimeError: executor "openmp": ' in run(program).stderr

    @needs_fork
    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
    def test_a_forked_child_has_its_own_threads(self):
        pytest.importorskip("torch")
        peephole.set_num_threads(2)
        peephole.set_executor("openmp")
        lstm, x, y, _ = next(iter(cases()))
        child = os.fork()
        if child == 0:
            status = 1
            try:
                own = peephole.build_info()["executor"] == "own"
                status = int(not own or lstm(x)[0].tobytes() != y.tobytes())
                try:
                    peephole.set_executor("openmp")
                    status = 2
                except RuntimeError as error:
                    status += "fork" not in str(error)
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class TestLimits:
    COUNT = "import peephole; print(peephole.num_threads())"

    def test_openmp_s_variable(self):
        cpus = int(run(self.COUNT).stdout)
        assert cpus <= len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cpus
        assert int(run(self.COUNT, OMP_NUM_THREADS="1").stdout) == 1
        assert int(run(self.COUNT, OMP_NUM_THREADS="1,4").stdout) == 1
        assert int(run(self.COUNT, OMP_NUM_THREADS="1000").stdout) == cpus
        assert int(run(self.COUNT, OMP_NUM_THREADS="many").stdout) == cpus
        both = {"OMP_NUM_THREADS": "1", "PEEPHOLE_NUM_THREADS": "3"}
        assert int(run(self.COUNT, **both).stdout) == 3

    def test_threadpoolctl(self):
        threadpoolctl = pytest.importorskip("threadpoolctl")
        register_with_threadpoolctl()
        register_with_threadpoolctl()
        peephole.set_num_threads(3)
        (found,) = (i for i in threadpoolctl.threadpool_info() if i["user_api"] == "peephole")
        assert found["num_threads"] == 3
        assert found["version"] == peephole.__version__
        with threadpoolctl.threadpool_limits(1):
            assert peephole.num_threads() == 1
        assert peephole.num_threads() == 3
        with threadpoolctl.threadpool_limits(1, user_api="blas"):
            assert peephole.num_threads() == 3

    def test_scikit_learn_s_threadpoolctl_knows_peephole(self):
        pytest.importorskip("sklearn")
        program = (
            "import peephole.sklearn, threadpoolctl as t; "
            "print([i['internal_api'] for i in t.threadpool_info()].count('peephole'))"
        )
        assert run(program).stdout == "1\n"


DAEMON = """
import threading, time, numpy as np, peephole
{setup}
def work():
    while True:
        {call}
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
"""
CALLS = {
    "inference": (
        "n = peephole.LSTM(8, 64, seed=0); x = np.zeros((64, 100, 8), 'f')",
        "n(x)",
    ),
    "training": (
        "n = peephole.LSTM(8, 64, seed=0); x = np.zeros((64, 20, 8), 'f')",
        "y, s, t = n.forward(x); n.backward(t, y)",
    ),
    "stream": (
        "n = peephole.LSTM(8, 64, seed=0); s = [n.stream() for _ in range(3)]",
        "n.stream().process(np.zeros((500, 8), 'f'))",
    ),
    "fit": (
        "x = np.zeros((64, 20, 8), 'f'); y = np.zeros((64, 20, 1), 'f')",
        "peephole.Network(8, 16, 1, seed=0).fit(x, y, epochs=3, progress=False)",
    ),
    "save": (
        "import tempfile, os; n = peephole.LSTM(8, 64, seed=0); d = tempfile.mkdtemp()",
        "n.save(os.path.join(d, str(threading.get_ident())))",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_daemon_thread_at_the_end_of_the_process(name):
    setup, call = CALLS[name]
    for _ in range(3):
        done = run(DAEMON.format(setup=setup, call=call), PEEPHOLE_NUM_THREADS="2")
        assert (done.returncode, done.stderr) == (0, "")


FORK = """
import os, signal, threading, time, numpy as np, peephole
x, net = np.ones((1, 4, 64), "f4"), peephole.LSTM(64, 256, seed=0)
peephole.set_num_threads(2)
opt = peephole.optim.SGD(net.parameters, learning_rate=1e-9)
def train():
    while True:
        y, s, t = net.forward(x)
        opt.step(net.backward(t, y))
threading.Thread(target=train, daemon=True).start()
time.sleep(0.1)
for _ in range(60):
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # ends a child that hangs
        y, s, t = net.forward(x)
        net.backward(t, y)
        net.parameters["bias_l0"][:1] = 0
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os._exit(0)
"""


@needs_fork
def test_a_child_forked_while_another_thread_trains():
    assert run(FORK).stdout == "0\n" * 60

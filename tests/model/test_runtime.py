"""Threads and instruction sets: results keep their bits or agree to rounding; calls are safe."""

import os
import subprocess
import sys
import threading

import numpy as np
import peephole
import pytest
from support.tolerances import assert_close, assert_identical

# Instruction sets differ in activations and fused multiplications, over tens of steps.
BETWEEN_SETS = {"float64": 1e-12, "float32": 2e-5}

# (T, B, I, H, options): each large enough for two threads, which then share sequences, units or
# directions; or too small for more than one.
SHAPES = {
    "sequences": (20, 32, 16, 48, {}),
    "units": (40, 2, 64, 160, {}),
    "directions": (30, 3, 24, 64, {"bidirectional": True}),
    "stack": (12, 24, 8, 40, {"num_layers": 3, "bidirectional": True}),
    "dense": (16, 24, 8, 48, {"peephole": "dense", "output_peephole": "current"}),
    "small": (9, 1, 3, 5, {}),
}


pytestmark = pytest.mark.usefixtures("runtime_as_before")


def problem(name, dtype="float32"):
    T, B, I, H, options = SHAPES[name]  # noqa: E741
    lstm = peephole.LSTM(I, H, dtype=dtype, seed=3, **options)
    random = np.random.default_rng(4)
    x = random.standard_normal((B, T, I)).astype(dtype)
    dy = random.standard_normal((B, T, lstm.output_size)).astype(dtype)
    lengths = random.integers(0, T, B, endpoint=True)
    lengths[0] = T
    return lstm, x, dy, lengths


def results(lstm, x, dy, lengths):
    y, state, tape = lstm.forward(x, None, lengths)
    gradients = lstm.backward(tape, dy, state)
    named = {"y": y, "dx": gradients.x, **gradients.parameters}
    for k, ((h, c), (dh, dc)) in enumerate(zip(state, gradients.state, strict=True)):
        named |= {f"h{k}": h, f"c{k}": c, f"dh{k}": dh, f"dc{k}": dc}
    return named


@pytest.mark.parametrize("isa", peephole.build_info()["isas"])
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_on_any_number_of_threads(name, dtype, isa):
    peephole.set_isa(isa)
    peephole.set_num_threads(1)
    case = problem(name, dtype)
    alone = results(*case)
    for threads in (2, 3, 8):
        peephole.set_num_threads(threads)
        for what, value in results(*case).items():
            assert_identical(value, alone[what], f"{what} on {threads} threads")


@pytest.mark.parametrize("isa", peephole.build_info()["isas"])
@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_instruction_sets_agree_with_the_reference(name, dtype, isa):
    case = problem(name, dtype)
    peephole.set_isa("reference")
    expected = results(*case)
    peephole.set_isa(isa)
    for what, value in results(*case).items():
        assert_close(value, expected[what], BETWEEN_SETS[dtype], what)


@pytest.mark.parametrize("isa", [i for i in peephole.build_info()["isas"] if i != "reference"])
@pytest.mark.parametrize("name", SHAPES)
def test_a_row_and_a_chunk_have_the_bits_of_the_whole(name, isa):
    peephole.set_isa(isa)
    lstm, x, _, lengths = problem(name)
    y, _ = lstm(x, None, lengths)
    for b in (0, len(x) - 1):
        assert_identical(lstm(x[b, : lengths[b]])[0], y[b, : lengths[b]], f"row {b} alone")
    if not lstm.bidirectional:
        half = x.shape[1] // 2
        first, state = lstm(x[:1, :half])
        rest, _ = lstm(x[:1, half:], state)
        assert_identical(np.concatenate([first, rest], axis=1), lstm(x[:1])[0], "in two chunks")


def test_several_python_threads_share_one_model():
    lstm, x, dy, lengths = problem("stack")
    expected = results(lstm, x, dy, lengths)
    wrong = []

    def work():
        for _ in range(5):
            got = results(lstm, x, dy, lengths)
            wrong.extend(k for k in got if got[k].tobytes() != expected[k].tobytes())

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_after_fork():
    peephole.set_num_threads(2)
    lstm, x, dy, lengths = problem("sequences")
    expected = results(lstm, x, dy, lengths)["y"]  # the workers of the parent exist now
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = int(results(lstm, x, dy, lengths)["y"].tobytes() != expected.tobytes())
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert_identical(results(lstm, x, dy, lengths)["y"], expected)


def test_the_callers_denormals_are_left_alone():
    lstm, x, dy, lengths = problem("sequences")
    results(lstm, x, dy, lengths)
    tiny = np.full(3, 1e-40, np.float32)
    assert (tiny * np.float32(0.5)).all()


def test_denormal_results_count_as_zero():
    lstm = peephole.LSTM(1, 4, seed=0)
    for name in lstm.parameters:
        lstm.parameters[name] = np.zeros(lstm.parameters.shape(name))
    state = ((np.zeros(4, np.float32), np.full(4, 1e-38, np.float32)),)
    _, ((_, c),) = lstm(np.zeros((3, 1), np.float32), state)  # halved three times
    assert_identical(c, np.zeros(4, np.float32))


def test_choices():
    info = peephole.build_info()
    assert info["version"] == peephole.__version__
    assert info["isa"] in info["isas"]
    assert {"baseline", "reference"} <= set(info["isas"])
    peephole.set_isa("baseline")
    assert peephole.build_info()["isa"] == "baseline"
    assert peephole.build_info()["backend"] == "baseline kernels: chosen by set_isa"
    peephole.set_isa("reference")
    assert peephole.build_info()["backend"] == "reference: chosen by set_isa"
    peephole.set_num_threads(3)
    assert peephole.num_threads() == peephole.build_info()["num_threads"] == 3


@pytest.mark.parametrize("threads", [0, -1, 1025, 2**31, 2**40])
def test_wrong_numbers_of_threads(threads):
    with pytest.raises(ValueError, match=r"num_threads: expected an integer in 1\.\.1024, got"):
        peephole.set_num_threads(threads)


@pytest.mark.parametrize("threads", [1.5, "2", None, True])
def test_threads_that_are_no_numbers(threads):
    with pytest.raises(TypeError, match="num_threads: expected an integer, got"):
        peephole.set_num_threads(threads)


def test_wrong_instruction_sets():
    with pytest.raises(
        ValueError, match=r'name: expected one of baseline, .*reference, got "sse9"'
    ):
        peephole.set_isa("sse9")
    with pytest.raises(TypeError, match="name: expected a string, got int"):
        peephole.set_isa(2)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PEEPHOLE_ISA", "baseline", "baseline 2"),
        ("PEEPHOLE_ISA", "reference", "reference 2"),
        ("PEEPHOLE_ISA", "sse9", "ValueError: PEEPHOLE_ISA: expected one of baseline"),
        ("PEEPHOLE_NUM_THREADS", "7", " 7"),
        ("PEEPHOLE_NUM_THREADS", "0", "ValueError: PEEPHOLE_NUM_THREADS: expected an integer in"),
        ("PEEPHOLE_NUM_THREADS", "two", "ValueError: PEEPHOLE_NUM_THREADS: expected an integer in"),
    ],
)
def test_environment(variable, value, said):
    program = "import peephole; i = peephole.build_info(); print(i['isa'], i['num_threads'])"
    environment = {**os.environ, "PEEPHOLE_NUM_THREADS": "2", variable: value}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
    )
    assert said in done.stdout + done.stderr


@pytest.mark.parametrize("verbose", ["1", "0"])
def test_verbose_names_who_computes_each_layer(verbose):
    program = (
        "import numpy as np, peephole\n"
        "x = np.zeros((4, 3), np.float32)\n"
        "lstm = peephole.LSTM(3, 20, 2)\n"
        "y, state, tape = lstm.forward(x)\n"
        "lstm.backward(tape, y)\n"
        "lstm.stream()\n"
        "peephole.LSTM(3, 20, zoneout=0.1)(x)\n"
    )
    environment = {**os.environ, "PEEPHOLE_ISA": "baseline", "PEEPHOLE_VERBOSE": verbose}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    kernels = "20 units: baseline kernels: chosen by PEEPHOLE_ISA"
    expected = [
        f"peephole: forward: layer 0, 3 inputs, {kernels}",
        f"peephole: forward: layer 1, 20 inputs, {kernels}",
        f"peephole: backward: layer 1, 20 inputs, {kernels}",
        f"peephole: backward: layer 0, 3 inputs, {kernels}",
        f"peephole: stream: layer 0, 3 inputs, {kernels}",
        f"peephole: stream: layer 1, 20 inputs, {kernels}",
        f"peephole: forward: layer 0, 3 inputs, {kernels}",  # with zoneout
    ]
    assert done.stderr.splitlines() == (expected if verbose == "1" else [])

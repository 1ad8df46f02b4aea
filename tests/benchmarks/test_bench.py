"""The benchmarks run, and time nothing whose answers are wrong."""

import json
from importlib.util import find_spec

import numpy as np
import peephole
import pytest
from reference import lstm as slow
from support.tolerances import REFERENCE, assert_close

command_line = pytest.importorskip("bench.command_line", reason="needs the checkout")

from bench import answers, cells, fit, linearity, peers, sessions, timing  # noqa: E402
from bench.implementations import PEERS  # noqa: E402
from bench.implementations.ours import OursOpened  # noqa: E402
from bench.problem import DENSE, NOTE, ONNX, VANILLA, draw  # noqa: E402
from bench.reference import Reference  # noqa: E402
from bench.serving import measure as serving  # noqa: E402
from bench.shapes import Shape, read, select  # noqa: E402

SHAPES = ["5,3,2,4", "1,1,3,5"]
QUICK = ["--quick", "--peers", "--threads", "1", "--shapes", *SHAPES]


@pytest.fixture(autouse=True)
def _threads_stay():
    threads = peephole.num_threads()
    yield
    peephole.set_num_threads(threads)


def run(*arguments):
    return command_line.main([*arguments, *QUICK])


class TestCommand:
    def test_peers(self, tmp_path, capsys, dtype):
        path = tmp_path / "results.json"
        assert run("peers", "--dtype", dtype, "--json", str(path)) == 0
        results = json.loads(path.read_text(encoding="utf-8"))
        assert {"machine", "missing", "options", "peers"} <= results.keys()
        assert results["machine"]["versions"] == {"peephole": peephole.__version__}
        assert min(results["peers"]["peak_gflops_of_one_core"]) > 0
        measurements = results["peers"]["measurements"]
        found = {(",".join(str(m[k]) for k in "TBIH"), m["what"]) for m in measurements}
        assert found == {(shape, what) for shape in SHAPES for what in ("inference", "training")}
        for one in measurements:
            assert one["threads"] == 1
            assert one["milliseconds"]["peephole"] > 0
            assert 0 < one["share_of_peak"] < 1
            assert one["ratio"] is None and one["best_peer"] is None
        printed = capsys.readouterr().out
        assert all(f"| {shape} " in printed for shape in SHAPES)

    def test_comparisons_and_calls(self, tmp_path, capsys):
        path = tmp_path / "results.json"
        modes = ["dense", "ragged", "last-step", "recompute", "calls"]
        assert run(*modes, "--json", str(path)) == 0
        results = json.loads(path.read_text(encoding="utf-8"))
        for mode in modes[:-1]:
            for record in results[mode]:
                assert record["ratio"] > 0
                assert record["beyond_arithmetic"] > -1
        assert all(record["microseconds_per_step"] > 0 for record in results["calls"])
        assert "µs a step" in capsys.readouterr().out

    def test_fit(self, tmp_path, capsys):
        path = tmp_path / "results.json"
        assert run("fit", "--json", str(path)) == 0
        records = json.loads(path.read_text(encoding="utf-8"))["fit"]
        assert [record["by"] for record in records] == ["calls", "fit", "calls", "fit", "peephole"]
        assert all(record["ms"] > 0 for record in records)
        assert "an epoch of the demo" in capsys.readouterr().out

    def test_torch(self, tmp_path, capsys):
        pytest.importorskip("torch")
        path = tmp_path / "results.json"
        assert run("torch", "--json", str(path)) == 0
        records = json.loads(path.read_text(encoding="utf-8"))["torch"]
        assert {record["what"] for record in records} == {"inference", "training"}
        for record in records:
            assert set(record["milliseconds"]) == {"module", "bare", "nn.LSTM"}
            assert record["ratio"] > 0
        assert "nn.LSTM / module" in capsys.readouterr().out

    def test_cells(self, tmp_path, capsys, dtype):
        pytest.importorskip("torch")
        path = tmp_path / "results.json"
        assert run("cells", "--dtype", dtype, "--json", str(path)) == 0
        records = json.loads(path.read_text(encoding="utf-8"))["cells"]
        found = {(record["kind"], record["shape"], record["what"]) for record in records}
        assert len(found) == len(cells.KINDS) * len(SHAPES) * 2
        for record in records:
            assert record["milliseconds"].keys() == {"ours", "theirs", "plain"}
            assert record["ratio"] > 0
        assert "theirs / plain" in capsys.readouterr().out

    def test_fit_beside_torch(self):
        """Its epoch is of the same model, which is checked before anything is timed."""
        pytest.importorskip("torch")
        assert set(fit._demo_epochs(1, True)) == {"peephole", "torch, padded", "torch, packed"}

    def test_sessions_through_python(self):
        """Without the program in C++, which takes long to build."""
        record = {"I": 16, "H": 64, **sessions._in_python(64, command_line.QUICK)}
        assert 0 < record["python_pool"] < record["python_loop"]
        assert "| 16,64 |" in sessions.table([record])

    def test_serving(self, tmp_path, capsys):
        path = tmp_path / "results.json"
        assert run("serving", "--json", str(path)) == 0
        if reason := serving.missing():
            assert reason in capsys.readouterr().out
            return
        records = json.loads(path.read_text(encoding="utf-8"))["serving"]
        assert records[0]["engine"] == "peephole"
        assert all(record["steps_per_second"] >= 0 for record in records)
        assert "ours / this" in capsys.readouterr().out

    def test_jax(self, tmp_path, capsys, dtype):
        path = tmp_path / "results.json"
        arguments = ["jax", "--dtype", dtype, "--json", str(path)]
        if find_spec("jax") is None:
            assert run(*arguments) == 0
            assert "jax not installed" in capsys.readouterr().out
            return
        import jax

        before = jax.config.jax_enable_x64
        try:
            assert run(*arguments) == 0
        finally:
            jax.config.update("jax_enable_x64", before)
        records = json.loads(path.read_text(encoding="utf-8"))["jax"]
        found = {(record["shape"], record["what"]) for record in records}
        assert found == {(shape, what) for shape in SHAPES for what in ("inference", "training")}
        for record in records:
            assert record["milliseconds"].keys() == {"peephole", "peephole.jax", "jax.lax.scan"}
            assert min(record["milliseconds"].values()) > 0
        assert "overhead, µs" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "arguments",
        [["nothing"], ["--shapes", "1,2,3"], ["--plot", "x.png"], ["--isa", "nothing"]],
        ids=lambda arguments: arguments[0],
    )
    def test_wrong_arguments(self, arguments, capsys):
        with pytest.raises(SystemExit, match="2"):
            command_line.main(["--peers", "--quick", "--threads", "1", *arguments])
        assert "error:" in capsys.readouterr().err


class TestWrongAnswers:
    """Each is found before anything is timed."""

    @pytest.fixture(autouse=True)
    def _nothing_is_timed(self, monkeypatch):
        def fail(*_):
            raise AssertionError("timed")

        monkeypatch.setattr(peers, "take_turns", fail)

    @pytest.mark.parametrize("error", [1e-3, np.nan])
    def test_inference(self, monkeypatch, capsys, error):
        infer = OursOpened.infer

        def wrong(self):
            y, state = infer(self)
            y[-1, -1, -1] += error
            return y, state

        monkeypatch.setattr(OursOpened, "infer", wrong)
        assert run("peers") == 1
        assert "wrong answer: peephole at 5,3,2,4" in capsys.readouterr().err

    @pytest.mark.parametrize(
        "name", ["x", "weight_ih_l0", "weight_hh_l0", "weight_ch_l0", "bias_l0"]
    )
    def test_training(self, monkeypatch, capsys, name):
        train = OursOpened.train

        def wrong(self):
            y, grads = train(self)
            gradient = grads.x if name == "x" else grads.parameters[name]
            gradient *= 1.001
            return y, grads

        monkeypatch.setattr(OursOpened, "train", wrong)
        assert run("peers") == 1
        assert f"gradient of {name.removesuffix('_l0')}" in capsys.readouterr().err

    def test_missing_or_of_another_shape(self):
        y = np.ones((2, 3))
        for actual in ({}, {"y": y[:1]}):
            with pytest.raises(answers.WrongAnswerError):
                answers.check(actual, {"y": y}, "float64", "test")


class TestReference:
    """The reference of the benchmarks equals the readable reference of the tests."""

    OPTIONS = {  # noqa: RUF012
        NOTE: {},
        DENSE: {"peephole": "dense"},
        ONNX: {"output_peephole": "current", "peephole_gates": "ifo"},
        VANILLA: {"peephole": "none"},
    }

    @pytest.mark.parametrize("model", OPTIONS)
    def test_y_and_gradients(self, model):
        problem = draw(Shape("", 5, 3, 2, 4), "float64")
        options = {"input_size": 2, "hidden_size": 4, **self.OPTIONS[model]}
        values = problem.parameters | {"weight_ch": problem.peepholes(model)}
        names = [name.removesuffix("_l0") for name in slow.parameter_shapes(options)]
        computed = Reference(problem, model).answers(gradients=True)
        assert computed.keys() == {"y", "x", *names}

        def y(x, parameters):
            by_name = {f"{name}_l0": parameters[name] for name in names}
            return slow.forward(options, by_name, x)[0]

        assert_close(computed["y"], y(problem.x, values), REFERENCE["float64"], "y")
        random = np.random.default_rng(20)
        inputs = {"x": problem.x, **{name: values[name] for name in names}}
        for name, value in inputs.items():
            direction = random.standard_normal(value.shape)
            moved = {**inputs, name: value + 1e-30j * direction}
            slope = (problem.dy * y(moved["x"], moved).imag).sum() / 1e-30
            along = (computed[name] * direction).sum()
            assert_close(along, slope, 1e-11, f"gradient of {name}")


class TestParts:
    def test_shapes(self):
        assert len({shape.name for shape in read()}) == len(read())
        assert [shape.sizes for shape in select(["batch-*", "1,1,16,32", "2,3,4,5"])] == [
            *(shape.sizes for shape in read() if shape.name.startswith("batch-")),
            "1,1,16,32",
            "2,3,4,5",
        ]
        assert Shape("", 2, 3, 4, 5).flops(training=False) == 2 * 2 * 3 * 20 * 9

    def test_minima_in_turns(self):
        """Every implementation has as many turns, and keeps the fastest of its calls."""
        turns = []

        class Fake:
            def __init__(self, name, times):
                self.name, self.times = name, iter(times)

            def fastest(self, seconds):
                turns.append(self.name)
                return next(self.times)

        runs = {"a": Fake("a", [3.0, 1.0, 2.0]), "b": Fake("b", [5.0, 6.0, 4.0])}
        assert timing.take_turns(runs, timing.Effort(1, 3, pause=0)) == {"a": 1.0, "b": 4.0}
        assert turns == ["a", "b", "b", "a", "a", "b"]

    def test_single_steps_are_compared_through_python(self):
        everyone = [kind() for kind in PEERS.values()]
        names = [each.name for each in peers.comparable(everyone, Shape("", 1, 1, 2, 3))]
        assert names == ["torch", "onnxruntime"]
        assert peers.comparable(everyone, Shape("", 2, 1, 2, 3)) == everyone

    def test_ratio_is_to_the_best_peer_with_any_threads(self):
        seconds = {("peephole", 1): 2.0, ("x", 1): 3.0, ("peephole", 2): 1.0, ("x", 2): 4.0}
        one = peers.Measurement(read()[0], training=False, threads=2, by_threads=seconds)
        assert one.best_peer == ("x", 1)
        assert one.ratio == 3.0

    def test_exponent(self):
        sizes = (1, 2, 4, 8)
        assert linearity.exponent({n: 3 * n**1.5 for n in sizes}) == pytest.approx(1.5)

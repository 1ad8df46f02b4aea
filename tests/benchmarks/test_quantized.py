"""The benchmarks of quantized models run, and time nothing whose errors are too large."""

import json
from importlib.util import find_spec

import numpy as np
import peephole
import pytest

command_line = pytest.importorskip("bench.command_line", reason="needs the checkout")

from bench.problem import draw  # noqa: E402
from bench.quantized import errors, speed, streams  # noqa: E402
from bench.quantized.engines import ENGINES, OURS, PEERS, left_out  # noqa: E402
from bench.quantized.exact import in_float64, relative_rms  # noqa: E402
from bench.reference import Reference  # noqa: E402
from bench.shapes import Shape  # noqa: E402

SHAPES = ["9,3,12,20", "5,1,33,24"]


@pytest.fixture(autouse=True)
def _threads_stay():
    threads = peephole.num_threads()
    yield
    peephole.set_num_threads(threads)


def run(mode, path):
    arguments = ["--quick", "--peers", "--threads", "1", "--shapes", *SHAPES, "--json", str(path)]
    code = command_line.main([mode, *arguments])
    return json.loads(path.read_text(encoding="utf-8"))[mode] if code == 0 else code


class TestSpeed:
    def test_ours(self, tmp_path, capsys):
        records = run("quantized", tmp_path / "results.json")
        assert [record["shape"] for record in records] == SHAPES
        for record in records:
            assert record["milliseconds"].keys() == record["errors"].keys() == OURS.keys()
            assert min(record["milliseconds"].values()) > 0
            assert record["errors"]["float32"] < record["errors"]["int16"]
            assert record["ratios"].keys() == {k for k in speed.RATIOS if k.startswith("float32")}
        printed = capsys.readouterr().out
        assert all(f"| {shape} " in printed for shape in SHAPES)
        assert "float32 / int16" in printed

    def test_an_error_beyond_the_promise(self, tmp_path, monkeypatch, capsys):
        def fail(*_):
            raise AssertionError("timed")

        monkeypatch.setattr(speed, "take_turns", fail)
        monkeypatch.setitem(speed.LARGEST_ERROR, "int16", 1e-9)
        assert run("quantized", tmp_path / "results.json") == 1
        assert "wrong answer: int16 at 9,3,12,20, threads: 1" in capsys.readouterr().err

    @pytest.mark.parametrize("name", PEERS)
    def test_answers_of_others(self, name):
        """They compute the model of which their errors are measured."""
        engine = ENGINES[name]
        if reason := engine.missing("float32"):
            pytest.skip(reason)
        problem = draw(Shape("", 7, 1, 12, 20), "float32")
        exact = Reference(problem, engine.model).answers(gradients=False)["y"]
        opened = engine.open(problem, 1)
        error = relative_rms(opened.answers(gradients=False)["y"], exact)
        opened.close()
        if name == "ORT float32":
            assert error < 1e-5
        else:  # rounded, but not much
            assert 1e-5 < error < speed.LARGEST_ERROR_OF_OTHERS

    def test_missing_engines_are_named(self):
        names, missing = speed.available([])
        assert names == list(OURS) and missing == {}
        names, missing = speed.available(["torch"])
        if find_spec("torch"):
            assert {"torch int8", "torch bf16"} <= set(names)
        else:
            assert missing["torch int8"] == "torch not installed"
        assert "ORT int8" not in names
        assert "without LiteRT int8: gone" in speed.table([], {"LiteRT int8": "gone"})

    def test_litert_is_measured_without_batches(self):
        assert left_out("LiteRT int8", Shape("", 10, 2, 3, 4))
        assert not left_out("LiteRT int8", Shape("", 10, 1, 3, 4))
        assert not left_out("torch int8", Shape("", 10, 2, 3, 4))

    def test_ratios(self):
        """To the fastest of the others with any number of threads, ours with exactly that."""
        seconds = {
            ("int8_fast", 1): 2.0,
            ("int8_fast", 2): 1.0,
            ("int8", 1): 2.0,
            ("int8", 2): 2.0,
            ("torch int8", 1): 5.0,
            ("torch int8", 2): 6.0,
            ("ORT int8", 1): 7.0,
            ("ORT int8", 2): 3.0,
        }
        assert speed.ratios(seconds, 2) == {
            "int8 of others / int8_fast": 3.0,
            "int8 of others / int8": 1.5,
        }


class TestErrors:
    def test_random_and_adversarial(self, tmp_path, capsys):
        records = run("quantized-errors", tmp_path / "results.json")
        random = [record for record in records if record["kind"] == "random"]
        assert [record["scale"] for record in random] == [1, 3, 1, 3]
        adversarial = [record for record in records if record["kind"] == "adversarial"]
        assert len(adversarial) == 2 * len(errors.INPUTS) * len(errors.WEIGHTS)
        for record in records:
            assert record["errors"]["float32"] < 1e-3
            assert record["errors"]["int16"] < 5e-3, record["model"]
        printed = capsys.readouterr().out
        assert "2 models, weights × 3: largest" in printed
        assert "one feature 1e4 times larger; random weights, I 64" in printed
        assert "int8_fast within 3e-02" in printed

    def test_trained(self):
        """A record of a trained model, and its row."""
        from bench.quantized.trained import _record

        net = peephole.Network(5, 16, 3, head="softmax", readout="last", seed=0)
        x = np.random.default_rng(0).standard_normal((4, 6, 5)).astype(np.float32)
        record = _record("noise", net, x)
        assert record["errors"].keys() == record["changed"].keys() == OURS.keys()
        assert record["errors"]["float32"] < record["errors"]["int16"] < 1e-3
        random = {"kind": "random", "scale": 1, "peephole": "none", "errors": record["errors"]}
        assert "noise, H 16: 4 predictions" in errors.table([random, record])

    def test_counts_those_within_the_targets(self):
        errors_of = {"float32": 1e-7, "int16": 1e-3, "int8": 1e-3, "int8_fast": 1e-3}
        record = {"kind": "random", "scale": 1, "peephole": "dense", "errors": errors_of}
        unstable = {**record, "errors": dict.fromkeys(errors_of, 1e-4)}
        rows = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in errors.table([record, record, unstable]).splitlines()
        ]
        assert ["dense, weights × 1", "3", "2", "0", "2", "2"] in rows

    def test_float64_copy(self):
        lstm = peephole.LSTM(3, 4, 2, peephole="dense", bidirectional=True, seed=0)
        exact = in_float64(lstm)
        assert exact.dtype == np.float64
        x = np.random.default_rng(0).standard_normal((2, 5, 3)).astype(np.float32)
        assert 0 < relative_rms(lstm(x)[0], exact(x)[0]) < 1e-6

    def test_relative_rms(self):
        assert relative_rms(np.array([3.0, 1.0]), np.array([3.0, 1.0])) == 0
        assert relative_rms(np.zeros(2), np.zeros(2)) == 0
        assert relative_rms(np.array([3.0, 5.0]), np.array([3.0, 4.0])) == pytest.approx(0.2)


def test_table_of_streams():
    """Without the program in C++, which takes long to build."""
    times = {"float32": 1234.0, "int16": 600.0, "int8": 400.0, "int8_fast": 399.6}
    ratios = {name: times["float32"] / value for name, value in times.items() if name != "float32"}
    record = {"size": "64,64", "nanoseconds": times, "ratios": ratios}
    assert "2.06" in streams.table([record])

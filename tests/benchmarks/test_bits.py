"""`python -m bench bits` tells equal bits from different ones."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import peephole
import pytest
from peephole import _core

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
command_line = pytest.importorskip("bench.command_line", reason="needs the checkout")

from bench.bits import digests  # noqa: E402
from bench.bits.arrays import laid_out  # noqa: E402
from bench.bits.configurations import LAYOUTS, draw  # noqa: E402

COUNT = 12

# The keyword arguments that the core knows.
SIZES = {"input_size", "hidden_sizes", "output_size"}
CHOICES = _core.NetworkFloat32(1, [1], 1).options.keys() - SIZES


def values_of(option):
    """The names of an enumeration, from its refusal of another; nothing for other options."""
    try:
        peephole.Network(1, 1, 1, **{option: "?"})
    except (TypeError, ValueError) as refusal:
        names = re.search("expected one of (.+), got", str(refusal))
        return set(names[1].split(", ")) if names else set()
    raise AssertionError(f"{option} takes any text")


@pytest.fixture(autouse=True)
def _runtime_stays(runtime_as_before):
    return runtime_as_before


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("bits") / "bits.txt"
    assert run("--save", str(path)) == 0
    return path


def run(*arguments, count=COUNT):
    return command_line.main(["bits", "--count", str(count), *arguments])


def altered(saved, path, line, cell, text):
    """A copy of the file with one cell of one line changed."""
    lines = saved.read_text(encoding="utf-8").splitlines()
    cells = lines[line].split(" ")
    cells[cell] = text
    lines[line] = " ".join(cells)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


class TestCommand:
    def test_same_twice_and_with_other_threads(self, saved, tmp_path, capsys):
        again = tmp_path / "again.txt"
        assert run("--save", str(again), "--compare", str(saved), "--threads", "2") == 0
        assert again.read_bytes() == saved.read_bytes()
        assert len(again.read_text(encoding="utf-8").splitlines()) == COUNT + 1
        assert f"all {COUNT} configurations are equal" in capsys.readouterr().out

    @pytest.mark.parametrize(("column", "name"), list(enumerate(digests.COLUMNS)))
    def test_altered_hash(self, saved, tmp_path, capsys, monkeypatch, column, name):
        monkeypatch.setattr(command_line.bits, "compute", lambda *_: lines_of(saved))
        path = altered(saved, tmp_path / "altered.txt", 3, column + 1, "0" * 12)
        assert run("--compare", path) == 1
        printed = capsys.readouterr().out
        assert f"\n2 differs in {name}: {draw(0, 2)}\n" in printed
        assert f"1 of {COUNT} configurations differ: {name} 1\n" in printed

    def test_missing_line(self, saved, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(command_line.bits, "compute", lambda *_: lines_of(saved))
        path = tmp_path / "short.txt"
        lines = saved.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(lines[:-1]), encoding="utf-8")
        assert run("--compare", str(path)) == 1
        assert f"has {COUNT - 1} configurations" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "arguments",
        [["--seed", "1"], ["--count", "13"], ["--isa", "reference"], ["--isa", "nothing"]],
        ids=" ".join,
    )
    def test_other_configurations_are_not_compared(self, saved, capsys, arguments):
        with pytest.raises(SystemExit, match="2"):
            run("--compare", str(saved), *arguments)
        assert "error:" in capsys.readouterr().err

    def test_failure_names_the_configuration(self, monkeypatch):
        def fail(_):
            raise ValueError("refused")

        monkeypatch.setattr(command_line.bits, "digests", fail)
        with pytest.raises(RuntimeError, match="configuration 0: "):
            run()


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()[1:]


class TestDigests:
    """One changed bit changes the hash of what it belongs to."""

    @staticmethod
    def hashed(value):
        digest = digests.Digest()
        digest.add("value", value)
        return digest.short()

    def test_values(self):
        values = [
            *(np.array(v, np.float32) for v in (0.0, -0.0, 1.0, 1 + 2.0**-23, np.nan, -np.nan)),
            np.array(0.0),
            np.zeros(1),
            np.zeros((1, 1)),
            None,
            "",
            b"x",
            [],
            [None],
            {"name": np.zeros(1)},
        ]
        assert len({self.hashed(value) for value in values}) == len(values)
        assert self.hashed({"a": "1", "b": "2"}) == self.hashed({"b": "2", "a": "1"})

    def test_changed_inference(self, monkeypatch):
        number = next(k for k in range(100) if not draw(0, k).network and draw(0, k).time)
        before = digests.digests(draw(0, number))
        call = peephole.LSTM.__call__

        def one_bit(*arguments):
            y, state = call(*arguments)
            y.view(np.uint8).flat[0] ^= 1
            return y, state

        monkeypatch.setattr(peephole.LSTM, "__call__", one_bit)
        after = digests.digests(draw(0, number))
        changed = {name for name in digests.COLUMNS if before[name] != after[name]}
        assert changed == {"values", "optimiser"}  # y is read in both

    def test_new_option_in_the_file(self, monkeypatch):
        before = digests.digests(draw(0, 0))
        read = digests.read_safetensors

        def with_option(content):
            metadata, tensors = read(content)
            options = json.loads(metadata["options"]) | {"new": 1}
            return metadata | {"options": json.dumps(options)}, tensors

        monkeypatch.setattr(digests, "read_safetensors", with_option)
        assert digests.digests(draw(0, 0)) == before

    def test_all_options_of_files_are_hashed(self, tmp_path):
        """Also those that files hold only where they are not the default."""
        path = tmp_path / "model.safetensors"
        peephole.Network(2, 3, 1, seed=0).save(path)
        metadata, tensors = digests.read_safetensors(path.read_bytes())
        in_every_file = set(json.loads(metadata["options"]))
        assert in_every_file <= set(digests.OPTIONS)
        assert in_every_file | CHOICES == set(digests.OPTIONS)
        assert tensors["head.bias"][:2] == ["F32", "[1]"]


class TestDraws:
    def test_every_option_has_several_values(self):
        """A name in a failure is an option, or a value, that `bench.bits.options` does not draw."""
        drawn = [draw(0, number).options for number in range(300)]
        missing = []
        # Quantized models have no gradients; tests/quantization compares their bits.
        for name in sorted(CHOICES - {"quantization"}):
            values = {str(options[name]) for options in drawn if name in options}
            wanted = values_of(name)
            missing += [name] if len(values) < 2 else [f"{name}={v}" for v in wanted - values]
        assert not missing
        assert sum("gate_inputs" in options for options in drawn) > 10

    def test_options_of_all_kinds(self):
        drawn = [draw(0, number) for number in range(300)]
        assert draw(0, 7) == drawn[7] != draw(1, 7)
        for name in ("dropout", "recurrent_dropout", "zoneout"):
            assert 0 < sum(name in one.options for one in drawn) < len(drawn)
        assert {1, 2} < {one.batch for one in drawn}
        assert {0, 1, 200} < {one.time for one in drawn}
        assert any(0 in (one.lengths or ()) and one.time for one in drawn)
        assert any(one.single for one in drawn)
        assert max(max(one.sizes) for one in drawn) > 120
        assert {one.last for one in drawn} == {False, True}
        read = {(one.options.get("readout"), one.options["bidirectional"]) for one in drawn}
        assert ("mean", True) in read and ("last", True) not in read

    def test_shapes_are_those_of_the_model(self):
        for number in range(30):
            one = draw(3, number)
            model = (peephole.Network if one.network else peephole.LSTM)(**one.options)
            assert {name: model.parameters.shape(name) for name in model.parameters} == one.shapes()

    @pytest.mark.parametrize("layout", LAYOUTS)
    def test_layouts_keep_the_values(self, layout):
        array = np.arange(24.0).reshape(2, 3, 4)
        other = laid_out(array, layout)
        assert np.array_equal(other, array)
        changed = other.strides != array.strides or other.dtype != array.dtype
        assert changed == (layout != "contiguous")

"""python -m peephole convert"""

import importlib.util
import pickle
import re
import sys

import numpy as np
import peephole
import pytest
from peephole import interop
from peephole.__main__ import main


@pytest.fixture
def net(tmp_path):
    net = peephole.Network(1, 4, 1, num_layers=2, peephole="none", seed=0)
    net.save(tmp_path / "net.safetensors")
    return net


def convert(folder, *arguments):
    paths = [str(folder / name) for name in arguments[:2]]
    return main(["convert", *paths, *arguments[2:]])


def same(net, other):
    return all(np.array_equal(net.parameters[n], other.parameters[n]) for n in net.parameters)


@pytest.mark.parametrize("name", ["amp.nam", "amp.json"])
def test_there_and_back(net, name, tmp_path, capsys):
    assert convert(tmp_path, "net.safetensors", name) == 0
    out = capsys.readouterr().out
    assert f"read {tmp_path / 'net.safetensors'} (peephole): Network(1, [4, 4], 1" in out
    assert f"wrote {tmp_path / name}" in out
    assert convert(tmp_path, name, "again.safetensors") == 0
    assert same(net, peephole.load(tmp_path / "again.safetensors"))


def test_torch(net, tmp_path):
    torch = pytest.importorskip("torch")
    convert(tmp_path, "net.safetensors", "net.pt")
    convert(tmp_path, "net.pt", "net.bin", "--to", "rtneural", "--lstm", "lstm", "--head", "head")
    convert(tmp_path, "net.bin", "again.safetensors", "--from", "rtneural")
    assert same(net, peephole.load(tmp_path / "again.safetensors"))
    torch.save({"state_dict": torch.nn.LSTM(2, 3).state_dict(), "epoch": 3}, tmp_path / "x.pth")
    convert(tmp_path, "x.pth", "lstm.safetensors")
    assert isinstance(peephole.load(tmp_path / "lstm.safetensors"), peephole.LSTM)


def test_says_that_the_initial_state_is_lost(net, tmp_path, capsys):
    ones = [(np.ones(4), np.ones(4))] * 2
    interop.to_nam(net, tmp_path / "amp.nam", ones)
    convert(tmp_path, "amp.nam", "amp.json")
    assert "not kept" in capsys.readouterr().out
    convert(tmp_path, "amp.nam", "same.nam")
    assert "not kept" not in capsys.readouterr().out
    assert np.array_equal(
        interop.from_nam(tmp_path / "same.nam").stream().state, np.ones((2, 2, 1, 4))
    )
    convert(tmp_path, "amp.nam", "same.safetensors")
    assert "not kept" not in capsys.readouterr().out
    assert peephole.load(tmp_path / "same.safetensors").options["initial_state"] == "learned"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["net.safetensors", "net.txt"], "the suffix '.txt' does not identify a format; give --to"),
        (["net", "net.nam"], "give --from"),
        (["net.safetensors", "net.npz"], "give --to"),
        (["none.nam", "net.json"], "No such file"),
        (["none.pt", "net.json"], "No such file"),
        (["net.safetensors", "net.nam", "--from", "nam"], "expected JSON"),
        (["net.safetensors", "net.nam", "--lstm", "a"], "--lstm: not an option for files of peep"),
        (["lstm.safetensors", "net.nam"], "expected a Network, got LSTM"),
        (["pickle.pt", "net.nam"], "pickle.pt: expected a state dict"),
    ],
)
def test_errors_are_lines(net, arguments, said, tmp_path, capsys):
    if arguments[0].endswith(".pt"):
        pytest.importorskip("torch")
    net.lstm.save(tmp_path / "lstm.safetensors")
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(peephole.Standardiser()))
    with pytest.raises(SystemExit) as exit_of:
        convert(tmp_path, *arguments)
    assert exit_of.value.code == 1
    out, err = capsys.readouterr()
    assert said in err
    assert err.count("\n") == 1
    assert out == ""
    assert not (tmp_path / arguments[1]).exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "this needs keras: pip install keras"),
        (
            "import no_backend",
            "this needs keras, whose import failed: No module named 'no_backend'",
        ),
        ("raise ImportError('too old')", "this needs keras, whose import failed: too old"),
    ],
)
def test_says_why_a_package_cannot_be_imported(net, content, said, tmp_path, monkeypatch):
    if content is None:
        monkeypatch.setitem(sys.modules, "keras", None)
    else:
        monkeypatch.delitem(sys.modules, "keras", raising=False)
        (tmp_path / "keras.py").write_text(content)
        monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match=f"^{re.escape(said)}$"):
        interop.to_keras(net)


def test_onnx(net, tmp_path, capsys):
    if not all(map(importlib.util.find_spec, ("onnx", "peephole.interop.onnx"))):
        pytest.skip("needs onnx and peephole.interop.onnx")
    convert(tmp_path, "net.safetensors", "net.onnx")
    convert(tmp_path, "net.onnx", "again.safetensors")
    again = peephole.load(tmp_path / "again.safetensors")
    x = np.ones((3, 5, 1), np.float32)
    np.testing.assert_allclose(again.predict(x), net.predict(x), atol=1e-6)

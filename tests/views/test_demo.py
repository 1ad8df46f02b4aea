"""python -m peephole demo"""

import sys

import numpy as np
import peephole
import pytest
from peephole.__main__ import main
from peephole.demo import speakers as demo


@pytest.fixture(scope="module")
def utterance():
    return np.random.default_rng(2).standard_normal((17, 12)).astype(np.float32)


@pytest.fixture(scope="module")
def net():
    return peephole.Network(12, 20, 9, head="softmax", readout="last", seed=0)


@pytest.fixture
def no_matplotlib(monkeypatch):
    for name in list(sys.modules):
        if name.split(".")[0] == "matplotlib" or name == "peephole.demo.picture":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)


def test_the_whole(tmp_path, capsys):
    output = tmp_path / "bild é.png"
    assert main(["demo", "--output", str(output)]) == 0
    out, err = capsys.readouterr()
    assert "CC BY 4.0" in out
    accuracy = float(out.split("Test accuracy ")[1].split("%")[0])
    # One seed of the three whose mean is to be 96 %.
    assert accuracy >= 95.5
    assert "s of training" in out
    assert "spoke \\ heard" in out
    assert "frame by frame" in out
    assert str(output) in out
    assert err == ""  # no progress bar, which is for terminals
    assert output.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert output.stat().st_size > 20_000


def test_quiet_without_matplotlib(tmp_path, capsys, no_matplotlib, monkeypatch):
    monkeypatch.setattr(demo, "COPIES", 1)
    output = tmp_path / "none.png"
    assert main(["demo", "--quiet", "--epochs", "1", "--seed", "3", "--output", str(output)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Test accuracy ")
    assert out.count("\n") == 1
    assert err == ""
    assert not output.exists()


def test_says_how_to_get_matplotlib(net, utterance, tmp_path, no_matplotlib):
    probabilities = np.array(list(demo.listen(net, utterance)))
    said = demo.draw(net, utterance, 0, probabilities, tmp_path / "none.png")
    assert 'pip install "peephole[demo]"' in said


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["demo", "--epochs", "0"],
        ["demo", "--seed", "-1"],
        ["demo", "--output", "/no/such/folder/picture.png"],
    ],
)
def test_wrong_arguments(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_standardised_by_the_training_set():
    data = peephole.datasets.japanese_vowels()
    train_x, test_x = demo.standardise(data)
    frames = np.concatenate(train_x)
    np.testing.assert_allclose(frames.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(frames.std(axis=0), 1, atol=1e-5)
    of_the_test = np.concatenate(test_x).mean(axis=0)
    assert np.abs(of_the_test).max() > 0.01
    assert [len(x) for x in test_x] == [len(x) for x in data.test_x]


def test_training_depends_on_the_seed_alone():
    data = peephole.datasets.japanese_vowels()
    x, y = [u.astype(np.float32) for u in data.train_x[:20]], data.train_y[:20]

    def trained(seed):
        net = peephole.Network(12, 4, 9, head="softmax", readout="last", seed=0)
        demo.train(net, x, y, seed, epochs=1, progress=False)
        return net.predict(data.test_x)

    np.testing.assert_array_equal(trained(1), trained(1))
    assert (trained(1) != trained(2)).any()


def test_listening_step_by_step_ends_where_the_whole_does(net, utterance):
    heard = np.array(list(demo.listen(net, utterance)))
    assert heard.shape == (17, 9)
    np.testing.assert_allclose(heard[-1], net.predict([utterance])[0], rtol=1e-5)
    np.testing.assert_allclose(heard[4], net.predict([utterance[:5]])[0], rtol=1e-5)


def test_confusion_table():
    table = demo.confusion_table(np.array([0, 0, 0, 8]), np.array([0, 0, 8, 8]))
    rows = [line.split() for line in table.splitlines()]
    assert rows[1] == ["1", "2", *"." * 7, "1", "67%"]
    assert rows[9] == ["9", *"." * 8, "1", "100%"]
    assert rows[5] == ["5", *"." * 9, "0%"]

"""What users store beside a model: in files, copies and pickles, and from .nam files."""

import copy
import pickle

import numpy as np
import peephole
import pytest
from peephole import interop

TEXTS = {"sample_rate": "48000", "name": 'röhre "2"', "format": "", "options": "{}"}


def models():
    scaled = peephole.Network(2, 3, 1, seed=0)
    scaled.input_scaling = peephole.Standardiser().fit(np.array([[1.0, 2], [3, 5]]))
    return [peephole.LSTM(2, 3, seed=0), peephole.Network(2, 3, 1, seed=0), scaled]


@pytest.mark.parametrize("model", models(), ids=["LSTM", "Network", "with scalings"])
def test_it_comes_back(model, tmp_path):
    path = tmp_path / "model"
    assert model.metadata == {}
    model.save(path, metadata=TEXTS)
    assert model.metadata == {}
    for loaded in (peephole.load(path), type(model).load(path)):
        assert loaded.metadata == TEXTS
        loaded.metadata["more"] = "text"
        loaded.save(path)
        assert peephole.load(path).metadata == TEXTS | {"more": "text"}
        for again in (copy.copy(loaded), copy.deepcopy(loaded), pickle.loads(pickle.dumps(loaded))):
            assert again.metadata == loaded.metadata
            assert again.metadata is not loaded.metadata
        loaded.save(path, metadata=TEXTS)
    model.save(path)
    assert peephole.load(path).metadata == {}
    if isinstance(model, peephole.Network):
        assert repr(peephole.load(path).input_scaling) == repr(model.input_scaling)


@pytest.mark.parametrize("model", models(), ids=["LSTM", "Network", "with scalings"])
@pytest.mark.parametrize(
    ("metadata", "error", "said"),
    [
        (
            [("name", "text")],
            TypeError,
            "metadata: expected a mapping of strings to strings, got list",
        ),
        ({"rate": 48000}, TypeError, "metadata\\['rate'\\]: expected a string, got int"),
        ({1: "text"}, TypeError, "metadata: expected a string, got int"),
        ({"": "text"}, ValueError, "metadata: expected names, got an empty one"),
        ({"a": "b\0"}, ValueError, "metadata\\['a'\\]: expected text without zero characters"),
        ({"a": "\ud800"}, ValueError, "metadata\\['a'\\]: expected text that UTF-8 can encode"),
        ({str(i): "" for i in range(51)}, ValueError, "at most 50 entries, got 51"),
        ({"a": "b" * 2**20}, ValueError, "header"),
    ],
)
def test_it_is_checked(model, metadata, error, said, tmp_path):
    path = tmp_path / "model"
    with pytest.raises(error, match=said):
        model.save(path, metadata=metadata)
    assert not path.exists()
    if "header" not in said:
        with pytest.raises(error, match=said):
            model.metadata = metadata
        assert model.metadata == {}


def test_fifty_are_allowed(tmp_path):
    texts = {str(i): "" for i in range(50)}
    for number, model in enumerate(models()):
        path = tmp_path / str(number)
        model.save(path, metadata=texts)
        assert peephole.load(path).metadata == texts


def test_of_a_nam_file(tmp_path):
    net = peephole.Network(1, 3, 1, peephole="none", seed=0)
    interop.to_nam(
        net,
        tmp_path / "amp.nam",
        sample_rate=44100,
        metadata={"name": "amp", "loudness": -18.5, "date": {"year": 2024}, "on": True, "no": None},
    )
    expected = {"name": "amp", "loudness": "-18.5", "on": "true", "sample_rate": "44100.0"}
    loaded = interop.from_nam(tmp_path / "amp.nam")
    assert loaded.metadata == expected
    loaded.save(tmp_path / "model")
    assert peephole.load(tmp_path / "model").metadata == expected

"""The data that the package ships."""

import importlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
from peephole import datasets


@pytest.fixture(scope="module")
def vowels():
    return datasets.japanese_vowels()


def test_sizes(vowels):
    assert len(vowels.train_x) == len(vowels.train_y) == 270
    assert len(vowels.test_x) == len(vowels.test_y) == 370
    assert np.bincount(vowels.train_y).tolist() == [30] * 9
    assert np.bincount(vowels.test_y).tolist() == [31, 35, 88, 44, 29, 24, 40, 50, 29]
    for part, longest, frames in ((vowels.train_x, 26, 4274), (vowels.test_x, 29, 5687)):
        lengths = [len(utterance) for utterance in part]
        assert (min(lengths), max(lengths), sum(lengths)) == (7, longest, frames)
        assert {utterance.shape[1] for utterance in part} == {12}
        assert {utterance.dtype.str for utterance in part} == {"<f8"}


def test_values_are_the_published_ones(vowels):
    # The beginning of the training file, and the extremes of both.
    first = vowels.train_x[0]
    assert first.shape == (20, 12)
    assert first[:4, 0].tolist() == [1.860936, 1.891651, 1.939205, 1.717517]
    assert first[:2, 1].tolist() == [-0.207383, -0.193249]
    everything = np.concatenate(vowels.train_x + vowels.test_x)
    assert (everything.min(), everything.max()) == (-1.852765, 2.203141)
    assert [float(f"{v:.6f}") for v in everything[:99].flat] == everything[:99].ravel().tolist()


def test_each_call_gives_fresh_arrays(vowels):
    again = datasets.japanese_vowels()
    again.train_x[0][:] = 0
    again.train_y[:] = 0
    assert datasets.japanese_vowels().train_x[0][0, 0] == 1.860936
    assert vowels.train_y[-1] == 8


def test_credit(vowels):
    licence = (Path(datasets.__file__).parent / "LICENSE.txt").read_text(encoding="utf-8")
    for text in (vowels.description, licence):
        for credit in ("Kudo", "Toyama", "Shimbo", "20 (1999) 1103-1111", "UCI", "CC BY 4.0"):
            assert credit in text


def test_from_a_zip(vowels, tmp_path, monkeypatch):
    archive = tmp_path / "packed.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for name in ("__init__.py", "japanese_vowels.npz"):
            packed.write(Path(datasets.__file__).parent / name, f"zipped_datasets/{name}")
    monkeypatch.syspath_prepend(str(archive))
    zipped = importlib.import_module("zipped_datasets").japanese_vowels()
    np.testing.assert_array_equal(zipped.test_x[-1], vowels.test_x[-1])

"""The example that reads strips of digits, with less data and fewer epochs than the program."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from peephole import decoding, metrics

pytest.importorskip("sklearn")

PATH = Path(__file__).parents[2] / "docs" / "examples" / "digit_strips.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("digit_strips", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_strips(example, rng):
    """Images of one value each, in the order of the labels, with gaps between."""
    images = np.repeat(np.arange(1.0, 11.0), 64).reshape(10, 8, 8)
    x, y = example.strips(images, np.arange(10), 20, rng)
    for columns, digits in zip(x, y, strict=True):
        assert columns.shape[1] == 8
        filled = columns[columns.any(axis=1), 0] * example.LARGEST_PIXEL
        np.testing.assert_allclose(filled, np.repeat(digits + 1, 8))
    assert {len(digits) for digits in y} <= set(range(example.FEWEST, example.MOST + 1))
    assert any(len(c) > 8 * len(d) for c, d in zip(x, y, strict=True))


def test_learns(example, monkeypatch):
    """Short strips are read with a tenth of the program's work."""
    monkeypatch.setattr(example, "FEWEST", 1)
    monkeypatch.setattr(example, "MOST", 3)
    (x, y), (test_x, test_y) = example.data(2000, 60)
    net = example.train(x, y, epochs=12)
    read = decoding.greedy(net.predict(test_x), blank=example.BLANK)
    assert metrics.label_error_rate(read, test_y) < 0.25

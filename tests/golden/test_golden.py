"""Values and gradients of the golden cases."""

import json
from pathlib import Path

import numpy as np
import peephole
import pytest
from support.tolerances import GOLDEN, assert_close

CASES = sorted(Path(__file__).parent.glob("*.npz"))


def load(path):
    with np.load(path) as arrays:
        return dict(arrays)


def under(arrays, prefix):
    """{rest of the name: array} of the arrays whose names begin with the prefix."""
    return {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}


def pairs(arrays, prefix):
    """The (h, c) pairs under the prefix, or None where there are none."""
    found = under(arrays, prefix)
    count = len(found) // 2
    return tuple((found[f"{k}/h"], found[f"{k}/c"]) for k in range(count)) or None


def build(arrays, dtype):
    options = json.loads(str(arrays["options"]))
    masks = {name: mask.astype(bool) for name, mask in under(arrays, "masks/").items()}
    lstm = peephole.LSTM(**options, masks=masks or None, dtype=dtype, seed=0)
    parameters = under(arrays, "parameters/")
    assert list(lstm.parameters) == list(parameters)
    for name, value in parameters.items():
        lstm.parameters[name] = value.astype(dtype)
    return lstm


def assert_states(actual, expected, tolerance, what):
    assert len(actual) == len(expected)
    for k, (pair, expected_pair) in enumerate(zip(actual, expected, strict=True)):
        for letter, value, expected_value in zip("hc", pair, expected_pair, strict=True):
            assert_close(value, expected_value, tolerance, f"{what}/{k}/{letter}")


def test_there_are_cases():
    assert len(CASES) == 20


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_values(path, dtype):
    arrays = load(path)
    lstm = build(arrays, dtype)
    state, lengths = pairs(arrays, "state/"), arrays.get("lengths")

    y, final = lstm(arrays["x"], state, lengths)
    assert y.dtype == dtype
    assert_close(y, arrays["y"], GOLDEN[dtype], "y")
    assert_states(final, pairs(arrays, "final/"), GOLDEN[dtype], "final")

    y, final, _ = lstm.forward(arrays["x"], state, lengths)
    assert_close(y, arrays["y"], GOLDEN[dtype], "y of forward")
    assert_states(final, pairs(arrays, "final/"), GOLDEN[dtype], "final of forward")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_gradients(path, dtype):
    arrays = load(path)
    lstm = build(arrays, dtype)
    _, _, tape = lstm.forward(arrays["x"], pairs(arrays, "state/"), arrays.get("lengths"))
    grads = lstm.backward(tape, arrays["dy"], pairs(arrays, "dstate/"))

    assert grads.x.dtype == dtype
    assert_close(grads.x, arrays["dx"], GOLDEN[dtype], "dx")
    expected = pairs(arrays, "dstate0/")
    if expected is not None:
        assert_states(grads.state, expected, GOLDEN[dtype], "dstate0")
    expected = under(arrays, "dparameters/")
    assert list(grads.parameters) == list(expected)
    for name, gradient in expected.items():
        assert_close(grads.parameters[name], gradient, GOLDEN[dtype], name)

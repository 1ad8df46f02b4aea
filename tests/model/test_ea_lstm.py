"""The EA-LSTM of docs/guide/ea-lstm.md equals the published equations; its gradients are exact."""

import re
from pathlib import Path

import numpy as np
import peephole
import pytest
from peephole import masks
from support.tolerances import FINITE_DIFFERENCE, REFERENCE, assert_close, assert_identical

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "ea-lstm.md"
DYNAMIC, STATIC, UNITS = 3, 4, 6


def ea_lstm(dtype="float64", **options):
    return peephole.LSTM(
        DYNAMIC + STATIC,
        UNITS,
        peephole="none",
        gate_inputs={"i": slice(DYNAMIC, None), "fgo": slice(DYNAMIC)},
        masks=masks.without_recurrence(UNITS, "i"),
        dtype=dtype,
        seed=0,
        **options,
    )


def sigma(a):
    return 1 / (1 + np.exp(-a))


def published(parameters, x_d, x_s):
    """Kratzert et al. 2019, equations 1-6, for x_d (T, DYNAMIC) and x_s (STATIC,): h (T, UNITS)."""
    W = np.split(np.asarray(parameters["weight_ih_l0"]), 4)
    U = np.split(np.asarray(parameters["weight_hh_l0"]), 4)
    b_i, b_f, b_g, b_o = np.split(np.asarray(parameters["bias_l0"]), 4)
    W_i, (W_f, W_g, W_o) = W[0][:, DYNAMIC:], (w[:, :DYNAMIC] for w in W[1:])
    _, U_f, U_g, U_o = U
    i = sigma(W_i @ x_s + b_i)
    h = c = np.zeros(UNITS)
    result = []
    for x_t in x_d:
        f = sigma(W_f @ x_t + U_f @ h + b_f)
        g = np.tanh(W_g @ x_t + U_g @ h + b_g)
        o = sigma(W_o @ x_t + U_o @ h + b_o)
        c = f * c + i * g
        h = o * np.tanh(c)
        result.append(h)
    return np.array(result)


def inputs(rng, n, steps):
    x_d, x_s = rng.standard_normal((n, steps, DYNAMIC)), rng.standard_normal((n, STATIC))
    return x_d, x_s, np.concatenate([x_d, np.repeat(x_s[:, None], steps, 1)], axis=2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_equals_the_published_equations(dtype):
    rng = np.random.default_rng(0)
    lstm = ea_lstm(dtype)
    x_d, x_s, x = inputs(rng, 5, 20)
    lengths = [20, 7, 0, 1, 13]
    y, _ = lstm(x.astype(dtype), lengths=lengths)
    assert not np.asarray(lstm.parameters["weight_hh_l0"])[:UNITS].any()
    for k, n in enumerate(lengths):
        expected = published(lstm.parameters, x_d[k, :n], x_s[k]).reshape(n, UNITS)
        assert_close(y[k, :n], expected, REFERENCE[dtype])


def test_the_input_gate_does_not_change():
    lstm = ea_lstm()
    _, _, x = inputs(np.random.default_rng(0), 2, 9)
    _, _, tape = lstm.forward(x)
    i = tape.gates()["i"]
    assert_identical(i, np.repeat(i[:, :1], 9, axis=1))


def test_gradients():
    """Of all weights that there are, by difference quotients; of those that are cut, exactly 0."""
    rng = np.random.default_rng(0)
    lstm = ea_lstm()
    _, _, x = inputs(rng, 3, 6)
    y, _, tape = lstm.forward(x)
    dy = rng.standard_normal(y.shape)
    gradients = lstm.backward(tape, dy).parameters
    for name, view in lstm.parameters.items():
        values = np.array(view)
        direction = rng.standard_normal(values.shape)
        cut = ~lstm.masks[name] if name in lstm.masks else np.zeros(values.shape, bool)
        direction[cut] = 0
        assert not gradients[name][cut].any()
        step, losses = 1e-5, []
        for sign in (1, -1):
            lstm.parameters[name] = values + sign * step * direction
            losses.append(float(np.sum(dy * lstm(x)[0])))
        lstm.parameters[name] = values
        quotient = (losses[0] - losses[1]) / (2 * step)
        assert_close(np.sum(gradients[name] * direction), quotient, FINITE_DIFFERENCE, name)


def test_the_page_has_this_network():
    """The page makes its network by the same arguments; tests/package/test_docs.py trains it."""
    program = re.search(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)[1]
    made = re.search(r"peephole\.Network\(\n(.*?)\n    \)", program, re.S)[1]
    for line in (
        'peephole="none"',
        'gate_inputs={"i": slice(DYNAMIC, None), "fgo": slice(DYNAMIC)}',
        'masks=peephole.masks.without_recurrence(UNITS, "i")',
    ):
        assert line in made

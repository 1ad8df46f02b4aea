"""Quantized models against the definition, step by step, and how their matrices are rounded."""

import numpy as np
import peephole
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import quantized as reference

FORMATS = [("int16", None), ("int8", None), ("int8", "int8")]


def made(format, input_format, *sizes, **options):
    model = peephole.LSTM(*sizes, seed=3, **options)
    for name in model.parameters:  # no zeros
        shape = model.parameters.shape(name)
        model.parameters[name] = np.random.default_rng(5).uniform(-0.3, 0.3, shape)
    return model, model.quantize(format, input_format=input_format)


def inputs(kind, rng, size):
    x = rng.standard_normal(size).astype("f4")
    if kind == "one large":
        x[rng.integers(size)] *= 1e4
    elif kind == "alternating":
        x = np.where(np.arange(size) % 2 == 0, np.float32(3e38), np.float32(-3e38))
    elif kind == "constant":
        x = np.full(size, np.float32(3e38))
    elif kind == "subnormal":
        x = x * np.float32(1e-40)
    elif kind == "zeros":
        x = np.zeros(size, "f4")
    return x


KINDS = ["normal", "one large", "alternating", "constant", "subnormal", "zeros"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("peephole_form", ["diagonal", "dense", "none"])
@pytest.mark.parametrize("format", FORMATS)
def test_a_step(format, peephole_form, kind):
    rng = np.random.default_rng(1)
    for width, H in [(17, 1), (40, 9), (300, 33), (2100, 5)]:
        _, model = made(*format, width, H, peephole=peephole_form)
        x = inputs(kind, rng, width)
        h = rng.uniform(-1, 1, H).astype("f4")
        c = rng.uniform(-2, 2, H).astype("f4")
        y, ((h_next, c_next),) = model(x[None], [(h, c)])
        expected_h, expected_c = reference.step(model, x, h, c)
        np.testing.assert_allclose(h_next, expected_h, atol=3e-6)
        np.testing.assert_allclose(c_next, expected_c, atol=6e-6)
        np.testing.assert_array_equal(y[0], h_next)


def test_few_inputs_stay_in_float():
    model, quantized = made("int8", None, 16, 20)
    weights = quantized.parameters["weight_ih_l0"]
    np.testing.assert_array_equal(weights, model.parameters["weight_ih_l0"])
    assert "weight_ih_l0_scale" not in quantized.parameters
    x = np.random.default_rng(0).standard_normal((1, 16)).astype("f4")
    h, c = np.zeros((2, 20), "f4")
    y, _ = quantized(x, [(h, c)])
    np.testing.assert_allclose(y[0], reference.step(quantized, x[0], h, c)[0], atol=1e-6)
    _, wider = made("int8", None, 17, 20)
    assert wider.parameters["weight_ih_l0"].dtype == np.int8


@given(st.integers(0, 2**32 - 1), st.sampled_from(["int16", "int8"]), st.integers(17, 400))
@settings(max_examples=25, deadline=None)
def test_rounding(seed, format, columns):
    rng = np.random.default_rng(seed)
    model = peephole.LSTM(columns, 3, seed=0)
    shape = model.parameters.shape("weight_ih_l0")
    size = 10.0 ** rng.integers(-6, 6)
    weights = (rng.standard_normal(shape) ** 3 * size).astype("f4")
    weights[0] = 0
    weights[1] = size  # the largest sum that there can be
    model.parameters["weight_ih_l0"] = weights
    quantized = model.quantize(format)
    integers = quantized.parameters["weight_ih_l0"].astype(float)
    scales = quantized.parameters["weight_ih_l0_scale"].astype(float)
    assert np.abs(integers).max() <= (127 if format == "int8" else 32767)
    if format == "int16":  # no sum overflows 32 bits, whatever it is multiplied with
        blocks = np.abs(integers)[:, : columns // 128 * 128].reshape(12, -1, 128).sum(axis=2)
        rest = np.abs(integers)[:, columns // 128 * 128 :].sum(axis=1)
        assert max(blocks.max(initial=0), rest.max(initial=0)) * 8191 < 2**31
    assert np.abs(integers * scales[:, None] - weights).max() <= 0.5001 * scales.max()
    np.testing.assert_array_equal(integers[0], 0)
    assert scales[0] == 0
    assert (scales[1:] > 0).all()
    restored = quantized.dequantize().parameters["weight_ih_l0"]
    np.testing.assert_allclose(restored, integers * scales[:, None], rtol=1e-6)


@pytest.mark.parametrize(
    ("format", "bound"), [(FORMATS[0], 5e-4), (FORMATS[1], 1e-2), (FORMATS[2], 3e-2)]
)
def test_accuracy(format, bound):
    """Errors over RMS of y: the bounds that are stated in the manual."""
    rng = np.random.default_rng(2)
    for seed in range(6):
        width, H, T = (
            int(rng.integers(2, 80)),
            int(rng.integers(16, 130)),
            int(rng.integers(20, 120)),
        )
        model = peephole.LSTM(width, H, seed=seed, dtype="float64", num_layers=1 + seed % 2)
        x = rng.standard_normal((3, T, width))
        expected = model(x)[0]
        y = model.quantize(format[0], input_format=format[1])(x.astype("f4"))[0]
        error = np.sqrt(np.mean((y - expected) ** 2) / np.mean(expected**2))
        assert 1e-7 < error < bound

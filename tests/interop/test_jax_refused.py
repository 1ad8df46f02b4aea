"""What peephole.jax refuses, by name."""

import numpy as np
import peephole
import pytest
from support.refusals import refused

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402
import peephole.jax  # noqa: E402

PARAMETERS = peephole.jax.init(0, 3, [4, 2])
X = jnp.zeros((2, 5, 3))
STATE = tuple((jnp.zeros((2, n)),) * 2 for n in (4, 2))


def changed(**values):
    """The parameters with other values; None removes one."""
    values = {**PARAMETERS, **values}
    return {name: value for name, value in values.items() if value is not None}


@pytest.mark.parametrize(
    ("parameters", "error", "says"),
    [
        ([1, 2], TypeError, "a mapping of names"),
        ({}, ValueError, "names such as weight_ih_l0"),
        (changed(bias_l1=None), ValueError, "bias_l1 of (8,)"),
        (changed(weight_hh_l0=None), ValueError, "weight_hh_l0"),
        (changed(bias_l0=jnp.zeros(15)), ValueError, "bias_l0: expected (16,), got (15,)"),
        (changed(weight_ih_l0=jnp.zeros(16)), ValueError, "weight_ih_l0: expected (4H, I)"),
        (changed(weight_ih_l1=jnp.zeros((8, 3))), ValueError, "weight_ih_l1: expected (8, 4)"),
        (changed(weight_ch_l1=jnp.zeros((8, 2))), ValueError, "weight_ch_l1: expected (4, 2)"),
        (changed(bias_l2=jnp.zeros(8)), ValueError, "got 'bias_l2'"),
        (changed(bias_l0=jnp.zeros(16, "bfloat16")), TypeError, "bias_l0: expected float32"),
        (changed(bias_l0=jnp.zeros(16, "complex64")), TypeError, "bias_l0: expected real"),
        (changed(bias_l0="text"), TypeError, "bias_l0: expected real numbers, got dtype <U4"),
    ],
)
def test_parameters(parameters, error, says):
    with refused(error, "parameters", says):
        peephole.jax.lstm(parameters, X)
    with refused(error, "parameters", says):
        peephole.jax.to_lstm(parameters)


def test_parameters_of_one_dtype(float64_of_jax):
    with refused(TypeError, "parameters", "bias_l0: expected float32, got float64"):
        peephole.jax.lstm(changed(bias_l0=jnp.zeros(16, "float64")), X)


@pytest.mark.parametrize(
    ("x", "error"),
    [
        (X[0, 0], ValueError),
        (X[None], ValueError),
        (X[..., :2], ValueError),
        (X[0, :, :2], ValueError),
        (X.astype("complex64"), TypeError),
        (np.full((2, 5, 3), "a"), TypeError),
        ([[1, 2], [3]], ValueError),
        (np.ma.masked_equal(np.zeros((2, 5, 3)), 0), TypeError),
    ],
)
def test_x(x, error):
    with refused(error, "x"):
        peephole.jax.lstm(PARAMETERS, x)


@pytest.mark.parametrize(
    ("state", "error", "argument"),
    [
        (3, TypeError, "state"),
        (STATE[:1], ValueError, "state"),
        (((1, 2, 3), STATE[1]), TypeError, "state[0]"),
        ((STATE[0], (STATE[1][0], STATE[0][1])), ValueError, "state[1].c"),
        (((STATE[0][0], STATE[0][1].astype("complex64")), STATE[1]), TypeError, "state[0].c"),
        (tuple((h[0], c[0]) for h, c in STATE), ValueError, "state[0].h"),
    ],
)
def test_state(state, error, argument):
    with refused(error, argument):
        peephole.jax.lstm(PARAMETERS, X, state)


@pytest.mark.parametrize(
    ("lengths", "error"),
    [
        ([1.0, 2.0], TypeError),
        ([True, False], TypeError),
        ([1], ValueError),
        ([1, 6], ValueError),
        ([-1, 5], ValueError),
        (3, ValueError),
    ],
)
def test_lengths(lengths, error):
    with refused(error, "lengths"):
        peephole.jax.lstm(PARAMETERS, X, lengths=lengths)


def test_lengths_of_one_sequence():
    with refused(ValueError, "lengths", "single sequence"):
        peephole.jax.lstm(PARAMETERS, X[0], lengths=[5])


def test_lengths_that_are_traced():
    run = jax.jit(lambda lengths: peephole.jax.lstm(PARAMETERS, X, lengths=lengths))
    with pytest.raises(Exception, match=r"lengths: expected integers in 0\.\.5, got 6"):
        jax.block_until_ready(run(jnp.array([1, 6])))
    jax.block_until_ready(run(jnp.array([1, 5])))  # the model is as before


@pytest.mark.parametrize(
    ("options", "error", "argument"),
    [
        ({"num_layers": 3}, ValueError, "num_layers"),
        ({"dtype": "float64"}, ValueError, "dtype"),
        ({"dtype": "int8"}, ValueError, "dtype"),
        ({"peephole": "round"}, ValueError, "peephole"),
        ({"peephole": ["dense"]}, TypeError, "peephole"),
        ({"peephole": "dense"}, ValueError, "parameters"),
        ({"bidirectional": True}, ValueError, "parameters"),
        ({"bias": False}, ValueError, "parameters"),
        ({"masks": {"bias_l0": np.ones(3, bool)}}, ValueError, "masks"),
        ({"zoneout": 2.0}, ValueError, "zoneout"),
    ],
)
def test_options(options, error, argument):
    with refused(error, argument):
        peephole.jax.lstm(PARAMETERS, X, **options)


@pytest.mark.parametrize(("name", "near"), [("activation", "activations"), ("biass", "bias")])
def test_unknown_options(name, near):
    with pytest.raises(TypeError, match=rf"lstm\(\).*{name}.*{near}"):
        peephole.jax.lstm(PARAMETERS, X, **{name: 1})


@pytest.mark.parametrize("key", [3, jnp.zeros(2), jnp.zeros((4, 2), "uint32"), "key"])
def test_key(key):
    with refused(TypeError, "key"):
        peephole.jax.lstm(PARAMETERS, X, key=key, zoneout=0.1)


def test_init():
    with refused(ValueError, "dtype", "jax_enable_x64"):
        peephole.jax.init(0, 3, 4, dtype="float64")
    with refused(TypeError, "seed"):
        peephole.jax.init(1.5, 3, 4)
    with refused(TypeError, "seed"):
        peephole.jax.init(jnp.zeros(3), 3, 4)
    with pytest.raises(TypeError, match="seed as its first argument"):
        peephole.jax.init(0, 3, 4, seed=1)
    with refused(TypeError, "hidden_size"):
        peephole.jax.init(0, 3, "many")


def test_from_lstm():
    with refused(TypeError, "model"):
        peephole.jax.from_lstm(peephole.Network(1, 1, 1))
    with refused(ValueError, "dtype", "jax_enable_x64"):
        peephole.jax.from_lstm(peephole.LSTM(1, 1, dtype="float64"))
    with refused(ValueError, "model", "quantization"):
        peephole.jax.from_lstm(peephole.LSTM(1, 1, quantization="int8"))


def test_dropout_of_one_layer_warns_once_a_call(recwarn):
    parameters = peephole.jax.init(0, 3, 4)
    with pytest.warns(UserWarning, match="no effect"):
        y, _ = peephole.jax.lstm(parameters, X, dropout=0.5)
    assert np.array_equal(y, peephole.jax.lstm(parameters, X)[0])

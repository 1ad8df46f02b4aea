"""peephole.jax.lstm against peephole.LSTM, bit for bit, and against a scan of JAX operations."""

import numpy as np
import peephole
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.runs import named, train
from support.strategies import Case, cases
from support.tolerances import REFERENCE, assert_close, assert_identical

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402
import peephole.jax  # noqa: E402
from jax.test_util import check_grads  # noqa: E402
from reference import jax_lstm as reference  # noqa: E402

CONFIGURATIONS = 8  # each compiles a program of its own


@pytest.fixture(autouse=True)
def _float64(float64_of_jax):
    """All tests here have float64."""


def options_of(case):
    """Those of `peephole.jax.lstm`."""
    sizes = {"input_size", "hidden_size"}
    options = {name: value for name, value in case.options.items() if name not in sizes}
    return options | ({"masks": case.masks} if case.masks else {})


def arrays(case, dtype):
    """Parameters, x and the state, as `peephole.jax.lstm` takes them."""
    return jax.tree.map(
        lambda value: jnp.asarray(value, dtype), (case.parameters, case.x, case.state)
    )


def results(case, dtype, function):
    """All results and gradients by name, as `support.runs.train` has them, of one program."""
    weights = jax.tree.map(lambda value: jnp.asarray(value, dtype), (case.dy, case.dstate))

    def loss(parameters, x, state):
        computed = function(parameters, x, state)
        products = jax.tree.map(lambda a, b: (a * b).sum(), computed, weights)
        return sum(jax.tree.leaves(products)), computed

    gradients = jax.jit(jax.grad(loss, (0, 1, 2), has_aux=True))
    (of_parameters, dx, dstate), (y, state) = gradients(*arrays(case, dtype))
    return named(y, state) | named(dx, dstate or (), "d") | of_parameters


DENSE = {
    "input_size": 3,
    "hidden_size": [4, 2],
    "peephole": "dense",
    "peephole_gates": "ifgo",
    "bidirectional": True,
}
CURRENT = {
    "input_size": 2,
    "hidden_size": 4,
    "peephole": "diagonal",
    "peephole_gates": "ifo",
    "output_peephole": "current",
    "bias": False,
    "activations": {"g": "softsign", "c": "identity"},
}
COUPLED = {
    "input_size": 2,
    "hidden_size": 3,
    "num_layers": 2,
    "peephole_gates": "ifgo",
    "coupled_input_forget": True,
}
SCANNED = [
    pytest.param(Case(DENSE, batch=3, time=5, lengths=(5, 0, 3)), id="dense"),
    pytest.param(Case(CURRENT, (("weight_hh_l0", 0.5),), with_state=False), id="current"),
    pytest.param(Case(COUPLED, batch=2, time=4, lengths=(2, 4)), id="coupled"),
]


class TestOverAllOptions:
    @settings(max_examples=CONFIGURATIONS)
    @given(cases(), st.sampled_from(["float32", "float64"]))
    def test_equal_bits(self, case, dtype):
        def ours(*arguments):
            return peephole.jax.lstm(*arguments, case.lengths, **options_of(case))

        expected = train(case, case.build(dtype))
        for name, values in results(case, dtype, ours).items():
            assert_identical(values, expected[name], name)

    @pytest.mark.parametrize("case", SCANNED)
    def test_scan(self, case):
        def ours(*arguments):
            return peephole.jax.lstm(*arguments, case.lengths, **options_of(case))

        def scan(*arguments):
            return reference.lstm(case.options, *arguments, case.lengths, case.masks)

        expected = results(case, "float64", scan)
        for name, values in results(case, "float64", ours).items():
            assert_close(values, expected[name], REFERENCE["float64"], name)

    @settings(max_examples=5)
    @given(cases(masks=False, with_state=True))
    def test_options_that_parameters_show(self, case):
        """They need not be given."""
        options = options_of(case)
        for name in ("peephole", "bias", "bidirectional", "num_layers"):
            options.pop(name, None)
        arguments = arrays(case, "float64")
        y, _ = peephole.jax.lstm(*arguments, case.lengths, **options)
        expected, _ = case.build()(case.x, case.state, case.lengths)
        assert_identical(y, expected)


OPTIONS = {"input_size": 3, "hidden_size": [4, 2], "peephole": "dense", "peephole_gates": "ifgo"}
CASE = Case(OPTIONS, batch=3, time=5)


def test_difference_quotients():
    def run(parameters, x, state):
        return peephole.jax.lstm(parameters, x, state, [5, 0, 3])

    check_grads(run, arrays(CASE, "float64"), order=1, modes=["rev"])


@pytest.mark.parametrize("x64", [False, True])
def test_one_sequence(x64):
    """x (T, I), and no batch axis anywhere."""
    dtype = "float64" if x64 else "float32"
    parameters, x, state = arrays(CASE, dtype)
    alone = tuple((h[1], c[1]) for h, c in state)
    y, final = peephole.jax.lstm(parameters, x[1], alone)
    expected, expected_final = CASE.build(dtype)(CASE.x[1], alone)
    assert_identical(y, expected)
    for name, values in named(y, final).items():
        assert_identical(values, named(expected, expected_final)[name], name)
    of_batch = jax.grad(lambda x: peephole.jax.lstm(parameters, x, state)[0][1].sum())(x)
    of_one = jax.grad(lambda x: peephole.jax.lstm(parameters, x, alone)[0].sum())(x[1])
    assert_close(of_one, of_batch[1], REFERENCE[dtype])


@pytest.mark.parametrize("shape", [(0, 5, 3), (3, 0, 3), (0, 0, 3)])
def test_empty(shape):
    parameters, _, _ = arrays(CASE, "float64")
    x = jnp.zeros(shape)

    def total(parameters, x):
        y, state = peephole.jax.lstm(parameters, x)
        return y.sum(), (y, state)

    of, (y, state) = jax.grad(total, (0, 1), has_aux=True)(parameters, x)
    assert y.shape == (*shape[:2], 2) and state[0][0].shape == (shape[0], 4)
    assert of[1].shape == shape
    assert not any(values.any() for values in of[0].values())


def test_other_dtypes_of_x():
    """They are converted, as for peephole.LSTM; the gradient has the dtype of x."""
    parameters, x, _ = arrays(CASE, "float32")
    half = x.astype("bfloat16")
    y, _ = peephole.jax.lstm(parameters, half)
    assert_identical(y, peephole.jax.lstm(parameters, half.astype("float32"))[0])
    assert jax.grad(lambda x: peephole.jax.lstm(parameters, x)[0].sum())(half).dtype == "bfloat16"
    whole = jnp.arange(45).reshape(3, 5, 3)
    expected, _ = CASE.build("float32")(np.asarray(whole))
    assert_identical(peephole.jax.lstm(parameters, whole)[0], expected)


OF_INIT = {"peephole": "dense", "bidirectional": True, "recurrent_init": "orthogonal"}


class TestParameters:
    def test_init(self, dtype):
        parameters = peephole.jax.init(7, 3, 4, num_layers=2, **OF_INIT, dtype=dtype)
        model = peephole.LSTM(3, 4, 2, **OF_INIT, dtype=dtype, seed=7)
        assert parameters.keys() == {*model.parameters}
        for name, values in parameters.items():
            assert_identical(values, model.parameters[name], name)
        y, _ = peephole.jax.lstm(parameters, np.ones((2, 3, 3)), **OF_INIT, dtype=dtype)
        assert_identical(y, model(np.ones((2, 3, 3)))[0])

    def test_init_by_generator(self):
        drawn = peephole.jax.init(np.random.default_rng(3), 3, 4)
        model = peephole.LSTM(3, 4, seed=np.random.default_rng(3))
        assert_identical(drawn["weight_ih_l0"], model.parameters["weight_ih_l0"])

    @pytest.mark.parametrize("key", [jax.random.key, jax.random.PRNGKey])
    def test_init_by_key(self, key):
        first = peephole.jax.init(key(1), 3, 4)
        again = jax.jit(lambda k: peephole.jax.init(k, 3, 4))(key(1))
        other = peephole.jax.init(key(2), 3, 4)
        for name in first:
            assert_identical(first[name], again[name], name)
        assert not np.array_equal(first["weight_ih_l0"], other["weight_ih_l0"])

    def test_init_of_an_ensemble(self):
        keys = jax.random.split(jax.random.key(1), 3)
        ensemble = jax.vmap(lambda k: peephole.jax.init(k, 3, 4))(keys)
        alone = peephole.jax.init(keys[2], 3, 4)
        for name in alone:
            assert_identical(ensemble[name][2], alone[name], name)

    @settings(max_examples=5)
    @given(cases())
    def test_from_and_to_lstm(self, case):
        model = case.build()
        parameters, options = peephole.jax.from_lstm(model)
        y, _ = peephole.jax.lstm(parameters, case.x, case.state, case.lengths, **options)
        assert_identical(y, model(case.x, case.state, case.lengths)[0])
        back = peephole.jax.to_lstm(parameters, **options)
        assert back.options == model.options
        assert_identical(back(case.x, case.state, case.lengths)[0], y)

"""peephole.jax.lstm under the transformations of JAX."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import peephole
import pytest
from support.tolerances import ROUNDING, assert_close, assert_identical

jax = pytest.importorskip("jax")

import jax.numpy as jnp  # noqa: E402
import peephole.jax  # noqa: E402
from reference import jax_lstm  # noqa: E402

pytestmark = pytest.mark.usefixtures("float64_of_jax")

N, B, T, I, H = 4, 3, 6, 2, 5  # noqa: E741


@pytest.fixture
def model():
    return peephole.LSTM(I, [H, 3], dtype="float64", seed=1)


@pytest.fixture
def parameters(model):
    return peephole.jax.from_lstm(model)[0]


@pytest.fixture
def x(rng):
    return jnp.asarray(rng.standard_normal((N, B, T, I)))


def loss(parameters, x, state=None, lengths=None, **options):
    y, final = peephole.jax.lstm(parameters, x, state, lengths, **options)
    return (jnp.sin(y) + y).sum() + sum((h * c).sum() for h, c in final)


def primitives(function, *arguments):
    """The names of the passes in a function's program, those inside loops after a "loop"."""
    found = []

    def search(jaxpr):
        for equation in jaxpr.eqns:
            name = equation.primitive.name
            if name.startswith("peephole"):
                found.append((name, equation.invars[-1].aval.shape))
            for value in equation.params.values():
                inner = getattr(value, "jaxpr", None)
                if inner is not None:
                    if name in ("scan", "while"):
                        found.append("loop")
                    search(getattr(inner, "jaxpr", inner))

    search(jax.make_jaxpr(function)(*arguments).jaxpr)
    return [name if name == "loop" else name[0] for name in found]


class TestMap:
    def test_one_batch(self, model, parameters, x):
        """The mapped axis becomes a part of the batch, with the bits of that batch."""
        mapped = jax.vmap(peephole.jax.lstm, (None, 0))
        assert primitives(mapped, parameters, x) == ["peephole_lstm"]
        y, state = jax.jit(mapped)(parameters, x)
        expected, final = model(np.asarray(x).reshape(N * B, T, I))
        assert_identical(y, expected.reshape(N, B, T, 3))
        for pair, expected_pair in zip(state, final, strict=True):
            for values, array in zip(pair, expected_pair, strict=True):
                assert_identical(values, array.reshape(N, B, -1))

    @pytest.mark.parametrize("axis", [0, 1, 2, -1])
    def test_any_axis(self, parameters, x, axis):
        moved = jnp.moveaxis(x, 0, axis)
        y, _ = jax.vmap(peephole.jax.lstm, (None, axis), -1)(parameters, moved)
        for n in range(N):
            assert_identical(y[..., n], peephole.jax.lstm(parameters, x[n])[0])

    def test_of_single_sequences(self, parameters, x):
        """In a map of a map, with x (T, I)."""
        alone = jax.vmap(jax.vmap(peephole.jax.lstm, (None, 0)), (None, 0))
        assert primitives(alone, parameters, x) == ["peephole_lstm"]
        together = jax.vmap(peephole.jax.lstm, (None, 0))
        jax.tree.map(assert_identical, alone(parameters, x), together(parameters, x))

    def test_state_and_lengths(self, parameters, x, rng):
        """Mapped where x is not."""
        state = [tuple(jnp.asarray(rng.random((2, N, B, n)))) for n in (H, 3)]
        lengths = jnp.asarray(rng.integers(0, T + 1, (N, B)))
        mapped = jax.vmap(peephole.jax.lstm, (None, None, 0, 0))
        assert primitives(mapped, parameters, x[0], state, lengths) == ["peephole_lstm"]
        y, final = mapped(parameters, x[0], state, lengths)
        for n in range(N):
            alone = jax.tree.map(lambda value, n=n: value[n], state)
            expected = peephole.jax.lstm(parameters, x[0], alone, lengths[n])
            found = jax.tree.map(lambda value, n=n: value[n], (y, final))
            jax.tree.map(assert_identical, found, expected)

    def test_parameters(self, parameters, x):
        """Models run one after another."""
        ensemble = jax.tree.map(lambda p: jnp.stack([p, 2 * p, -p, p / 2]), parameters)
        mapped = jax.vmap(peephole.jax.lstm)
        assert primitives(mapped, ensemble, x) == ["loop", "peephole_lstm"]
        y, _ = mapped(ensemble, x)
        for n in range(N):
            one = {name: value[n] for name, value in ensemble.items()}
            assert_identical(y[n], peephole.jax.lstm(one, x[n])[0])
        gradient = jax.vmap(jax.grad(loss))(ensemble, x)
        for n in range(N):
            one = {name: value[n] for name, value in ensemble.items()}
            for name, values in jax.grad(loss)(one, x[n]).items():
                assert_identical(gradient[name][n], values, name)

    def test_gradient_of_a_map(self, parameters, x):
        """One backward pass over the whole batch."""

        def total(parameters, x):
            return jax.vmap(loss, (None, 0))(parameters, x).sum()

        gradient = jax.grad(total, (0, 1))
        assert primitives(gradient, parameters, x) == ["peephole_lstm", "peephole_lstm_backward"]
        of_parameters, dx = gradient(parameters, x)
        whole = jax.grad(loss, (0, 1))(parameters, x.reshape(N * B, T, I))
        assert_identical(dx, whole[1].reshape(x.shape))
        for name, values in whole[0].items():
            assert_close(of_parameters[name], values, ROUNDING["float64"], name)

    def test_map_of_gradients(self, parameters, x):
        """The parameters' gradient of each item is apart; that of x needs one pass."""
        each = jax.vmap(jax.grad(loss), (None, 0))(parameters, x)
        for n in range(N):
            for name, values in jax.grad(loss)(parameters, x[n]).items():
                assert_identical(each[name][n], values, name)
        of_x = jax.vmap(jax.grad(loss, 1), (None, 0))
        assert "loop" not in primitives(of_x, parameters, x)
        for n in range(N):
            assert_identical(of_x(parameters, x)[n], jax.grad(loss, 1)(parameters, x[n]))

    def test_empty(self, parameters, x):
        y, _ = jax.vmap(peephole.jax.lstm, (None, 0))(parameters, x[:0])
        assert y.shape == (0, B, T, 3)


class TestOthers:
    def test_jacobian(self, parameters, x):
        x = x[0, :1]
        jacobian = jax.jacrev(lambda x: peephole.jax.lstm(parameters, x)[0][0, -1])(x)
        for unit in range(3):
            row = jax.grad(lambda x, u=unit: peephole.jax.lstm(parameters, x)[0][0, -1, u])(x)
            assert_identical(jacobian[unit], row)

    def test_checkpoint(self, parameters, x):
        plain = jax.grad(loss, (0, 1))(parameters, x[0])
        again = jax.jit(jax.grad(jax.checkpoint(loss), (0, 1)))(parameters, x[0])
        jax.tree.map(assert_identical, again, plain)

    def test_scan_over_chunks(self, model, parameters, x):
        """Truncated in the values, not in the gradients: the state carries both."""
        chunks = jnp.moveaxis(x[0].reshape(B, 3, T // 3, I), 1, 0)

        def in_chunks(parameters, x):
            def step(state, chunk):
                y, state = peephole.jax.lstm(parameters, chunk, state)
                return state, y

            zeros = tuple((jnp.zeros((B, n)),) * 2 for n in (H, 3))
            final, y = jax.lax.scan(step, zeros, x)
            y = jnp.moveaxis(y, 0, 1).reshape(B, T, 3)
            return (jnp.sin(y) + y).sum() + sum((h * c).sum() for h, c in final)

        value, (of_parameters, dx) = jax.value_and_grad(in_chunks, (0, 1))(parameters, chunks)
        whole, (of_whole, dx_whole) = jax.value_and_grad(loss, (0, 1))(parameters, x[0])
        assert_close(value, whole, ROUNDING["float64"])
        dx = jnp.moveaxis(dx, 0, 1).reshape(B, T, I)
        assert_close(dx, dx_whole, ROUNDING["float64"])
        for name, values in of_whole.items():
            assert_close(of_parameters[name], values, ROUNDING["float64"], name)

    def test_only_what_is_wanted(self, model, parameters, x):
        """A gradient of the parameters alone does not compute that of x."""
        program = jax.make_jaxpr(jax.grad(loss))(parameters, x[0])
        (equation,) = (e for e in program.eqns if e.primitive.name == "peephole_lstm_backward")
        assert equation.params["wanted"] == (True, False, False)

    @pytest.mark.parametrize("lengths", [None, (6, 2, 0)])
    def test_second_order(self, parameters, x, lengths):
        """A penalty on the gradient, against the stack in JAX operations."""
        options = {"input_size": I, "hidden_size": [H, 3], "activations": None}
        rng = np.random.default_rng(4)
        state = [(rng.standard_normal((B, n)), rng.standard_normal((B, n))) for n in (H, 3)]
        lengths = None if lengths is None else jnp.asarray(lengths)

        def penalty(run, parameters, x, state):
            def of_results(parameters, x, state):
                y, final = run(parameters, x, state)
                return (jnp.sin(y) + y).sum() + sum((h * c).sum() for h, c in final)

            slopes = jax.grad(of_results, (0, 1, 2))(parameters, x, state)
            return sum((slope**2).sum() for slope in jax.tree.leaves(slopes))

        def ours(parameters, x, state):
            return peephole.jax.lstm(parameters, x, state, lengths)

        def in_jax(parameters, x, state):
            return jax_lstm.lstm(options, parameters, x, state, lengths)

        arguments = (parameters, x[0], state)
        found = jax.jit(jax.grad(partial(penalty, ours), (0, 1, 2)))(*arguments)
        expected = jax.grad(partial(penalty, in_jax), (0, 1, 2))(*arguments)
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            assert_close(a, b, 1e-10)

    def test_second_order_of_one_argument_and_mapped(self, parameters, x):
        def slope(x):
            return (jax.grad(loss, 1)(parameters, x) ** 2).sum()

        mapped = jax.vmap(jax.grad(slope))(x)
        for n in range(N):
            assert_identical(mapped[n], jax.grad(slope)(x[n]))

    def test_no_third_order(self, parameters, x):
        def slope(x):
            return (jax.grad(loss, 1)(parameters, x) ** 2).sum()

        def curvature(x):
            return (jax.grad(slope)(x) ** 2).sum()

        with pytest.raises(NotImplementedError, match=r"peephole\.jax\.lstm has first and second"):
            jax.grad(curvature)(x[0])

    def test_no_forward_mode(self, parameters, x):
        with pytest.raises(TypeError, match="forward-mode"):
            jax.jvp(lambda x: loss(parameters, x), (x[0],), (x[0],))


NOISE = {"dropout": 0.3, "recurrent_dropout": 0.2, "zoneout": 0.1}


class TestNoise:
    def test_by_key(self, parameters, x):
        key = jax.random.key(3)
        y, _ = peephole.jax.lstm(parameters, x[0], key=key, **NOISE)
        again, _ = jax.jit(lambda k: peephole.jax.lstm(parameters, x[0], key=k, **NOISE))(key)
        assert_identical(again, y)
        other, _ = peephole.jax.lstm(parameters, x[0], key=jax.random.key(4), **NOISE)
        assert not np.array_equal(other, y)
        high, low = jax.random.bits(key, (2,), "uint32").tolist()
        model = peephole.jax.to_lstm(parameters, **NOISE)
        expected, _, _ = model.forward(np.asarray(x[0]), seed=high << 32 | low)
        assert_identical(y, expected)

    def test_inference_without_key(self, parameters, x):
        model = peephole.jax.to_lstm(parameters, **NOISE)
        y, _ = peephole.jax.lstm(parameters, x[0], **NOISE)
        assert_identical(y, model(np.asarray(x[0]))[0])

    def test_gradient(self, parameters, x):
        """Of the same noise in both passes: it equals a quotient of values with that key."""
        key, step = jax.random.key(3), 1e-5

        def of(x):
            return loss(parameters, x, key=key, **NOISE)

        along = jnp.cos(jnp.arange(x[0].size)).reshape(x[0].shape)
        slope = (of(x[0] + step * along) - of(x[0] - step * along)) / (2 * step)
        assert_close((jax.grad(of)(x[0]) * along).sum(), slope, 1e-8)

    def test_gradient_needs_a_key(self, parameters, x):
        with pytest.raises(ValueError, match="key: expected one"):
            jax.grad(loss)(parameters, x[0], **NOISE)

    def test_map(self, parameters, x):
        """Each item has the noise that it has alone, with its key or the common one."""

        def run(x, key):
            return peephole.jax.lstm(parameters, x, key=key, **NOISE)[0]

        keys = jax.random.split(jax.random.key(3), N)
        own, common = jax.vmap(run)(x, keys), jax.vmap(run, (0, None))(x, keys[0])
        for n in range(N):
            assert_identical(own[n], run(x[n], keys[n]))
            assert_identical(common[n], run(x[n], keys[0]))


def test_threads(model, parameters, rng):
    """Calls at the same time with other parameters do not disturb each other."""
    gradient = jax.jit(jax.value_and_grad(loss))
    x = jnp.asarray(rng.standard_normal((8, 60, I)))
    scaled = [jax.tree.map(lambda p, s=s: p * s, parameters) for s in np.linspace(0.5, 2, 16)]
    expected = [gradient(each, x) for each in scaled]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda k: gradient(scaled[k % 16], x), range(160)))
    for k, each in enumerate(found):
        jax.tree.map(assert_identical, each, expected[k % 16])

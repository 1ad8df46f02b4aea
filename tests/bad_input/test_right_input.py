"""Valid calls that often fail: one input in other dtypes, byte orders, strides, containers."""

import numpy as np
import peephole
import pytest
from support.tolerances import assert_identical

B, T, I, H = 3, 5, 4, 2  # noqa: E741 - the dimensions' names everywhere


@pytest.fixture(params=["float32", "float64"])
def lstm(request):
    return peephole.LSTM(I, H, peephole="dense", dtype=request.param, seed=0)


def whole_numbers(rng, shape):
    """Values that every dtype here has."""
    return rng.integers(-3, 4, shape).astype(np.float64)


def strided(array, *steps):
    """An equal array in memory with gaps, or in reverse order."""
    memory = np.full([n * abs(step) for n, step in zip(array.shape, steps, strict=True)], np.nan)
    view = memory[tuple(slice(None, None, step) for step in steps)]
    view[...] = array
    return view


def unaligned(array):
    memory = np.zeros(array.nbytes + 1, np.uint8)
    view = memory[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def subclass(array):
    class Measured(np.ndarray):
        pass

    return array.view(Measured)


FORMS = {
    "float16": lambda x: x.astype(np.float16),
    "float32": lambda x: x.astype(np.float32),
    "float64": lambda x: x.astype(np.float64),
    "long double": lambda x: x.astype(np.longdouble),
    "int8": lambda x: x.astype(np.int8),
    "int64": lambda x: x.astype(np.int64),
    "big-endian float32": lambda x: x.astype(">f4"),
    "big-endian float64": lambda x: x.astype(">f8"),
    "little-endian float64": lambda x: x.astype("<f8"),
    "big-endian int16": lambda x: x.astype(">i2"),
    "list": lambda x: x.tolist(),
    "tuple of arrays": lambda x: tuple(x),
    "Fortran order": np.asfortranarray,
    "every other step": lambda x: strided(x, 1, 2, 1),
    "every other feature": lambda x: strided(x, 1, 1, 2),
    "every third of all": lambda x: strided(x, 3, 3, 3),
    "backwards in time": lambda x: strided(x, 1, -1, 1),
    "backwards in all": lambda x: strided(x, -1, -2, -1),
    "time first": lambda x: np.ascontiguousarray(x.transpose(1, 0, 2)).transpose(1, 0, 2),
    "features first": lambda x: np.ascontiguousarray(x.transpose(2, 0, 1)).transpose(1, 2, 0),
    "read-only": read_only,
    "unaligned": unaligned,
    "unaligned float32": lambda x: unaligned(x.astype(np.float32)),
    "subclass": subclass,
    "field of records": lambda x: np.rec.fromarrays([x, x], names="a,b")["b"],
    "memoryview": memoryview,
}


def run(lstm, x, state, lengths, dy):
    y, final, tape = lstm.forward(x, state, lengths)
    grads = lstm.backward(tape, dy, state)
    inferred, _ = lstm(x, state, lengths)
    return [y, *final[0], grads.x, *grads.state[0], *grads.parameters.values(), inferred]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_forms_of_arrays(rng, lstm, form):
    """x, state, dy and dstate."""
    x, dy = whole_numbers(rng, (B, T, I)), whole_numbers(rng, (B, T, H))
    h, c = whole_numbers(rng, (2, B, H))
    expected = run(lstm, x.copy(), ((h, c),), [5, 0, 3], dy)
    in_2d = (lambda a: form(a[None])[0]) if form is not memoryview else (lambda a: memoryview(a))
    results = run(lstm, form(x), ((in_2d(h), in_2d(c)),), [5, 0, 3], form(dy))
    for result, value in zip(results, expected, strict=True):
        assert_identical(result, value)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_forms_of_a_single_sequence(rng, lstm, form):
    x = whole_numbers(rng, (T, I))
    if form is memoryview:
        assert_identical(lstm(memoryview(x))[0], lstm(x.copy())[0])
    else:
        assert_identical(lstm(form(x[None])[0])[0], lstm(x.copy())[0])


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_forms_of_a_parameter(rng, lstm, form):
    value = whole_numbers(rng, (1, 4 * H, I))
    lstm.parameters["weight_ih_l0"] = form(value)[0] if form is not memoryview else form(value[0])
    assert_identical(lstm.parameters["weight_ih_l0"], value[0].astype(lstm.dtype))


@pytest.mark.parametrize("form", [bool, np.uint8], ids=["bool", "uint8"])
def test_flags_and_counts(rng, lstm, form):
    x = rng.integers(0, 2, (B, T, I)).astype(form)
    assert_identical(lstm(x)[0], lstm(x.astype(np.float64))[0])


@pytest.mark.parametrize(
    "form",
    [
        list,
        tuple,
        np.array,
        *(lambda n, dtype=dtype: np.array(n, dtype) for dtype in ("i1", "u1", "i4", ">i4", "u8")),
        lambda n: np.array([[m, -1] for m in n])[:, 0],
        lambda n: np.array(n[::-1])[::-1],
        lambda n: [np.int16(m) for m in n],
        lambda n: read_only(np.array(n)),
    ],
)
def test_forms_of_lengths(rng, lstm, form):
    x, lengths = rng.standard_normal((B, T, I)), [0, 5, 2]
    y, ((h, _),) = lstm(x, None, form(lengths))
    expected, ((h_expected, _),) = lstm(x, None, np.array(lengths, np.int64))
    assert_identical(y, expected)
    assert_identical(h, h_expected)
    assert not y[0].any() and y[1, 4].any() and not y[2, 2:].any()


def test_float64_into_float32_is_rounded(rng):
    """Converted as NumPy's same-kind casts do: to the nearest."""
    lstm = peephole.LSTM(I, H, seed=0)
    x = rng.standard_normal((B, T, I))
    assert np.any(x != x.astype(np.float32))
    y, _ = lstm(x)
    assert y.dtype == np.float32
    assert_identical(y, lstm(x.astype(np.float32))[0])
    value = rng.standard_normal((4 * H, H))
    lstm.parameters["weight_hh_l0"] = value
    assert_identical(lstm.parameters["weight_hh_l0"], value.astype(np.float32))


def test_broadcast_views(rng, lstm):
    """Strides of 0: one sequence for all of the batch, one step for all of a sequence."""
    x = rng.standard_normal((B, T, I))
    for view in (
        np.broadcast_to(x[:1], x.shape),
        np.broadcast_to(x[:, :1], x.shape),
        np.broadcast_to(x[..., :1], x.shape),
        np.broadcast_to(x[0, 0, 0], x.shape),
    ):
        assert_identical(lstm(view)[0], lstm(view.copy())[0])
    y, _, tape = lstm.forward(x)
    one = np.broadcast_to(1.0, y.shape)
    assert_identical(lstm.backward(tape, one).x, lstm.backward(tape, one.copy()).x)


def test_overlapping_windows(rng, lstm):
    """All windows of one long series, without a copy of it."""
    series = rng.standard_normal((40, I)).astype(lstm.dtype)
    windows = np.lib.stride_tricks.sliding_window_view(series, 8, axis=0).transpose(0, 2, 1)
    assert_identical(lstm(windows)[0], lstm(windows.copy())[0])
    strides = (series.strides[0], *series.strides)
    overlapping = np.lib.stride_tricks.as_strided(series, (33, 8, I), strides, writeable=False)
    assert_identical(lstm(overlapping)[0], lstm(windows.copy())[0])


def test_one_array_in_two_places(rng, lstm):
    """The same array as h and as c, and a result as the next input."""
    h = rng.standard_normal((B, H)).astype(lstm.dtype)
    x = rng.standard_normal((B, T, I))
    (y, state), (y_of_copies, _) = lstm(x, ((h, h),)), lstm(x, ((h.copy(), h.copy()),))
    assert_identical(y, y_of_copies)
    again, _ = lstm(x, state)
    assert_identical(again, lstm(x, tuple((h.copy(), c.copy()) for h, c in state))[0])


def test_containers_of_the_state(rng, lstm):
    x, (h, c) = rng.standard_normal((B, T, I)), rng.standard_normal((2, B, H))
    expected, _ = lstm(x, ((h, c),))
    for state in ([(h, c)], ([h, c],), [[h, c]], [(h.tolist(), c.tolist())]):
        assert_identical(lstm(x, state)[0], expected)


@pytest.mark.parametrize("shape", [(0, T, I), (B, 0, I), (0, 0, I), (0, I)])
def test_nothing_to_do(lstm, shape):
    """No sequences, or no steps: arrays of these shapes, and the initial state."""
    x, sizes = np.zeros(shape), shape[:-2]
    state = ((np.full((*sizes, H), 0.5), np.full((*sizes, H), -0.5)),)
    y, final, tape = lstm.forward(x, state)
    assert y.shape == (*shape[:-1], H)
    grads = lstm.backward(tape, y, state)
    assert grads.x.shape == shape
    for value, result, gradient in zip(state[0], final[0], grads.state[0], strict=True):
        assert_identical(result, value.astype(lstm.dtype))
        assert_identical(gradient, value.astype(lstm.dtype))
    for name, gradient in grads.parameters.items():
        assert gradient.shape == lstm.parameters[name].shape and not gradient.any()


@pytest.mark.parametrize("readout", ["all", "last"])
def test_nothing_to_predict(readout):
    net = peephole.Network(I, H, 2, head="softmax", readout=readout, seed=0)
    shape = (T, 2) if readout == "all" else (2,)
    assert net.predict(np.zeros((0, T, I))).shape == (0, *shape)
    assert len(net.predict([])) == 0
    if readout == "last":
        assert_identical(net.predict(np.zeros((B, 0, I))), np.zeros((B, 2), np.float32))
    else:
        assert net.predict(np.zeros((B, 0, I))).shape == (B, 0, 2)
    y = net.predict([np.zeros((0, I)), np.ones((2, I))])
    assert y[0].shape == ((0, 2) if readout == "all" else (2,)) and not np.any(y[0])


def test_all_lengths_are_zero(rng, lstm):
    x = np.full((B, T, I), np.nan)
    state = (tuple(rng.standard_normal((2, B, H)).astype(lstm.dtype)),)
    y, final, tape = lstm.forward(x, state, [0] * B)
    assert_identical(y, np.zeros_like(y))
    grads = lstm.backward(tape, np.full(y.shape, np.nan), state)
    assert_identical(grads.x, np.zeros((B, T, I), lstm.dtype))
    for value, result, gradient in zip(state[0], final[0], grads.state[0], strict=True):
        assert_identical(result, value)
        assert_identical(gradient, value)


def test_out(rng, lstm):
    """A writable C-contiguous array of the model's dtype, part of a larger one too."""
    x = rng.standard_normal((B, T, I))
    expected, _ = lstm(x, None, [5, 1, 0])
    memory = np.full((B + 2, T, H), np.nan, lstm.dtype)
    y, _ = lstm(x, None, [5, 1, 0], out=memory[1:-1])
    assert np.shares_memory(y, memory)
    assert_identical(memory[1:-1], expected)
    assert np.isnan(memory[0]).all() and np.isnan(memory[-1]).all()


def test_nan_is_not_hidden(lstm):
    """NaN in a real step gives NaN, in that sequence only."""
    x = np.ones((B, T, I))
    x[1, 2, 0] = np.nan
    y, _ = lstm(x)
    assert np.isnan(y[1, 2:]).all() and np.isfinite(y[1, :2]).all()
    assert np.isfinite(y[[0, 2]]).all()


@pytest.mark.parametrize("extreme", [1e30, -1e30, np.inf, -np.inf])
def test_saturation(lstm, extreme):
    """Gates saturate at very large inputs; values stay within [-1, 1]."""
    lstm.parameters["weight_ih_l0"] = np.ones((4 * H, I))
    y, ((h, c),) = lstm(np.full((B, T, I), extreme))
    assert np.isfinite(y).all() and np.isfinite(c).all()
    assert np.abs(h).max() <= 1

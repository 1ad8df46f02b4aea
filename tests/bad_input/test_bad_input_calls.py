"""Wrong calls of a model: each a clear error before anything is computed or changed."""

import numpy as np
import pytest
from support.calls import INPUTS, OUTPUTS, SIZES, B, T, x_of
from support.refusals import Wrong, refused, table, unchanged


def state_of(batch=B, sizes=SIZES):
    return tuple((np.full((batch, H), 0.25, np.float32),) * 2 for H in sizes)


def with_pair(k, h, c):
    """A valid state except for pair k."""
    state = list(state_of())
    state[k] = (h, c)
    return tuple(state)


h, c = (np.zeros((B, SIZES[0]), np.float32) for _ in range(2))

WRONG_INPUTS = [
    *table(
        "x",
        Wrong(
            "too many features", x_of((B, T, 4)), ValueError, says="(batch, time, 3), got (2, 5, 4)"
        ),
        Wrong(
            "too few features", x_of((B, T, 2)), ValueError, says="(batch, time, 3), got (2, 5, 2)"
        ),
        Wrong("no features", x_of((B, T, 0)), ValueError, says="got (2, 5, 0)"),
        Wrong("features first", x_of((INPUTS, B, T)), ValueError, says="got (3, 2, 5)"),
        Wrong("single of other features", x_of((T, 4)), ValueError, says="(time, 3), got (5, 4)"),
        Wrong("one axis", x_of((INPUTS,)), ValueError, says="got (3,)"),
        Wrong("four axes", x_of((1, B, T, INPUTS)), ValueError, says="got (1, 2, 5, 3)"),
        Wrong("a number", 0.5, ValueError, says="got ()"),
        Wrong("None", None, TypeError),
        Wrong("complex", x_of(dtype=np.complex64), TypeError, says="complex64"),
        Wrong("strings", x_of().astype(str), TypeError),
        Wrong("bytes", x_of().astype("S8"), TypeError),
        Wrong("objects", x_of().astype(object), TypeError, says="object"),
        Wrong("dates", x_of().astype("datetime64[s]"), TypeError),
        Wrong("records", np.zeros((B, T, INPUTS), [("a", "f4")]), TypeError),
        Wrong("a text", "x", TypeError),
        Wrong("a dict", {"x": 1}, TypeError),
        Wrong("a list of other lengths", [[[1.0] * 3] * 5, [[1.0] * 3] * 4], ValueError),
    ),
    *table(
        "lengths",
        Wrong("too few", [5], ValueError, says="(2,), got (1,)"),
        Wrong("too many", [5, 5, 5], ValueError, says="(2,), got (3,)"),
        Wrong("two axes", [[5, 5]], ValueError, says="got (1, 2)"),
        Wrong("a number", 5, ValueError, says="got ()"),
        Wrong("none of them", np.zeros(0, int), ValueError, says="got (0,)"),
        Wrong("negative", [5, -1], ValueError, says="-1"),
        Wrong("most negative", np.array([-(2**63), 5]), ValueError),
        Wrong("beyond T", [6, 5], ValueError, says="0..5"),
        Wrong("far beyond T", [5, 2**62], ValueError, says="0..5"),
        Wrong("wrapping at 32 bits", [5, 2**32], ValueError, says="0..5"),
        Wrong("wrapping at 64 bits", np.array([2**64 - 1, 5], np.uint64), ValueError),
        Wrong("wrapping to a length", np.array([2**64 - 2**63, 5], np.uint64), ValueError),
        Wrong("too large for NumPy", [2**64, 5], TypeError),
        Wrong("floats", [5.0, 5.0], TypeError, says="float64"),
        Wrong("NaN", [np.nan, 5], TypeError, says="float64"),
        Wrong("bools", [True, True], TypeError, says="bool"),
        Wrong("strings", ["5", "5"], TypeError),
        Wrong("complex", [5j, 5], TypeError, says="complex"),
        Wrong("None among them", [None, 5], TypeError),
        Wrong("nested", [[5], [5, 5]], ValueError),
    ),
    *table(
        "state",
        Wrong("nothing", (), ValueError, says="2 pairs"),
        Wrong("too few pairs", state_of()[:1], ValueError, says="2 pairs"),
        Wrong("too many pairs", state_of(sizes=(4, 2, 2)), ValueError, says="2 pairs"),
        Wrong(
            "layers in reverse", state_of()[::-1], ValueError, "state[0].h", "(2, 4), got (2, 2)"
        ),
        Wrong("of another batch", state_of(3), ValueError, "state[0].h", "(2, 4), got (3, 4)"),
        Wrong("of a batch of one", state_of(1), ValueError, "state[0].h", "got (1, 4)"),
        Wrong("without a batch axis", with_pair(0, h[0], c[0]), ValueError, "state[0].h", "(4,)"),
        Wrong("c of another size", with_pair(1, h[:, :2], c[:, :3]), ValueError, "state[1].c"),
        Wrong("an array", np.zeros((2, 2, B, 4)), TypeError),
        Wrong("all h, then all c", (np.zeros((2, B, 4)),) * 2, TypeError, "state[0]"),
        Wrong("h without c", ((h,), state_of()[1]), ValueError, "state[0]"),
        Wrong("a triple", ((h, c, c), state_of()[1]), ValueError, "state[0]"),
        Wrong("no h", with_pair(0, None, c), TypeError, "state[0].h"),
        Wrong("no pair", (None, state_of()[1]), TypeError, "state[0]"),
        Wrong("complex", with_pair(0, h, c * 1j), TypeError, "state[0].c", "complex64"),
        Wrong("strings", with_pair(1, "h", "c"), TypeError, "state[1].h"),
        Wrong("a dict", {"h": h, "c": c}, TypeError),
        Wrong("a text", "zeros", TypeError),
    ),
]

ENTRIES = {
    "lstm()": ("lstm", "__call__"),
    "lstm.forward": ("lstm", "forward"),
    "net()": ("net", "__call__"),
    "net.forward": ("net", "forward"),
}


@pytest.mark.parametrize(("fixture", "method"), ENTRIES.values(), ids=ENTRIES.keys())
@pytest.mark.parametrize(("argument", "wrong"), WRONG_INPUTS)
def test_inputs(request, fixture, method, argument, wrong):
    model = request.getfixturevalue(fixture)
    arguments = {"x": x_of(), "state": state_of(), "lengths": [5, 3]} | {argument: wrong.value}
    with (
        unchanged(model, list(arguments.values())),
        refused(wrong.error, wrong.argument or argument, wrong.says),
    ):
        getattr(model, method)(**arguments)


@pytest.mark.parametrize(("fixture", "method"), ENTRIES.values(), ids=ENTRIES.keys())
def test_lengths_of_a_single_sequence(request, fixture, method):
    model = request.getfixturevalue(fixture)
    for lengths in ([5], 5, [5, 5], [[]]):
        with refused(ValueError, "lengths"):
            getattr(model, method)(x_of()[0], lengths=lengths)


@pytest.mark.parametrize(("fixture", "method"), ENTRIES.values(), ids=ENTRIES.keys())
def test_state_of_a_batch_for_a_single_sequence(request, fixture, method):
    model = request.getfixturevalue(fixture)
    with refused(ValueError, "state[0].h", "(4,), got (1, 4)"):
        getattr(model, method)(x_of()[0], state_of(1))


def overlapping(input_of):
    """An `out` in the memory of the array that input_of(arguments, model) returns."""

    def make(arguments, model):
        memory = input_of(arguments, model)
        return memory.reshape(-1)[: B * T * 2].reshape(B, T, 2)

    return make


def read_only(arguments, model):
    out = np.zeros((B, T, 2), np.float32)
    out.flags.writeable = False
    return out


WRONG_OUT = {
    "other shape": (ValueError, lambda a, m: np.zeros((B, T, 3), np.float32)),
    "of fewer sequences": (ValueError, lambda a, m: np.zeros((1, T, 2), np.float32)),
    "without a batch axis": (ValueError, lambda a, m: np.zeros((T, 2), np.float32)),
    "float64": (TypeError, lambda a, m: np.zeros((B, T, 2))),
    "other byte order": (
        TypeError,
        lambda a, m: np.zeros((B, T, 2), np.dtype("f4").newbyteorder()),
    ),
    "integers": (TypeError, lambda a, m: np.zeros((B, T, 2), np.int32)),
    "a list": (TypeError, lambda a, m: [[[0.0] * 2] * T] * B),
    "read-only": (ValueError, read_only),
    "Fortran order": (ValueError, lambda a, m: np.zeros((B, T, 2), np.float32, "F")),
    "strided": (ValueError, lambda a, m: np.zeros((B, T, 4), np.float32)[..., ::2]),
    "backwards": (ValueError, lambda a, m: np.zeros((B, T, 2), np.float32)[:, ::-1]),
    "one place for all": (
        ValueError,
        lambda a, m: np.lib.stride_tricks.as_strided(np.zeros(2, np.float32), (B, T, 2), (0, 0, 4)),
    ),
    "in x": (ValueError, overlapping(lambda a, m: a["x"])),
    "in the state": (ValueError, overlapping(lambda a, m: a["state"][0][0].base)),
    "in the parameters": (ValueError, overlapping(lambda a, m: m.parameters["weight_hh_l0"])),
}


@pytest.mark.parametrize("fixture", ["lstm", "net"])
@pytest.mark.parametrize(("error", "make"), WRONG_OUT.values(), ids=WRONG_OUT.keys())
def test_out(request, fixture, error, make):
    model = request.getfixturevalue(fixture)
    shared = np.full(B * T * 2, 0.25, np.float32)
    state = ((shared[: B * 4].reshape(B, 4), np.zeros((B, 4), np.float32)), state_of()[1])
    arguments = {"x": x_of(), "state": state}
    out = make(arguments, model)
    with unchanged(model, out, list(arguments.values())), refused(error, "out"):
        model(**arguments, out=out)


WRONG_GRADIENTS = [
    *table(
        "dy",
        Wrong("other features", x_of((B, T, 3)), ValueError, says="(2, 5, 2), got (2, 5, 3)"),
        Wrong("other time", x_of((B, 4, 2)), ValueError, says="got (2, 4, 2)"),
        Wrong("other batch", x_of((3, T, 2)), ValueError, says="got (3, 5, 2)"),
        Wrong("one that would broadcast", x_of((1, T, 2)), ValueError, says="got (1, 5, 2)"),
        Wrong("without a batch axis", x_of((T, 2)), ValueError, says="got (5, 2)"),
        Wrong("a number", 1.0, ValueError, says="got ()"),
        Wrong("complex", x_of((B, T, 2), complex), TypeError, says="complex"),
        Wrong("objects", x_of((B, T, 2), object), TypeError, says="object"),
        Wrong("a text", "dy", TypeError),
    ),
    *table(
        "dstate",
        Wrong("too few pairs", state_of()[:1], ValueError, says="2 pairs"),
        Wrong("of another batch", state_of(3), ValueError, "dstate[0].h"),
        Wrong("layers in reverse", state_of()[::-1], ValueError, "dstate[0].h"),
        Wrong("an array", np.zeros((2, 2, B, 4)), TypeError),
        Wrong("complex", with_pair(0, h, c * 1j), TypeError, "dstate[0].c"),
        Wrong("no pair", (state_of()[0], 0), TypeError, "dstate[1]"),
    ),
]


@pytest.mark.parametrize("fixture", ["lstm", "net"])
@pytest.mark.parametrize(("argument", "wrong"), WRONG_GRADIENTS)
def test_gradients(request, fixture, argument, wrong):
    model = request.getfixturevalue(fixture)
    _, _, tape = model.forward(x_of())
    arguments = {"dy": x_of((B, T, 2)), "dstate": state_of()} | {argument: wrong.value}
    with (
        unchanged(model, list(arguments.values())),
        refused(wrong.error, wrong.argument or argument, wrong.says),
    ):
        model.backward(tape, **arguments)
    model.backward(tape, x_of((B, T, 2)), state_of())  # the tape is as good as before


def test_no_dy(lstm):
    _, _, tape = lstm.forward(x_of())
    with refused(TypeError, "dy"):
        lstm.backward(tape, None)


def test_dy_and_dlogits(net):
    """Exactly one of them."""
    _, _, tape = net.forward(x_of())
    dy = x_of((B, T, OUTPUTS))
    with refused(ValueError, "dy", "both"):
        net.backward(tape, dy, dlogits=dy)
    with refused(ValueError, "dy", "neither"):
        net.backward(tape)
    with refused(ValueError, "dlogits", "(2, 5, 2), got (2, 5, 1)"):
        net.backward(tape, dlogits=dy[..., :1])
    net.backward(tape, dlogits=dy)


VALUE = np.zeros((16, 4), np.float32)
WRONG_VALUES = [
    Wrong("other shape", VALUE[:15], ValueError, says="(16, 4), got (15, 4)"),
    Wrong("one that would broadcast", VALUE[:1], ValueError, says="got (1, 4)"),
    Wrong("transposed", VALUE.T, ValueError, says="got (4, 16)"),
    Wrong("flat", VALUE.ravel(), ValueError, says="got (64,)"),
    Wrong("a number", 0.0, ValueError, says="got ()"),
    Wrong("complex", VALUE * 1j, TypeError, says="complex64"),
    Wrong("strings", VALUE.astype(str), TypeError),
    Wrong("objects", VALUE.astype(object), TypeError, says="object"),
    Wrong("None", None, TypeError),
]


@pytest.mark.parametrize("wrong", WRONG_VALUES, ids=lambda wrong: wrong.id)
def test_assignment(lstm, wrong):
    with unchanged(lstm), refused(wrong.error, "weight_hh_l0", wrong.says):
        lstm.parameters["weight_hh_l0"] = wrong.value


def test_names_of_parameters(lstm):
    """As in any mapping, an unknown name is a KeyError; it lists the known ones."""
    with unchanged(lstm):
        for name in ("weight_hh", "weight_hh_l2", "weight_hh_l0_reverse", "head.bias", "", 0, None):
            assert name not in lstm.parameters
            with pytest.raises(KeyError, match="weight_ih_l0"):
                lstm.parameters[name]
            with pytest.raises(KeyError, match="weight_ih_l0"):
                lstm.parameters[name] = VALUE
        with pytest.raises((AttributeError, TypeError)):
            del lstm.parameters["weight_hh_l0"]
        with pytest.raises(AttributeError):
            lstm.parameters = {}

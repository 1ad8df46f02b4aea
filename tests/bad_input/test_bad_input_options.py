"""Wrong options of models: each a clear error, before anything large is made."""

import numpy as np
import peephole
import pytest
from support.refusals import Wrong, bounded_memory, refused, table

NAN = float("nan")


@pytest.fixture(autouse=True)
def _bounded_memory():
    """A size is refused before anything of that size is made."""
    with bounded_memory(gigabytes=2):
        yield


WRONG_SIZES = [
    Wrong("zero", 0, ValueError),
    Wrong("negative", -1, ValueError, says="-1"),
    Wrong("most negative", -(2**63), ValueError),
    Wrong("2**31", 2**31, ValueError, says=str(2**31)),
    Wrong("2**32 + 1, 1 in 32 bits", 2**32 + 1, ValueError),
    Wrong("2**62, whose products overflow", 2**62, ValueError, says=str(2**62)),
    Wrong("2**64 + 1, 1 in 64 bits", 2**64 + 1, ValueError, says=str(2**64 + 1)),
    Wrong("2**100", 2**100, ValueError, says=str(2**100)),
    Wrong("float", 4.0, TypeError),
    Wrong("NaN", NAN, TypeError),
    Wrong("bool", True, TypeError),
    Wrong("NumPy's bool", np.True_, TypeError),
    Wrong("text", "4", TypeError),
    Wrong("None", None, TypeError),
    Wrong("complex", 4j, TypeError),
]


@pytest.mark.parametrize("wrong", WRONG_SIZES, ids=lambda wrong: wrong.id)
@pytest.mark.parametrize("argument", ["input_size", "hidden_size", "num_layers", "output_size"])
def test_sizes(argument, wrong):
    sizes = {"input_size": 3, "hidden_size": 4, "output_size": 2} | {argument: wrong.value}
    with refused(wrong.error, argument, wrong.says):
        peephole.Network(**sizes)
    if argument != "output_size":
        del sizes["output_size"]
        with refused(wrong.error, argument, wrong.says):
            peephole.LSTM(**sizes)


@pytest.mark.parametrize("wrong", WRONG_SIZES, ids=lambda wrong: wrong.id)
def test_size_of_one_layer(wrong):
    argument = "hidden_size[1]" if wrong.error is TypeError else "hidden_size"
    with refused(wrong.error, argument, wrong.says):
        peephole.LSTM(3, [4, wrong.value, 2])


@pytest.mark.parametrize("sizes", [(2**27, 2**27), (3, 2**28 - 1), (2**20, [2**25] * 3)])
def test_sizes_that_are_too_large_together(sizes):
    """Arrays that no machine can address are refused before any is made."""
    with refused(ValueError, "hidden_size"):
        peephole.LSTM(*sizes, peephole="dense")


WRONG_OPTIONS = [
    *table(
        "hidden_size",
        Wrong("no layers", [], ValueError),
        Wrong("nested", [[4], [4]], TypeError, "hidden_size[0]"),
        Wrong("an array of floats", np.array([4.0]), TypeError, "hidden_size[0]"),
        Wrong("a set", {4}, TypeError),
    ),
    *table(
        "peephole",
        Wrong("unknown", "full", ValueError, says="diagonal"),
        Wrong("empty", "", ValueError),
        Wrong("other case", "Dense", ValueError, says="Dense"),
        Wrong("None", None, TypeError),
        Wrong("bool", True, TypeError),
    ),
    *table(
        "peephole_gates",
        Wrong("unknown letter", "ifx", ValueError, says="ifx"),
        Wrong("twice", "iff", ValueError, says="iff"),
        Wrong("separated", "i,f", ValueError),
        Wrong("upper case", "IFO", ValueError),
        Wrong("NUL", "i\0", ValueError),
        Wrong("a list", ["i", "f"], TypeError),
        Wrong("None", None, TypeError),
    ),
    *table(
        "output_peephole",
        Wrong("unknown", "next", ValueError, says="previous"),
        Wrong("None", None, TypeError),
    ),
    *table("bias", Wrong("a number", 1, TypeError), Wrong("a text", "yes", TypeError)),
    *table("bidirectional", Wrong("a number", 1, TypeError), Wrong("None", None, TypeError)),
    *table("coupled_input_forget", Wrong("a number", 0, TypeError)),
    *table(
        "activations",
        Wrong("unknown name", {"i": "logistic"}, ValueError, says="logistic"),
        Wrong("other case", {"g": "Tanh"}, ValueError, says="Tanh"),
        Wrong("unknown gate", {"h": "tanh"}, ValueError, says="'h'"),
        Wrong("gate that is no text", {0: "tanh"}, ValueError, says="0"),
        Wrong("a function", {"i": np.tanh}, TypeError),
        Wrong("None for a name", {"i": None}, TypeError),
        Wrong("one name for all", "tanh", TypeError),
        Wrong("a set", {"tanh"}, TypeError),
        Wrong("too few layers", [{}], ValueError, says="got 1"),
        Wrong("too many layers", [{}] * 3, ValueError, says="got 3"),
        Wrong("no layers", [], ValueError, says="got 0"),
        Wrong("a layer's name", [{}, "tanh"], TypeError, "activations[1]"),
        Wrong("a layer's gate", [{}, {"x": "tanh"}], ValueError, "activations[1]"),
    ),
    *table(
        "masks",
        Wrong("unknown parameter", {"weight_ih_l2": True}, ValueError, says="weight_ih_l2"),
        Wrong("no parameter's name", {0: True}, ValueError),
        Wrong("list", [np.ones((16, 3), bool)], TypeError),
        Wrong("array", np.ones((16, 3), bool), TypeError),
        *(
            Wrong(id, {"weight_ih_l0": mask}, error, "masks: weight_ih_l0", says)
            for id, mask, error, says in [
                ("other shape", np.ones((16, 4), bool), ValueError, "(16, 3), got (16, 4)"),
                ("one that would broadcast", np.ones(3, bool), ValueError, "got (3,)"),
                ("a single flag", True, ValueError, "got ()"),
                ("integers", np.ones((16, 3), int), TypeError, "int64"),
                ("floats", np.ones((16, 3)), TypeError, "float64"),
                ("objects", np.ones((16, 3), object), TypeError, "object"),
                ("None", None, TypeError, "object"),
            ]
        ),
    ),
    *table(
        "dtype",
        Wrong("half", "float16", ValueError, says="float16"),
        Wrong("integer", int, ValueError),
        Wrong("complex", np.complex128, ValueError),
        Wrong("unknown", "double precision", ValueError),
        Wrong("None", None, ValueError),
        Wrong("a number", 32, ValueError),
    ),
    *table(
        "seed",
        Wrong("negative", -1, ValueError, says="-1"),
        Wrong("65 bits", 2**64, ValueError, says=str(2**64)),
        Wrong("float", 1.0, TypeError),
        Wrong("bool", True, TypeError),
        Wrong("text", "seed", TypeError),
        Wrong("NumPy's old generator", np.random.RandomState(0), TypeError),
    ),
    *table(
        "recurrent_init", Wrong("unknown", "normal", ValueError), Wrong("None", None, TypeError)
    ),
]


@pytest.mark.parametrize(("argument", "wrong"), WRONG_OPTIONS)
def test_options(argument, wrong):
    sizes = {"input_size": 3, "hidden_size": [4, 2]}
    with refused(wrong.error, wrong.argument or argument, wrong.says):
        peephole.LSTM(**sizes | {argument: wrong.value})
    with refused(wrong.error, wrong.argument or argument, wrong.says):
        peephole.Network(**sizes | {argument: wrong.value}, output_size=2)


@pytest.mark.parametrize(
    ("argument", "wrong"),
    [
        *table("head", Wrong("unknown", "relu", ValueError), Wrong("None", None, TypeError)),
        *table("readout", Wrong("unknown", "first", ValueError), Wrong("None", None, TypeError)),
    ],
)
def test_options_of_a_network(argument, wrong):
    with refused(wrong.error, argument, wrong.says):
        peephole.Network(3, 4, 2, **{argument: wrong.value})


@pytest.mark.parametrize("num_layers", [0, 2, 3])
@pytest.mark.parametrize("hidden_size", [[4, 2], (4, 2), np.array([4, 2])], ids=type)
def test_num_layers_with_a_size_for_each(hidden_size, num_layers):
    with refused(ValueError, "num_layers", str(num_layers)):
        peephole.LSTM(3, hidden_size, num_layers)


@pytest.mark.parametrize("name", ["peepholes", "dropouts", "batch_first", "proj_size", "Bias", ""])
def test_unknown_options(name):
    with pytest.raises(TypeError, match=f"unexpected.*{name}"):
        peephole.LSTM(3, 4, **{name: True})
    with pytest.raises(TypeError, match=f"unexpected.*{name}"):
        peephole.Network(3, 4, 2, **{name: True})


def test_options_are_keywords():
    with pytest.raises(TypeError, match="positional"):
        peephole.LSTM(3, 4, 1, "dense")
    with pytest.raises(TypeError, match="positional"):
        peephole.Network(3, 4, 2, "softmax")

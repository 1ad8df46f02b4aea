"""`peephole.masks` and the argument `gate_inputs`: inputs per gate, recurrence, blocks of cells."""

import pickle

import numpy as np
import peephole
import pytest
from peephole import masks
from reference import lstm as reference
from support.tolerances import (
    REFERENCE,
    assert_close,
    assert_identical,
    assert_same_to_rounding,
)

I, H = 6, 4  # noqa: E741
STATIC, DYNAMIC = [4, 5], slice(4)


def gates(mask):
    """{gate: its rows of a mask (4H, n)}."""
    return dict(zip("ifgo", np.split(mask, 4), strict=True))


@pytest.mark.parametrize(
    "columns",
    [[4, 5], (4, 5), np.array([4, 5]), range(4, 6), slice(4, None), [-2, -1], np.arange(I) >= 4],
)
def test_columns(columns):
    """All forms of the same columns."""
    made = masks.gate_inputs(I, H, {"i": columns, "fo": DYNAMIC})
    assert list(made) == ["weight_ih_l0"]
    of_gates = gates(made["weight_ih_l0"])
    seen = np.arange(I) >= 4
    assert (of_gates["i"] == seen).all()
    for gate in "fo":
        assert (of_gates[gate] == ~seen).all()
    assert of_gates["g"].all()
    lstm = peephole.LSTM(I, H, gate_inputs={"i": columns, "fo": DYNAMIC}, seed=0)
    assert_identical(lstm.masks["weight_ih_l0"], made["weight_ih_l0"])


def test_no_columns():
    """A gate may see no input at all, and a mapping may name no gate."""
    made = masks.gate_inputs(I, H, {"g": [], "i": slice(0), "f": np.zeros(I, bool)})
    of_gates = gates(made["weight_ih_l0"])
    assert not any(of_gates[gate].any() for gate in "gif") and of_gates["o"].all()
    assert masks.gate_inputs(I, H, {})["weight_ih_l0"].all()


def test_each_gate_sees_its_own_inputs():
    """A change of a column that a gate does not see leaves the gate as it is.

    But for rounding in g, which shares a division with i.
    """
    lstm = peephole.LSTM(I, H, peephole="none", gate_inputs={"i": STATIC, "fgo": DYNAMIC}, seed=0)
    x = np.random.default_rng(0).standard_normal((1, 1, I)).astype("f4")
    other = x.copy()
    other[..., STATIC] += 1
    _, _, tape = lstm.forward(x)
    _, _, changed = lstm.forward(other)
    for gate in "fgo":
        assert_same_to_rounding(changed.gates()[gate], tape.gates()[gate])
    assert (changed.gates()["i"] != tape.gates()["i"]).all()


def test_without_recurrence():
    made = masks.without_recurrence(H, "ig", layer=1, bidirectional=True)
    assert list(made) == ["weight_hh_l1", "weight_hh_l1_reverse"]
    for mask in made.values():
        of_gates = gates(mask)
        assert [of_gates[gate].all() for gate in "ifgo"] == [False, True, False, True]
        assert not of_gates["i"].any() and not of_gates["g"].any()
    lstm = peephole.LSTM(I, [2, H], bidirectional=True, peephole="none", masks=made, seed=0)
    x = np.random.default_rng(0).standard_normal((2, 1, I)).astype("f4")
    state = [(np.ones((2, n)), np.ones((2, n))) for n in (2, 2, H, H)]
    _, _, tape = lstm.forward(x)
    _, _, changed = lstm.forward(
        x, [*state[:0], *[(h * 0, c * 0) for h, c in state[:2]], *state[2:]]
    )
    assert_identical(changed.gates(1)["i"], tape.gates(1)["i"])
    assert (changed.gates(1)["f"] != tape.gates(1)["f"]).all()


def test_blocks():
    """Cells of one block compute the same alone: a model of two blocks is two models."""
    sizes = [3, 2]
    made = masks.blocks(sizes, peephole=True)
    assert set(made) == {"weight_hh_l0", "weight_ch_l0"}
    whole = peephole.LSTM(I, 5, peephole="dense", masks=made, dtype="float64", seed=0)
    x = np.random.default_rng(0).standard_normal((2, 7, I))
    y, _ = whole(x)
    first = 0
    for n in sizes:
        part = peephole.LSTM(I, n, peephole="dense", dtype="float64", seed=0)
        units = np.arange(first, first + n)
        rows = (units + 5 * np.arange(4)[:, None]).ravel()
        for name, value in whole.parameters.items():
            columns = units if name[7:9] in ("hh", "ch") else slice(None)
            part.parameters[name] = value[rows] if value.ndim == 1 else value[rows][:, columns]
        assert_close(y[..., first : first + n], part(x)[0], REFERENCE["float64"])
        first += n
    assert masks.blocks([2], recurrence=False) == {}
    assert set(masks.blocks(np.array([2, 1]), recurrence=False, peephole=True)) == {"weight_ch_l0"}


def test_combined():
    """A weight is connected where all masks connect it; the arguments stay as they are."""
    recurrence, cells = masks.without_recurrence(H, "i"), masks.blocks([2, 2])
    inputs = masks.gate_inputs(I, H, {"i": STATIC})
    both = masks.combined(inputs, recurrence, cells)
    assert set(both) == {"weight_ih_l0", "weight_hh_l0"}
    assert_identical(both["weight_hh_l0"], recurrence["weight_hh_l0"] & cells["weight_hh_l0"])
    assert recurrence["weight_hh_l0"].sum() == 3 * H * H
    assert masks.combined() == {}


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cls", ["LSTM", "Network"])
def test_gate_inputs_add_to_masks(bidirectional, cls, tmp_path):
    """With both arguments a weight needs both; the masks are kept in copies, pickles and files."""
    given = np.random.default_rng(0).random((4 * H, I)) < 0.7
    options = {
        "masks": {"weight_ih_l0": given},
        "gate_inputs": {"i": STATIC, "fgo": DYNAMIC},
        "bidirectional": bidirectional,
        "seed": 0,
    }
    sizes = (I, [H, 3]) if cls == "LSTM" else (I, [H, 3], 2)
    model = getattr(peephole, cls)(*sizes, **options)
    of_inputs = masks.gate_inputs(I, H, options["gate_inputs"])["weight_ih_l0"]
    assert_identical(model.masks["weight_ih_l0"], given & of_inputs)
    if bidirectional:
        assert_identical(model.masks["weight_ih_l0_reverse"], of_inputs)
    assert len(model.masks) == 1 + bidirectional
    model.save(tmp_path / "model")
    for other in (pickle.loads(pickle.dumps(model)), peephole.load(tmp_path / "model")):
        for name, mask in model.masks.items():
            assert_identical(other.masks[name], mask)
    assert "gate_inputs" not in model.options


def test_gradients_and_training_keep_zeros():
    net = peephole.Network(I, H, 1, gate_inputs={"i": STATIC, "fgo": DYNAMIC}, seed=0)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 5, I)), rng.standard_normal((8, 5, 1))
    net.fit(x, y, epochs=3, progress=False, optimiser="adamw")
    cut = ~net.masks["weight_ih_l0"]
    assert not net.parameters["weight_ih_l0"][cut].any()
    assert net.parameters["weight_ih_l0"][~cut].all()


def test_equals_the_reference():
    options = {"input_size": I, "hidden_size": [H, 3], "gate_inputs": {"i": STATIC, "fgo": DYNAMIC}}
    made = masks.combined(masks.without_recurrence(H, "i"), masks.blocks([1, 2], layer=1))
    lstm = peephole.LSTM(**options, masks=made, dtype="float64", seed=3)
    x = np.random.default_rng(0).standard_normal((2, 5, I))
    expected, _ = reference.forward(options, dict(lstm.parameters), x)
    assert_close(lstm(x)[0], expected, REFERENCE["float64"])


def test_torch_and_jax():
    options = {"gate_inputs": {"i": STATIC, "fgo": DYNAMIC}, "bidirectional": True}
    lstm = peephole.LSTM(I, H, **options, seed=0)
    x = np.random.default_rng(0).standard_normal((2, 5, I)).astype("f4")
    torch = pytest.importorskip("torch")
    from peephole import torch as peephole_torch

    given = {"weight_ih_l0": torch.as_tensor(np.random.default_rng(0).random((4 * H, I)) < 0.7)}
    module = peephole_torch.LSTM(I, H, **options, masks=given, batch_first=True)
    same = peephole.LSTM(I, H, **options, masks={k: v.numpy() for k, v in given.items()}, seed=1)
    for name, mask in same.masks.items():
        assert_identical(getattr(module, f"{name}_mask").numpy(), mask)
    y, _ = module(torch.as_tensor(x))
    y.sum().backward()
    cut = ~same.masks["weight_ih_l0_reverse"]
    assert not module.weight_ih_l0_reverse.grad.numpy()[cut].any()
    with pytest.raises(ValueError, match=r"^gate_inputs\['i'\]: expected columns in -6..5, got 6"):
        peephole_torch.LSTM(I, H, gate_inputs={"i": [6]})

    pytest.importorskip("jax")
    from peephole import jax as peephole_jax

    y, _ = peephole_jax.lstm(dict(lstm.parameters), x, **options)
    assert_identical(np.asarray(y), lstm(x)[0])


@pytest.mark.parametrize(
    ("inputs", "error", "said"),
    [
        ([0, 1], TypeError, "expected a mapping of gates to columns"),
        ({0: [1]}, TypeError, "expected gates as a string, got 0"),
        ({"": [1]}, ValueError, "expected some of the letters i, f, g, o"),
        ({"ii": [1]}, ValueError, "expected some of the letters i, f, g, o, each once, got 'ii'"),
        ({"x": [1]}, ValueError, "expected some of the letters i, f, g, o"),
        ({"i": [1], "fi": [2]}, ValueError, "expected each gate once, got 'i' twice"),
        ({"i": [I]}, ValueError, "['i']: expected columns in -6..5, got 6"),
        ({"i": [-7]}, ValueError, "['i']: expected columns in -6..5, got -7"),
        ({"i": [0.5]}, TypeError, "['i']: expected ints, bools or a slice, got float64"),
        ({"i": "01"}, TypeError, "['i']: expected ints, bools or a slice, got '01'"),
        ({"i": None}, ValueError, "['i']: expected ints (n,), bools (6,) or a slice, got ()"),
        ({"i": 3}, ValueError, "['i']: expected ints (n,), bools (6,) or a slice, got ()"),
        ({"i": [[1]]}, ValueError, "['i']: expected ints (n,), bools (6,) or a slice, got (1, 1)"),
        ({"i": [True]}, ValueError, "['i']: expected bools (6,), got (1,)"),
        ({"i": slice("a")}, TypeError, "['i']: slice indices must be integers"),
        ({"i": slice(0, 3, 0)}, ValueError, "['i']: slice step cannot be zero"),
    ],
)
def test_wrong_inputs(inputs, error, said):
    for make, name in (
        (lambda: masks.gate_inputs(I, H, inputs), "inputs"),
        (lambda: peephole.LSTM(I, H, gate_inputs=inputs), "gate_inputs"),
        (lambda: peephole.Network(I, H, 1, gate_inputs=inputs), "gate_inputs"),
    ):
        with pytest.raises(error) as refusal:
            make()
        assert str(refusal.value).startswith(name), refusal.value
        assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: masks.gate_inputs(0, H, {}), ValueError, "input_size: expected at least 1"),
        (lambda: masks.gate_inputs(I, 2.5, {}), TypeError, "hidden_size: expected an int"),
        (lambda: masks.gate_inputs(I, H, {}, layer=-1), ValueError, "layer: expected 0 or more"),
        (lambda: masks.without_recurrence(H, "h"), ValueError, "gates: expected some of"),
        (lambda: masks.without_recurrence(H, 3), TypeError, "gates: expected gates as a string"),
        (
            lambda: masks.without_recurrence(H, "i", bidirectional=1),
            TypeError,
            "bidirectional: expected True or False",
        ),
        (lambda: masks.blocks([]), ValueError, "sizes: expected at least one block"),
        (lambda: masks.blocks(4), TypeError, "sizes: expected a sequence of ints"),
        (lambda: masks.blocks([2, 0]), ValueError, "sizes[1]: expected at least 1, got 0"),
        (lambda: masks.blocks([2], peephole="dense"), TypeError, "peephole: expected True or"),
        (lambda: masks.combined([1]), TypeError, "masks[0]: expected a mapping"),
        (lambda: masks.combined({}, {"a": [1]}), TypeError, "masks[1]: a: expected bools"),
        (
            lambda: masks.combined({"a": [True]}, {"a": [True, False]}),
            ValueError,
            "masks[1]: a: expected (1,), got (2,)",
        ),
    ],
)
def test_wrong_arguments(make, error, said):
    with pytest.raises(error) as refusal:
        make()
    assert str(refusal.value).startswith(said), refusal.value

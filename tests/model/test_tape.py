"""The gates that a tape gives, and the tapes that backward accepts."""

import numpy as np
import peephole
import pytest
from hypothesis import given
from reference import lstm as reference
from support.refusals import refused
from support.strategies import cases
from support.tolerances import REFERENCE, assert_close, assert_identical


@given(cases())
def test_gates_are_those_of_the_equations(case):
    """c follows from the gates, the h of the last layer is y, and padding is 0."""
    lstm = case.build()
    y, _, tape = lstm.forward(case.x, case.state, case.lengths)
    real = np.asarray(case.real_steps)[..., None]
    normalised = (
        case.options.get("layer_norm") and case.options.get("layer_norm_cell", "state") == "state"
    )
    from_zeros = case.state is None and case.options["initial_state"] == "zeros"
    tops = []
    for layer in range(lstm.num_layers):
        for direction in range(2 if lstm.bidirectional else 1):
            gates = tape.gates(layer, direction)
            assert list(gates) == ["i", "f", "g", "o", "c", "h"]
            for name, values in gates.items():
                sizes = reference.recurrent_sizes if name == "h" else reference.hidden_sizes
                assert values.shape == (*case.x.shape[:2], sizes(case.options)[layer])
                assert not np.where(real, 0, values).any(), name
            if from_zeros and not normalised and case.x.shape[1]:
                c = gates["c"]
                zeros = np.zeros_like(c[:, :1])
                before = [zeros, c[:, :-1]] if direction == 0 else [c[:, 1:], zeros]
                expected = gates["f"] * np.concatenate(before, axis=1) + gates["g"] * gates["i"]
                bound = case.options["cell_clip"] or np.inf
                expected = np.clip(expected, -bound, bound)
                assert_close(c, expected, REFERENCE["float64"], "c")
            if layer == lstm.num_layers - 1:
                tops.append(gates["h"])
    assert_identical(np.concatenate(tops, axis=-1), y, "y")


def test_gates_of_a_single_sequence(rng):
    net = peephole.Network(2, [3, 4], 1, seed=0)
    x = rng.standard_normal((5, 2)).astype(np.float32)
    _, _, tape = net.forward(x)
    assert tape.gates()["i"].shape == (5, 3)
    assert tape.gates(1)["c"].shape == (5, 4)
    _, _, one = net.forward(x[None])
    assert_identical(one.gates(1)["o"][0], tape.gates(1)["o"], "o")


def test_gates_that_do_not_exist():
    lstm = peephole.LSTM(2, 3, seed=0)
    x = np.zeros((1, 4, 2), np.float32)
    _, _, tape = lstm.forward(x)
    with refused(ValueError, "layer"):
        tape.gates(1)
    with refused(ValueError, "direction"):
        tape.gates(0, 1)
    with refused(TypeError, "layer"):
        tape.gates("0")
    _, _, tape = lstm.forward(x, recompute=True)
    with pytest.raises(ValueError, match="tape: expected one that keeps all"):
        tape.gates()


@pytest.mark.parametrize("name", ["weight_hh_l0", "bias_l0"])
def test_backward_refuses_a_tape_after_a_write_through_a_view(name):
    lstm = peephole.LSTM(2, 3, seed=0)
    held = lstm.parameters[name]
    y, _, tape = lstm.forward(np.ones((1, 4, 2), np.float32))
    expected = lstm.backward(tape, y).parameters["weight_ih_l0"]
    np.array(lstm.parameters[name])  # reading is no change
    assert_identical(lstm.backward(tape, y).parameters["weight_ih_l0"], expected)
    held[...] *= 1  # nor is writing the same bits
    assert_identical(lstm.backward(tape, y).parameters["weight_ih_l0"], expected)
    held.flat[-1] += 0.5
    with pytest.raises(ValueError, match="tape: expected one of the current parameters"):
        lstm.backward(tape, y)
    _, _, tape = lstm.forward(np.ones((1, 4, 2), np.float32))
    lstm.parameters[name].flat[0] += 0.5  # a view for the length of one expression
    with pytest.raises(ValueError, match="tape: expected one of the current parameters"):
        lstm.backward(tape, y)


def test_tapes_of_a_network_and_of_its_stack_differ():
    net = peephole.Network(2, 3, 3, seed=0)
    x = np.ones((1, 4, 2), np.float32)
    y, _, tape = net.forward(x)
    h, _, of_stack = net.lstm.forward(x)
    with pytest.raises(TypeError, match=r"tape: expected .*, got one of a network"):
        net.lstm.backward(tape, h)
    with pytest.raises(TypeError, match=r"tape: expected .*, got one of an LSTM"):
        net.backward(of_stack, y)

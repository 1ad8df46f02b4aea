"""Models that are built differently but must give the same results."""

import numpy as np
import peephole
from hypothesis import given
from hypothesis import strategies as st
from reference import lstm as reference
from support.runs import assert_all, named, run, train
from support.strategies import cases, fill, lstm_options
from support.tolerances import (
    assert_identical,
    assert_same_to_rounding,
)


@given(case=cases(masks=False), data=st.data())
def test_units_can_be_permuted(case, data):
    sizes = reference.hidden_sizes(case.options)
    orders = [np.array(data.draw(st.permutations(range(H)))) for H in sizes]
    directions = len(reference.suffixes(case.options))
    projected = "projection_size" in case.options  # h is then not of single units
    values = {}
    for name, value in case.parameters.items():
        k = int(name.split("_l")[1][0])
        order, H = orders[k], sizes[k]
        by_gate = np.concatenate([gate * H + order for gate in range(4)])
        per_gate = name.startswith("weight_ch") and len(value) == 4  # for H = 1 it is both
        if name.startswith(("c0", "gain_c", "shift_c")) or (
            name.startswith("h0") and not projected
        ):
            value = value[order]
        elif not (per_gate or name.startswith(("h0", "weight_hr"))):
            value = value[by_gate]
        of_cells = ("weight_ch", "weight_hr") if projected else ("weight_ch", "weight_hh")
        if name.startswith(of_cells):
            value = value[:, order]
        elif name.startswith("weight_ih") and k > 0 and not projected:
            below = [d * sizes[k - 1] + orders[k - 1] for d in range(directions)]
            value = value[:, np.concatenate(below)]
        values[name] = value

    of_state = [order for order in orders for _ in range(directions)]

    def permute(state):
        pairs = zip(state, of_state, strict=True)
        return tuple((h if projected else h[:, p], c[:, p]) for (h, c), p in pairs)

    lstm = case.build()
    y, final = run(case, lstm)
    fill(lstm, values)
    state = None if case.state is None else permute(case.state)
    last = np.concatenate([d * sizes[-1] + orders[-1] for d in range(directions)])
    if projected:
        last = np.arange(y.shape[-1])
    expected = named(y[..., last], permute(final))
    assert_all(assert_same_to_rounding, named(*lstm(case.x, state, case.lengths)), expected)


@given(case=cases())
def test_zero_peepholes_are_none(case):
    lstm = case.build()
    for name in lstm.parameters:
        if name.startswith("weight_ch"):
            lstm.parameters[name] = np.zeros(lstm.parameters[name].shape)
    masks = {name: m for name, m in case.masks.items() if not name.startswith("weight_ch")}
    vanilla = case.build(peephole="none", masks=masks or None)
    assert_all(assert_same_to_rounding, named(*run(case, lstm)), named(*run(case, vanilla)))
    assert not any(name.startswith("weight_ch") for name in vanilla.parameters)


@given(case=cases(lstm_options(peephole="diagonal")))
def test_diagonal_is_dense_with_a_mask(case):
    """P (H,) is the diagonal of a P (H, H) that is masked elsewhere, in gradients too."""
    values, masks = dict(case.parameters), dict(case.masks)
    for name in values:
        if name.startswith("weight_ch"):
            masks[name] = np.concatenate([np.diag(row) for row in case.connected(name)])
            values[name] = np.concatenate([np.diag(row) for row in values[name]])
    dense = peephole.LSTM(**case.options | {"peephole": "dense"}, masks=masks, dtype="float64")
    fill(dense, values)
    diagonal, general = train(case), train(case, dense)
    for name in diagonal:
        if name.startswith("weight_ch"):
            blocks = np.split(general[name], 4)
            assert not np.concatenate(blocks)[~masks[name]].any()
            general[name] = np.stack([np.diag(block) for block in blocks])
    assert_all(assert_same_to_rounding, general, diagonal)


@given(case=cases())
def test_masked_is_zero(case):
    """A mask is the same as weights of 0."""
    zeroed = case.build(masks=None)
    assert_all(assert_same_to_rounding, named(*run(case)), named(*run(case, zeroed)))


@given(case=cases(lstm_options(bidirectional=True, num_layers=1, hidden_size=3, activations=None)))
def test_reverse_half_is_forward_on_the_reversed_sequence(case):
    both = case.build()
    forward = peephole.LSTM(**case.options | {"bidirectional": False}, dtype="float64")
    fill(forward, {name: case.parameters[name + "_reverse"] for name in forward.parameters})
    y, final = run(case, both)
    lengths = [case.time] * case.batch if case.lengths is None else case.lengths

    def reverse(sequences):
        """Each from its own last real step."""
        result = np.zeros_like(sequences)
        for b, length in enumerate(lengths):
            result[b, :length] = sequences[b, :length][::-1]
        return result

    state = None if case.state is None else case.state[1:]
    y_reverse, final_reverse = forward(reverse(case.x), state, lengths)
    expected = named(y[..., forward.output_size :], final[1:])
    assert_all(assert_identical, named(reverse(y_reverse), final_reverse), expected)


@given(case=cases())
def test_stack_is_layer_on_layer(case):
    """Layer k reads the output of layer k-1, and has its own sizes and activations."""
    D = len(reference.suffixes(case.options))
    sizes, activations = reference.hidden_sizes(case.options), reference.activations(case.options)
    outputs = reference.recurrent_sizes(case.options)
    y, final = case.x, []
    for k, H in enumerate(sizes):
        inputs = case.options["input_size"] if k == 0 else D * outputs[k - 1]
        options = case.options | {"input_size": inputs, "hidden_size": H, "num_layers": 1}
        layer = peephole.LSTM(**options | {"activations": activations[k]}, dtype="float64")
        fill(
            layer, {name: case.parameters[name.replace("l0", f"l{k}")] for name in layer.parameters}
        )
        state = None if case.state is None else case.state[k * D : (k + 1) * D]
        y, final_k = layer(y, state, case.lengths)
        final += final_k
    assert_all(assert_identical, named(y, final), named(*run(case)))

"""A learned initial state: h0 and c0 as parameters, wherever a call is given no state."""

import numpy as np
import peephole
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fitting import INPUTS, OUTPUTS, network, quiet, values_of
from support.strategies import begin_anywhere, cases, lstm_options
from support.tolerances import assert_close, assert_identical, assert_identical_states

pytestmark = pytest.mark.usefixtures("runtime_as_before")


def learned_state(model, batch):
    """The state in which the model's sequences begin, for each of a batch."""
    names = [name for name in model.parameters if name.startswith("h0_")]
    return tuple(
        tuple(np.repeat(np.array(model.parameters[k + name[1:]])[None], batch, 0) for k in "hc")
        for name in names
    )


def test_parameters_begin_at_zero_and_change_no_others():
    options = {"hidden_size": [3, 2], "bidirectional": True, "seed": 4}
    plain = peephole.LSTM(2, **options)
    model = peephole.LSTM(2, **options, initial_state="learned")
    added = [f"{k}0_l{layer}{d}" for layer in (0, 1) for d in ("", "_reverse") for k in "hc"]
    assert set(model.parameters) == {*plain.parameters, *added}
    for name, value in model.parameters.items():
        if name in added:
            assert value.shape == (model.hidden_sizes[int(name[4])],)
            assert not value.any()
        else:
            assert_identical(value, plain.parameters[name])
    x = np.random.default_rng(0).standard_normal((3, 5, 2)).astype("f4")
    assert_identical(model(x)[0], plain(x)[0])


@given(
    case=cases(options=lstm_options(initial_state="learned"), with_state=False),
    isa=st.sampled_from(peephole.build_info()["isas"]),
)
def test_equals_a_given_state(case, isa):
    """Calls without a state: the bits of calls with it; the gradient is the sum over sequences."""
    before = peephole.build_info()["isa"]
    peephole.set_isa(isa)
    try:
        lstm = case.build()
        begin_anywhere(lstm, case.rng("begin"))
        state = learned_state(lstm, case.batch)
        for recompute in (False, True):
            y, final, tape = lstm.forward(case.x, None, case.lengths, recompute=recompute)
            grads = lstm.backward(tape, case.dy, case.dstate)
            expected, last, tape = lstm.forward(case.x, state, case.lengths, recompute=recompute)
            given_grads = lstm.backward(tape, case.dy, case.dstate)
            assert_identical(y, expected)
            assert_identical(
                lstm(case.x, None, case.lengths)[0], lstm(case.x, state, case.lengths)[0]
            )
            assert_identical_states(final, last)
            assert_identical_states(grads.state, given_grads.state)
            names = [name for name in lstm.parameters if name.startswith("h0_")]
            for name, (dh, dc) in zip(names, grads.state, strict=True):
                for of, d in ((name, dh), ("c" + name[1:], dc)):
                    assert_close(grads.parameters[of], d.sum(axis=0), 1e-12, of)
                    assert not given_grads.parameters[of].any()
            for name, gradient in grads.parameters.items():
                if not name.startswith(("h0_", "c0_")):
                    assert_identical(gradient, given_grads.parameters[name])
    finally:
        peephole.set_isa(before)


def test_sequences_of_length_0():
    """They end where they begin, so the gradient of their final state is that of h0 and c0."""
    lstm = peephole.LSTM(2, 3, initial_state="learned", dtype="float64", seed=0)
    begin_anywhere(lstm, np.random.default_rng(1))
    x = np.full((2, 4, 2), np.nan)
    y, final, tape = lstm.forward(x, lengths=[0, 0])
    assert not y.any()
    dstate = tuple(np.random.default_rng(k).standard_normal((2, 3)) for k in range(2))
    grads = lstm.backward(tape, np.zeros_like(y), [dstate])
    for k, letter in enumerate("hc"):
        assert_identical(final[0][k], learned_state(lstm, 2)[0][k])
        assert_identical(grads.parameters[f"{letter}0_l0"], dstate[k][0] + dstate[k][1])
    _, _, tape = lstm.forward(np.zeros((0, 4, 2)))
    grads = lstm.backward(tape, np.zeros((0, 4, 3)))
    assert not grads.parameters["h0_l0"].any()


@pytest.mark.parametrize("bidirectional", [False, True])
def test_same_bits_for_any_number_of_threads(bidirectional):
    options = {"bidirectional": bidirectional, "initial_state": "learned", "seed": 0}
    lstm = peephole.LSTM(16, [48, 24], **options)
    rng = np.random.default_rng(0)
    begin_anywhere(lstm, rng)
    x = rng.standard_normal((64, 30, 16)).astype("f4")
    lengths = rng.integers(0, 31, 64)
    results = []
    for threads in (1, 2, 3):
        peephole.set_num_threads(threads)
        y, _, tape = lstm.forward(x, lengths=lengths)
        results.append((y, lstm.backward(tape, y).parameters))
    for y, gradients in results[1:]:
        assert_identical(y, results[0][0])
        for name, gradient in gradients.items():
            assert_identical(gradient, results[0][1][name], name)


def test_a_nan_stays_in_its_row():
    lstm = peephole.LSTM(2, 3, initial_state="learned", dtype="float64", seed=0)
    x = np.random.default_rng(0).standard_normal((3, 5, 2))
    x[1] = np.nan
    y, _ = lstm(x)
    assert_identical(np.isnan(y).any(axis=(1, 2)), np.array([False, True, False]))


@given(options=lstm_options(bidirectional=False, initial_state="learned"), batch=st.integers(1, 3))
def test_streams_begin_there(options, batch):
    lstm = peephole.LSTM(**options, seed=0)
    rng = np.random.default_rng(0)
    begin_anywhere(lstm, rng)
    x = rng.standard_normal((batch, 5, lstm.input_size)).astype("f4")
    stream = lstm.stream(batch)
    copy = stream.copy()
    expected, last = lstm(x)
    for _ in range(2):
        assert_identical_states(stream.state, learned_state(lstm, batch))
        assert_identical(stream.process(x), expected)
        assert_identical_states(stream.state, last)
        stream.reset()
    stream.process(x)
    stream.state = None
    assert_identical_states(stream.state, learned_state(lstm, batch))
    assert_identical(copy.process(x), expected)
    h0 = lstm.parameters["h0_l0"]
    lstm.parameters["h0_l0"] = np.zeros(h0.shape)  # does not reach streams that exist
    stream.reset()
    assert_identical(stream.process(x), expected)


def test_masks_keep_values_at_zero():
    mask = np.array([True, False, True])
    lstm = peephole.LSTM(2, 3, initial_state="learned", masks={"h0_l0": mask}, seed=0)
    begin_anywhere(lstm, np.random.default_rng(0))
    assert lstm.parameters["h0_l0"][1] == 0
    y, _, tape = lstm.forward(np.ones((2, 4, 2)))
    assert lstm.backward(tape, y).parameters["h0_l0"][1] == 0


@pytest.mark.parametrize("wrong", [None, True, 0, ["learned"]])
def test_wrong_types(wrong):
    with pytest.raises(TypeError, match=r"^initial_state: expected"):
        peephole.LSTM(2, 3, initial_state=wrong)


class TestTraining:
    """The gradient of h0 and c0 is that of the sequences that begin in a step, and no others."""

    def moved(self, x, y, **options):
        """The change of all parameters by one step of plain gradient descent."""
        net = network("identity", "all", initial_state="learned")
        begin_anywhere(net, np.random.default_rng(5))
        before = values_of(net)
        options = {"optimiser": "sgd", "learning_rate": 1.0, "epochs": 1, **options}
        quiet(net, x, y, clip_norm=None, **options)
        return {name: value - before[name] for name, value in values_of(net).items()}

    def test_learns(self):
        """A task that only the initial state can solve: without inputs and biases, h stays 0."""
        x = np.zeros((16, 3, INPUTS))
        y = np.tile([[1.0], [0.0], [0.0]], (16, 1, 1))
        scores = {}
        for kind in ("zeros", "learned"):
            net = network("identity", "all", outputs=1, initial_state=kind, bias=False)
            begin_anywhere(net, np.random.default_rng(0))
            quiet(net, x, y, epochs=200, learning_rate=0.02)
            scores[kind] = float(((net.predict(x) - y) ** 2).mean())
        assert scores["learned"] < 0.1 * scores["zeros"]

    def test_reset_sequences(self, rng):
        """Two batches in a row; in the second, sequences 0 and 3 begin again."""
        first, second = rng.standard_normal((2, 4, 6, INPUTS))
        y = rng.standard_normal((4, 6, OUTPUTS))
        reset = np.array([True, False, False, True])
        zero = np.zeros(4)  # no step is made for the first batch

        def batches(flags):
            return lambda: iter([(first, y, None, zero, None), (second, y, None, None, flags)])

        moved = self.moved(batches(reset), None, stateful=True)
        # The same as a weighted training of all, in which the sequences that go on have a state.
        net = network("identity", "all", initial_state="learned")
        begin_anywhere(net, np.random.default_rng(5))
        _, carried = net(first)
        begun = [(np.array(h), np.array(c)) for h, c in carried]
        for (h, c), (h0, c0) in zip(begun, learned_state(net, 4), strict=True):
            h[reset], c[reset] = h0[reset], c0[reset]
        predicted, _, tape = net.forward(second, begun)
        grads = net.backward(tape, dy=2 * (predicted - y) / predicted.size)
        (dh, dc), *_ = grads.state
        assert_close(moved["h0_l0"], -dh[reset].sum(axis=0), 1e-10, "h0")
        assert_close(moved["c0_l0"], -dc[reset].sum(axis=0), 1e-10, "c0")
        for name in ("weight_hh_l0", "head.weight"):
            assert_close(moved[name], -grads.parameters[name], 1e-10, name)
        none = self.moved(batches(None), None, stateful=True)
        assert not none["h0_l0"].any() and not none["c0_l0"].any()

    def test_later_pieces_do_not_begin(self, rng):
        """With tbptt, only the first piece begins at h0; the last one alone has targets here."""
        x, y = rng.standard_normal((4, 6, INPUTS)), rng.standard_normal((4, 6, OUTPUTS))
        weights = np.zeros((4, 6))
        weights[:, 4:] = 1
        moved = self.moved(x, y, tbptt=4, sample_weight=weights, batch_size=4)
        assert not moved["h0_l0"].any() and moved["weight_hh_l0"].any()
        whole = self.moved(x, y, sample_weight=weights, batch_size=4)
        assert whole["h0_l0"].any()

    def test_short_sequences_of_one_target(self, rng):
        """With tbptt and one target, short sequences begin in the part that learns."""
        x, lengths = rng.standard_normal((3, 9, INPUTS)), np.array([9, 3, 4])
        y = rng.standard_normal((3, OUTPUTS))

        def moved(rows):
            net = network("identity", "last", initial_state="learned")
            begin_anywhere(net, np.random.default_rng(5))
            before = values_of(net)
            options = {"optimiser": "sgd", "learning_rate": 1.0, "epochs": 1, "clip_norm": None}
            weight = np.zeros(3)
            weight[rows] = 1
            quiet(
                net, x, y, lengths=lengths, sample_weight=weight, tbptt=4, batch_size=3, **options
            )
            return values_of(net)["h0_l0"] - before["h0_l0"]

        assert not moved([0]).any()
        assert moved([1]).any() and moved([2]).any()
        assert_close(2 * moved([1, 2]), moved([1]) + moved([2]), 1e-10)

    def test_resumed(self, rng, tmp_path):
        """h0 and c0 are in checkpoints, as are the states that later pieces carry on."""
        x, y = rng.standard_normal((8, 9, INPUTS)), rng.standard_normal((8, 9, OUTPUTS))
        options = {"tbptt": 4, "stateful": True, "batch_size": 4, "epochs": 2}
        nets = []
        for epochs in ([2], [1, 2]):
            net = network("identity", "all", initial_state="learned")
            path = tmp_path / str(len(nets))
            for n in epochs:
                quiet(net, x, y, **options | {"epochs": n}, checkpoint=path, resume=n > epochs[0])
            nets.append(values_of(net))
        np.testing.assert_equal(nets[0], nets[1])
        assert nets[0]["h0_l0"].any()


def test_biases_and_states_do_not_decay():
    """Weight decay leaves h0 and c0 alone, as it does biases."""
    lstm = peephole.LSTM(2, 3, initial_state="learned", dtype="float64", seed=0)
    begin_anywhere(lstm, np.random.default_rng(0))
    before = np.array(lstm.parameters["h0_l0"])
    optimiser = peephole.optim.AdamW(lstm.parameters, 0.1, weight_decay=0.5)
    optimiser.step({name: np.zeros_like(value) for name, value in lstm.parameters.items()})
    assert_identical(np.array(lstm.parameters["h0_l0"]), before)


def test_second_derivatives():
    """Along h0 and c0: those of a pass that is given the same state, summed over the sequences."""
    lstm = peephole.LSTM(2, 3, initial_state="learned", dtype="float64", seed=0)
    rng = np.random.default_rng(0)
    begin_anywhere(lstm, rng)
    x, dy = rng.standard_normal((2, 4, 5, 2)), rng.standard_normal((4, 5, 3))
    direction = {name: rng.standard_normal(v.shape) for name, v in lstm.parameters.items()}
    tangents = peephole.Tangents(x[1], None, direction)
    _, _, tape = lstm.forward(x[0])
    _, moved = lstm.backward_jvp(tape, tangents, dy)
    total, step = dict.fromkeys(direction, 0.0), 1e-4
    before = {name: np.array(v) for name, v in lstm.parameters.items()}
    for sign in (1, -1):
        for name, v in direction.items():
            lstm.parameters[name] = before[name] + sign * step * v
        _, _, tape = lstm.forward(x[0] + sign * step * x[1])
        for name, gradient in lstm.backward(tape, dy).parameters.items():
            total[name] = total[name] + sign * gradient / (2 * step)
    for name, found in moved.parameters.items():
        assert_close(found, total[name], 1e-6, name)
    for name, v in before.items():
        lstm.parameters[name] = v
    _, _, tape = lstm.forward(x[0])
    state = ((np.zeros((4, 3)), np.zeros((4, 3))),)
    with pytest.raises(ValueError, match="tangents: expected none of the initial state"):
        lstm.backward_jvp(tape, peephole.Tangents(x[1], state, direction), dy)

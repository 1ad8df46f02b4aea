"""Network.fit on data of all forms."""

import math

import numpy as np
import peephole
import pytest
from peephole import optim
from support.fitting import (
    GOOD_LABELS,
    GOOD_X,
    INPUTS,
    KINDS,
    OUTPUTS,
    N,
    T,
    network,
    padded,
    quiet,
    ragged,
    targets,
    values_of,
)


@pytest.mark.parametrize(("head", "readout"), KINDS)
class TestEveryKind:
    def test_a_step_is_that_of_a_loop_by_hand(self, head, readout, rng):
        x = ragged(rng)
        y = targets(rng, x, head, readout)
        net, twin = network(head, readout), network(head, readout)
        history = quiet(net, x, y, epochs=1, batch_size=N, learning_rate=0.02, clip_norm=0.05)

        array, lengths = padded(x)
        real = np.arange(T) < lengths[:, None] if readout == "all" else np.ones(N, bool)
        wanted = padded(y)[0] if readout == "all" else y
        out, _, tape = twin.forward(array, lengths=lengths)
        if head == "softmax":
            hit = np.eye(OUTPUTS)[wanted]
            loss = -(np.log(np.where(real[..., None], out, 1)) * hit).sum() / real.sum()
            gradients = twin.backward(tape, dlogits=real[..., None] * (out - hit) / real.sum())
        else:
            error = real[..., None] * (out - wanted)
            loss = np.square(error).sum() / (real.sum() * OUTPUTS)
            gradients = twin.backward(tape, 2 * error / (real.sum() * OUTPUTS))
        norm = optim.clip_norm(gradients, 0.05)
        optim.Adam(twin.parameters, learning_rate=0.02).step(gradients)

        assert history.loss == pytest.approx([loss], rel=1e-12)
        assert history.gradient_norm == pytest.approx([norm], rel=1e-12)
        for name in net.parameters:
            np.testing.assert_allclose(net.parameters[name], twin.parameters[name], rtol=1e-9)

    def test_padding_does_not_count(self, head, readout, rng):
        x = ragged(rng)
        y = targets(rng, x, head, readout)
        of_list, of_array = network(head, readout), network(head, readout)
        quiet(of_list, x, y)
        array, lengths = padded(x, fill=np.nan)
        if readout == "all":
            wanted = padded(y, fill=-99 if head == "softmax" else np.nan)[0]
            score = of_list.score(x, y)
        else:
            wanted = y
            score = of_list.score(x, y)
        quiet(of_array, array, wanted, lengths=lengths)
        np.testing.assert_equal(values_of(of_array), values_of(of_list))
        assert of_array.score(array, wanted, lengths) == pytest.approx(score, rel=1e-12)

    def test_is_deterministic(self, head, readout, rng):
        x = ragged(rng)
        y = targets(rng, x, head, readout)
        nets = [network(head, readout) for _ in range(4)]
        histories = [
            quiet(net, x, y, seed=seed) for net, seed in zip(nets, (3, 3, 4), strict=False)
        ]
        quiet(nets[3], x, y, seed=np.random.default_rng(5))
        np.testing.assert_equal(values_of(nets[0]), values_of(nets[1]))
        assert histories[0] == histories[1]
        assert (nets[0].parameters["head.bias"] != nets[2].parameters["head.bias"]).any()
        again = network(head, readout)
        quiet(again, x, y, seed=np.random.default_rng(5))
        np.testing.assert_equal(values_of(nets[3]), values_of(again))

    def test_inputs_stay_as_they_are(self, head, readout, rng):
        x = ragged(rng)
        y = targets(rng, x, head, readout)
        for array in [*x, *y] if readout == "all" else [*x, y]:
            array.flags.writeable = False
        quiet(network(head, readout), x, y)

    def test_masked_weights_stay_zero(self, head, readout, rng):
        x = ragged(rng)
        mask = rng.random((20, 5)) < 0.5
        net = network(head, readout, masks={"weight_hh_l0": mask})
        quiet(net, x, targets(rng, x, head, readout), learning_rate=0.1)
        np.testing.assert_array_equal(net.parameters["weight_hh_l0"] != 0, mask)


def test_learns_to_classify(rng):
    x = [rng.standard_normal((rng.integers(4, 9), INPUTS)) for _ in range(150)]
    y = np.array([int(sequence[:, 0].sum() > 0) for sequence in x])
    net = peephole.Network(INPUTS, 12, 2, head="softmax", readout="last", seed=0)
    before = net.score(x, y)
    history = quiet(net, x, y, epochs=20, batch_size=16, learning_rate=0.02)
    assert len(history) == 20
    assert history.loss[-1] < 0.3 * history.loss[0]
    assert before < 0.7
    assert net.score(x, y) > 0.93


def test_learns_a_running_sum(rng):
    x = rng.uniform(-0.5, 0.5, (64, 10, 1))
    y = x.cumsum(axis=1)
    net = peephole.Network(1, 12, 1, seed=0)
    before = net.score(x, y)
    quiet(net, x, y, epochs=60, batch_size=16, learning_rate=0.02)
    assert before < 0.2
    assert net.score(x, y) > 0.95


def test_single_output_without_its_axis(rng):
    x = rng.standard_normal((N, T, INPUTS))
    for readout, shape in (("last", (N,)), ("all", (N, T))):
        y = rng.standard_normal(shape)
        with_axis, without = network("identity", readout, 1), network("identity", readout, 1)
        quiet(with_axis, x, y[..., None])
        quiet(without, x, y)
        np.testing.assert_equal(values_of(with_axis), values_of(without))


def test_batches_larger_than_the_data_and_sequences_without_steps(rng):
    x = [*ragged(rng, 3), np.empty((0, INPUTS))]
    y = [rng.standard_normal((len(sequence), OUTPUTS)) for sequence in x]
    net = network("identity", "all")
    assert len(quiet(net, x, y, epochs=3, batch_size=1, clip_norm=None).loss) == 3
    assert len(quiet(net, x, y, epochs=1, batch_size=100).loss) == 1


NAN_TARGETS = np.zeros((N, T, OUTPUTS))
NAN_TARGETS[5, 6, 1] = math.nan


@pytest.mark.parametrize(
    ("head", "readout", "error", "message", "change"),
    [
        ("softmax", "last", ValueError, r"x: .*\(12, 7, 2\)", {"x": np.zeros((N, T, 2))}),
        ("softmax", "last", ValueError, r"x: .*\(7, 2\)", {"x": np.zeros((T, 2))}),
        (
            "softmax",
            "last",
            ValueError,
            r"x\[1\]: .*\(7,\)",
            {"x": [np.zeros((T, INPUTS)), np.zeros(T)]},
        ),
        ("softmax", "last", TypeError, "x: .*complex", {"x": GOOD_X + 1j}),
        ("softmax", "last", TypeError, r"x\[0\]: .*<U1", {"x": [np.full((T, INPUTS), "a")] * N}),
        ("softmax", "last", ValueError, "x: .*none", {"x": [], "y": np.zeros(0, int)}),
        ("softmax", "last", ValueError, "x: sequence 3", {"lengths": [1, 2, 3, 0, *[1] * 8]}),
        ("softmax", "last", ValueError, r"lengths\[2\] = 8", {"lengths": [7, 7, 8, *[7] * 9]}),
        ("softmax", "last", ValueError, r"lengths\[0\] = -1", {"lengths": [-1, *[7] * 11]}),
        ("softmax", "last", ValueError, r"lengths: .*\(12,\)", {"lengths": [7]}),
        ("softmax", "last", TypeError, "lengths: .*float", {"lengths": np.full(N, 7.0)}),
        ("softmax", "last", ValueError, "lengths", {"x": list(GOOD_X), "lengths": [7] * N}),
        (
            "softmax",
            "last",
            ValueError,
            r"y: .*0\.\.3, got 4 in sequence 2",
            {"y": [0, 0, 4, *[0] * 9]},
        ),
        ("softmax", "last", ValueError, r"y: .*0\.\.3, got -1", {"y": [-1, *[0] * 11]}),
        ("softmax", "last", TypeError, "y: .*integers, got float", {"y": np.zeros(N)}),
        ("softmax", "last", TypeError, "y: .*integers, got bool", {"y": np.zeros(N, bool)}),
        ("softmax", "last", ValueError, r"y: .*\(12,\), got \(11,\)", {"y": np.zeros(11, int)}),
        ("softmax", "last", ValueError, r"y: .*\(12, 4\)", {"y": np.zeros((N, OUTPUTS), int)}),
        ("softmax", "all", ValueError, r"y: .*\(12, 7\), got \(12,\)", {}),
        (
            "softmax",
            "all",
            ValueError,
            r"y\[0\]: .*\(7,\), got \(6,\)",
            {"y": [np.zeros(6, int)] * N},
        ),
        ("softmax", "all", ValueError, "y: .*12 sequences", {"y": [np.zeros(T, int)] * 3}),
        (
            "softmax",
            "all",
            ValueError,
            "x: .*none",
            {"lengths": [0] * N, "y": np.zeros((N, T), int)},
        ),
        ("identity", "all", ValueError, "y: .*finite.*nan in sequence 5", {"y": NAN_TARGETS}),
        ("identity", "all", ValueError, r"y: .*\(12, 7, 4\)", {"y": np.zeros((N, T, 3))}),
        ("identity", "last", ValueError, "y: .*finite", {"y": np.full((N, OUTPUTS), np.inf)}),
        ("identity", "last", TypeError, "y: .*<U1", {"y": np.full((N, OUTPUTS), "a")}),
        ("softmax", "last", ValueError, "epochs", {"epochs": 0}),
        ("softmax", "last", TypeError, "epochs", {"epochs": 1.5}),
        ("softmax", "last", ValueError, "batch_size", {"batch_size": 0}),
        ("softmax", "last", ValueError, "learning_rate", {"learning_rate": 0}),
        ("softmax", "last", ValueError, "learning_rate", {"learning_rate": math.nan}),
        ("softmax", "last", TypeError, "learning_rate", {"learning_rate": "fast"}),
        ("softmax", "last", ValueError, "clip_norm", {"clip_norm": -1.0}),
        ("softmax", "last", ValueError, "seed", {"seed": -1}),
        ("softmax", "last", TypeError, "seed", {"seed": "x"}),
    ],
)
def test_wrong_arguments_change_nothing(head, readout, error, message, change):
    net = network(head, readout)
    before = values_of(net)
    arguments = {"x": GOOD_X, "y": GOOD_LABELS, "progress": False, **change}
    with pytest.raises(error, match=message):
        net.fit(**arguments)
    np.testing.assert_equal(values_of(net), before)

"""Network.fit, predict and score."""

import math

import numpy as np
import peephole
import pytest
from peephole import losses, optim, training

N, T, INPUTS, OUTPUTS = 12, 7, 3, 4


def ragged(rng, n=N, longest=T):
    """Some (T_i, I) arrays, the first of them the longest."""
    lengths = [longest, *rng.integers(1, longest, n - 1)]
    return [rng.standard_normal((length, INPUTS)) for length in lengths]


def padded(sequences, fill=0.0):
    """The same as one array, with its lengths."""
    lengths = np.array([len(sequence) for sequence in sequences])
    array = np.full((len(sequences), lengths.max(), *sequences[0].shape[1:]), fill)
    array = array.astype(sequences[0].dtype)
    for place, sequence in zip(array, sequences, strict=True):
        place[: len(sequence)] = sequence
    return array, lengths


def values_of(net):
    return {name: view.copy() for name, view in net.parameters.items()}


def network(head="softmax", readout="last", outputs=OUTPUTS, **options):
    options = {"seed": 0, "dtype": "float64", **options}
    return peephole.Network(INPUTS, 5, outputs, head=head, readout=readout, **options)


def quiet(net, x, y, **options):
    return net.fit(x, y, **{"epochs": 2, "batch_size": 5, "seed": 1, "progress": False, **options})


def targets(rng, x, head, readout):
    """Fitting y for sequences x."""
    shapes = [(len(s),) if readout == "all" else () for s in x]
    if head == "softmax":
        y = [rng.integers(0, OUTPUTS, shape) for shape in shapes]
    else:
        y = [rng.uniform(0, 1, (*shape, OUTPUTS)) for shape in shapes]
    return y if readout == "all" else np.array(y)


KINDS = [
    (head, readout) for head in ("softmax", "sigmoid", "identity") for readout in ("last", "all")
]


class TestLosses:
    def test_cross_entropy(self, rng):
        logits, labels = rng.standard_normal((6, OUTPUTS)), rng.integers(0, OUTPUTS, 6)
        y = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        loss, gradient = losses.cross_entropy(y, logits, labels)
        assert loss == pytest.approx(-np.log(y[np.arange(6), labels]).mean(), rel=1e-14)
        np.testing.assert_allclose(gradient, (y - np.eye(OUTPUTS)[labels]) / 6, rtol=1e-14)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_cross_entropy_of_extreme_logits(self, dtype):
        logits = np.array([[1e4, 0, -1e4], [-1e4, 0, 1e4]], dtype)
        y = np.array([[1, 0, 0], [0, 0, 1]], dtype)
        loss, gradient = losses.cross_entropy(y, logits, np.array([0, 0]))
        assert loss == 1e4
        np.testing.assert_array_equal(gradient, [[0, 0, 0], [-0.5, 0, 0.5]])

    def test_cross_entropy_is_not_negative(self):
        logits = np.array([[50.0, 0, 0]], "float32")
        loss, _ = losses.cross_entropy(np.array([[1.0, 0, 0]], "float32"), logits, np.array([0]))
        assert 0 <= loss < 1e-6

    def test_mean_squared_error(self, rng):
        y, wanted = rng.standard_normal((2, 6, OUTPUTS))
        kept = y.copy()
        loss, gradient = losses.mean_squared_error(y, y, wanted)
        assert loss == pytest.approx(np.square(y - wanted).mean(), rel=1e-14)
        np.testing.assert_allclose(gradient, 2 * (y - wanted) / y.size, rtol=1e-14)
        np.testing.assert_array_equal(y, kept)


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


def test_progress_bar(rng, capsys):
    x, y = rng.standard_normal((N, T, INPUTS)), rng.integers(0, OUTPUTS, N)
    net = network()
    net.fit(x, y, epochs=3, batch_size=4, seed=0)
    err = capsys.readouterr().err
    assert "epoch 3/3" in err
    assert "9/9" in err
    assert "loss" in err
    net.fit(x, y, epochs=1, seed=0, progress=False)
    assert capsys.readouterr() == ("", "")


GOOD_X = np.zeros((N, T, INPUTS))
GOOD_LABELS = np.zeros(N, int)
NAN_TARGETS = np.zeros((N, T, OUTPUTS))
NAN_TARGETS[5, 6, 1] = math.nan


@pytest.mark.parametrize(
    ("head", "readout", "error", "message", "change"),
    [
        ("softmax", "last", ValueError, r"x: .*\(12, 7, 2\)", {"x": np.zeros((N, T, 2))}),
        ("softmax", "last", ValueError, r"x: .*\(7, 3\)", {"x": np.zeros((T, INPUTS))}),
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
        ("softmax", "last", TypeError, "batch_size", {"batch_size": None}),
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


def test_loss_that_is_not_finite(rng):
    x, y = rng.standard_normal((N, T, INPUTS)), np.full((N, OUTPUTS), 1e30)
    net = network("identity", "last", dtype="float32")
    before = values_of(net)
    with pytest.raises(
        FloatingPointError, match=r"loss is inf at step 1 \(epoch 1, batch 1 of 3\)"
    ):
        quiet(net, x, y)
    np.testing.assert_equal(values_of(net), before)


def test_loss_that_becomes_not_finite(rng):
    """What was learnt before the step that failed is there."""
    x = rng.standard_normal((6, T, INPUTS))
    x[4] = math.nan
    y = rng.standard_normal((6, OUTPUTS))
    net, twin = network("identity"), network("identity")
    with pytest.raises(FloatingPointError, match="loss is nan at step") as raised:
        quiet(net, x, y, batch_size=1, seed=8)
    steps = int(str(raised.value).split("step ")[1].split()[0]) - 1
    assert 0 < steps < 6
    order = np.random.default_rng(8).permutation(6)
    assert order[steps] == 4
    optimiser = optim.Adam(twin.parameters)
    for row in order[:steps]:
        out, _, tape = twin.forward(x[row : row + 1])
        gradients = twin.backward(tape, 2 * (out - y[row]) / OUTPUTS)
        optim.clip_norm(gradients, 1.0)
        optimiser.step(gradients)
    for name in net.parameters:
        np.testing.assert_allclose(net.parameters[name], twin.parameters[name], rtol=1e-9)


def test_gradient_that_is_not_finite(rng, monkeypatch):
    monkeypatch.setattr(training.core, "clip_norm", lambda gradients, max_norm: math.inf)
    net = network()
    before = values_of(net)
    with pytest.raises(FloatingPointError, match="norm is inf at step 1"):
        quiet(net, GOOD_X, GOOD_LABELS)
    np.testing.assert_equal(values_of(net), before)


def test_interrupted(rng, monkeypatch):
    clip_norm, calls = training.core.clip_norm, []

    def interrupt(gradients, max_norm):
        calls.append(max_norm)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return clip_norm(gradients, max_norm)

    x, y = rng.standard_normal((N, T, INPUTS)), rng.integers(0, OUTPUTS, N)
    net = network()
    before = values_of(net)
    monkeypatch.setattr(training.core, "clip_norm", interrupt)
    with pytest.raises(KeyboardInterrupt):
        quiet(net, x, y, epochs=5)
    monkeypatch.undo()
    assert (net.parameters["head.bias"] != before["head.bias"]).any()
    assert np.isfinite(net.predict(x)).all()
    quiet(net, x, y)


class TestPredict:
    @pytest.mark.parametrize("readout", ["last", "all"])
    @pytest.mark.parametrize("batch_size", [1, 5, 1000])
    def test_batches_and_forms_agree(self, rng, readout, batch_size):
        x = ragged(rng)
        net = network(readout=readout)
        array, lengths = padded(x, fill=np.nan)
        alone = [net.predict(sequence) for sequence in x]
        of_array = net.predict(array, lengths, batch_size=batch_size)
        of_list = net.predict(x, batch_size=batch_size)
        if readout == "last":
            assert of_list.shape == of_array.shape == (N, OUTPUTS)
            np.testing.assert_allclose(of_list, alone, rtol=1e-12)
            np.testing.assert_allclose(of_array, alone, rtol=1e-12)
            return
        assert of_array.shape == (N, T, OUTPUTS)
        assert [y.shape for y in of_list] == [(len(sequence), OUTPUTS) for sequence in x]
        for k, y in enumerate(alone):
            np.testing.assert_allclose(of_list[k], y, rtol=1e-12)
            np.testing.assert_allclose(of_array[k, : len(y)], y, rtol=1e-12)
            assert not of_array[k, len(y) :].any()

    def test_batches_are_no_longer_than_asked(self, rng):
        net = network()

        class Spy:
            options = net._core.options
            dtype = net.dtype

            def __call__(self, x, state, lengths):
                sizes.append(len(x))
                return np.zeros((len(x), OUTPUTS)), ()

        sizes = []
        net._core = Spy()
        net.predict(rng.standard_normal((23, T, INPUTS)), batch_size=10)
        assert sizes == [10, 10, 3]

    @pytest.mark.parametrize("readout", ["last", "all"])
    def test_nothing(self, readout):
        net = network(readout=readout)
        assert len(net.predict([])) == 0
        expected = (0, OUTPUTS) if readout == "last" else (0, T, OUTPUTS)
        assert net.predict(np.empty((0, T, INPUTS))).shape == expected

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_dtype(self, rng, dtype):
        net = network(dtype=dtype)
        for x in (rng.standard_normal((N, T, INPUTS)), ragged(rng), np.ones((2, T, INPUTS), int)):
            assert net.predict(x, batch_size=5).dtype == dtype

    @pytest.mark.parametrize(
        ("error", "message", "arguments"),
        [
            (ValueError, "x: ", [np.zeros((N, T, 2))]),
            (ValueError, "x: ", [np.zeros((2000, T, 2))]),
            (ValueError, "x: ", [np.zeros(INPUTS)]),
            (ValueError, r"x\[1\]: ", [[np.zeros((T, INPUTS)), np.zeros((T, 2))]]),
            (TypeError, r"x\[0\]: ", [[np.zeros((T, INPUTS), complex)]]),
            (ValueError, "lengths", [[np.zeros((T, INPUTS))], [T]]),
            (ValueError, "lengths", [np.zeros((2000, T, INPUTS)), np.full(2000, T + 1)]),
            (ValueError, "lengths", [np.zeros((T, INPUTS)), [T]]),
        ],
    )
    def test_wrong_arguments(self, error, message, arguments):
        with pytest.raises(error, match=message):
            network().predict(*arguments)


class TestScore:
    def test_accuracy(self, rng):
        x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
        net = network()
        right = net.predict(x).argmax(axis=1) == y
        assert net.score(x, y) == right.mean()
        assert net.score(x, y, batch_size=5) == right.mean()
        assert net.score(x, net.predict(x).argmax(axis=1)) == 1

    def test_accuracy_over_real_steps(self, rng):
        x = ragged(rng)
        y = [rng.integers(0, OUTPUTS, len(sequence)) for sequence in x]
        net = network(readout="all")
        predicted = np.concatenate([outputs.argmax(axis=1) for outputs in net.predict(x)])
        assert net.score(x, y) == (predicted == np.concatenate(y)).mean()

    def test_r_squared(self, rng):
        x, y = rng.standard_normal((N, T, INPUTS)), rng.standard_normal((N, OUTPUTS))
        net = network("identity")
        error = np.square(net.predict(x) - y).sum(axis=0)
        expected = (1 - error / (y.var(axis=0) * N)).mean()
        assert net.score(x, y) == pytest.approx(expected, rel=1e-12)
        assert net.score(x, net.predict(x)) == 1

    def test_r_squared_of_a_constant_target(self, rng):
        x = rng.standard_normal((N, T, INPUTS))
        assert network("identity").score(x, np.ones((N, OUTPUTS))) == 0
        net = network("identity")
        for name in net.parameters:
            net.parameters[name][...] = 0
        assert net.score(x, np.zeros((N, OUTPUTS))) == 1

    def test_wrong_arguments(self, rng):
        with pytest.raises(ValueError, match="y: "):
            network().score(GOOD_X, np.full(N, OUTPUTS))
        with pytest.raises(ValueError, match=r"x: .*none"):
            network().score([], [])

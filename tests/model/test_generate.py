"""Network.generate: the bits of a stream whose outputs are fed back by hand."""

import numpy as np
import peephole
import pytest
from peephole import losses, optim
from support.refusals import refused

N, T, S = 3, 6, 5


def network(inputs=2, outputs=2, **options):
    options = {"readout": "all", "seed": 0, **options}
    return peephole.Network(inputs, 7, outputs, **options)


def by_hand(net, x, steps, fed=lambda y, t: y):
    """The outputs (S, O) after one sequence x (T, I); fed(y, t) is the input after x."""
    stream = net.stream()
    for step in x:
        y = stream.step(step)
    outputs = [y]
    for t in range(steps - 1):
        outputs.append(stream.step(np.asarray(fed(outputs[-1], t), net.dtype)))
    return np.stack(outputs), stream.state


@pytest.mark.parametrize("readout", ["all", "last"])
@pytest.mark.parametrize("options", [{}, {"peephole": "dense"}, {"head": "tanh"}])
def test_bits_of_a_stream(readout, options, rng, dtype):
    net = network(readout=readout, dtype=dtype, **options)
    x = rng.standard_normal((N, T, 2)).astype(dtype)
    values, state = net.generate(x, S, return_state=True)
    assert values.dtype == dtype
    for k in range(N):
        expected, final = by_hand(net, x[k], S)
        np.testing.assert_array_equal(values[k], expected)
        np.testing.assert_array_equal(state[0][1][k], final[0][1][0])
        alone, of_alone = net.generate(x[k], S, return_state=True)
        np.testing.assert_array_equal(alone, expected)
        np.testing.assert_array_equal(of_alone[0][0], final[0][0][0])


def test_ragged(rng):
    net = network(dtype="float64", readout="all")
    x = rng.standard_normal((N, T, 2))
    lengths = [6, 1, 4]
    ragged = [s[:n] for s, n in zip(x, lengths, strict=True)]
    expected = np.stack([by_hand(net, s, S)[0] for s in ragged])
    np.testing.assert_array_equal(net.generate(ragged, S), expected)
    np.testing.assert_array_equal(net.generate(x, S, lengths=lengths), expected)
    last = network(dtype="float64", readout="last")
    np.testing.assert_array_equal(last.generate(ragged, S), expected)


def test_known_future_inputs(rng):
    """Column 2 holds the first value and column 0 the second; 1 and 3 are known."""
    net = network(4, 2, dtype="float64")
    x, future = rng.standard_normal((N, T, 4)), rng.standard_normal((N, S - 1, 2))
    found = net.generate(x, S, future=future, columns=[2, 0])
    for k in range(N):
        expected, _ = by_hand(
            net, x[k], S, lambda y, t, k=k: [y[1], future[k, t, 0], y[0], future[k, t, 1]]
        )
        np.testing.assert_array_equal(found[k], expected)
        alone = net.generate(x[k], S, future=future[k], columns=[2, 0])
        np.testing.assert_array_equal(alone, expected)
    np.testing.assert_array_equal(net.generate(x, 1), found[:, :1])  # nothing is fed


def test_goes_on_from_a_state(rng):
    """Two calls are one, if the last value is the next input."""
    net = network(dtype="float64")
    x = rng.standard_normal((N, T, 2))
    whole = net.generate(x, 2 * S)
    first, state = net.generate(x, S, return_state=True)
    second = net.generate(first[:, -1:], S, state=state)
    np.testing.assert_array_equal(np.concatenate([first, second], axis=1), whole)
    single, state = net.generate(x[0], S, return_state=True)
    rest = net.generate(single[-1:], S, state=state)
    np.testing.assert_array_equal(np.concatenate([single, rest]), whole[0])


def test_scalings(rng):
    """A value is unscaled as a target and scaled as the input in its column."""
    net = network(3, 1, dtype="float64")
    x, future = rng.standard_normal((T, 3)), rng.standard_normal((S - 1, 2))
    net.input_scaling = peephole.Standardiser().fit(rng.standard_normal((50, 3)) * 3 + 1)
    plain = {"future": future, "columns": [1]}

    def expected(factor, offset):
        fed = lambda y, t: [future[t, 0], y[0] * factor + offset, future[t, 1]]  # noqa: E731
        return by_hand(net, x, S, fed)[0]

    mean, scale = net.input_scaling.mean_[1], net.input_scaling.scale_[1]
    np.testing.assert_allclose(net.generate(x, S, **plain), expected(1 / scale, -mean / scale))
    net.target_scaling = peephole.Standardiser().fit(rng.standard_normal((50, 1)) * 5 - 2)
    m, s = net.target_scaling.mean_[0], net.target_scaling.scale_[0]
    found = net.generate(x, S, **plain)
    np.testing.assert_allclose(found, expected(s / scale, (m - mean) / scale), rtol=1e-12)
    # The same statistics for both: the bits of a network without scalings.
    same = network(1, 1)
    expected_bits = same.generate(x[:, :1], S)
    same.input_scaling = same.target_scaling = net.target_scaling
    np.testing.assert_array_equal(same.generate(x[:, :1], S), expected_bits)
    net.target_scaling = peephole.Standardiser().fit(rng.standard_normal((50, 2)))
    with refused(ValueError, "target_scaling", "1 features"):
        net.generate(x, S, **plain)


class TestDistributions:
    def test_means_are_fed_back(self, rng):
        net, loss = network(1, 2, dtype="float64"), losses.GaussianNLL()
        x = rng.standard_normal((T, 1))
        expected, _ = by_hand(net, x, S, lambda y, t: y[:1])
        np.testing.assert_array_equal(net.generate(x, S, loss=loss), expected[:, :1])

    def test_samples_are_fed_back(self, rng):
        net, loss = network(1, 2, dtype="float64"), losses.GaussianNLL()
        x = rng.standard_normal((2, T, 1))
        found, state = net.generate(x, S, loss=loss, samples=4, seed=3, return_state=True)
        assert found.shape == (4, 2, S, 1)
        assert state[0][0].shape == (8, 7)
        np.testing.assert_array_equal(net.generate(x, S, loss=loss, samples=4, seed=3), found)
        # The same draws by hand, of all rows together.
        random = np.random.default_rng(3)
        streams = [net.stream() for _ in range(8)]
        y = np.stack([s.process(x[k % 2])[-1] for k, s in enumerate(streams)])
        for t in range(S):
            drawn = loss.sample(y, seed=random)
            np.testing.assert_array_equal(found[:, :, t].reshape(8, 1), drawn)
            y = np.stack([s.step(v) for s, v in zip(streams, drawn, strict=True)])
        one = net.generate(x[0], S, loss=loss, samples=4, seed=3)
        assert one.shape == (4, S, 1)

    def test_spread_grows_as_that_of_a_random_walk(self):
        """A network that predicts the last value with variance 1: the variance after t is t."""
        net = peephole.Network(1, 1, 2, activations={"i": "one", "o": "one", "g": "identity",
                               "c": "identity", "f": "relu"}, dtype="float64", seed=0)  # fmt: skip
        for value in net.parameters.values():
            value[:] = 0
        net.parameters["weight_ih_l0"][2] = 1  # c = x, as f is 0
        net.parameters["head.weight"][0] = 1  # mean h, log variance 0
        drawn = net.generate(np.zeros((2, 1)), 6, loss=losses.GaussianNLL(), samples=4000, seed=0)
        np.testing.assert_allclose(drawn.var(axis=0)[:, 0], np.arange(1, 7), rtol=0.1)


class TestLabels:
    def test_most_probable_label(self, rng):
        net = network(4, 4, head="softmax", dtype="float64")
        x = rng.standard_normal((N, T, 4))
        labels = net.generate(x, S)
        assert labels.shape == (N, S)
        assert labels.dtype.kind == "i"
        for k in range(N):
            y, _ = by_hand(net, x[k], S, lambda y, t: np.eye(4)[y.argmax()])
            np.testing.assert_array_equal(labels[k], y.argmax(axis=1))

    def test_drawn_labels(self):
        """In proportion to their probability; they do not depend on the last one here."""
        net = network(3, 3, head="softmax")
        for value in net.parameters.values():
            value[:] = 0
        net.parameters["head.bias"][:] = np.log([0.6, 0.3, 0.1])
        labels = net.generate(np.zeros((1, 3)), 3, samples=4000, seed=0)
        assert labels.shape == (4000, 3)
        for step in labels.T:
            np.testing.assert_allclose(np.bincount(step) / 4000, [0.6, 0.3, 0.1], atol=0.03)


def test_encoder_and_decoder(rng):
    """Trained together, the decoder repeats what the encoder has read, from its final state."""
    encoder = peephole.LSTM(1, 24, seed=0, dtype="float64")
    decoder = peephole.Network(1, 24, 1, seed=1, dtype="float64")
    movers = [optim.Adam(m.parameters, learning_rate=1e-2) for m in (encoder, decoder)]
    for _ in range(600):
        x = rng.uniform(-1, 1, (32, 3, 1))
        _, state, tape = encoder.forward(x)
        shifted = np.concatenate([np.zeros((32, 1, 1)), x[:, :-1]], axis=1)  # teacher forcing
        y, _, of_decoder = decoder.forward(shifted, state)
        gradients = decoder.backward(of_decoder, 2 * (y - x) / x.size)
        of_encoder = encoder.backward(tape, np.zeros((32, 3, 24)), gradients.state)
        movers[0].step(of_encoder.parameters)
        movers[1].step(gradients.parameters)
    x = rng.uniform(-1, 1, (200, 3, 1))
    _, state = encoder(x)
    repeated = decoder.generate(np.zeros((200, 1, 1)), 3, state=state)
    assert np.abs(repeated - x).mean() < 0.2  # of a mean value of 0.5


@pytest.mark.parametrize(
    ("error", "argument", "part", "options"),
    [
        (ValueError, "steps", "at least 1", {"steps": 0}),
        (TypeError, "steps", "int", {"steps": 2.0}),
        (ValueError, "x", "(n, time, 3)", {"x": np.zeros((2, 4, 2))}),
        (ValueError, "x", "at least one step", {"x": np.zeros((2, 0, 3))}),
        (ValueError, "x", "at least one step", {"x": []}),
        (ValueError, "x", "at least one step", {"lengths": [4, 0]}),
        (ValueError, "lengths", "0..4", {"lengths": [4, 5]}),
        (ValueError, "lengths", "single", {"x": np.zeros((4, 3)), "lengths": [4]}),
        (ValueError, "future", "other 1 features of the next 2 steps", {"future": None}),
        (ValueError, "future", "(2, 2, 1)", {"future": np.zeros((2, 3, 1))}),
        (TypeError, "future", "castable", {"future": np.zeros((2, 2, 1), complex)}),
        (ValueError, "columns", "2 different", {"columns": [1]}),
        (ValueError, "columns", "2 different", {"columns": [1, 1]}),
        (ValueError, "columns", "0..2", {"columns": [1, 3]}),
        (TypeError, "columns", "2 columns", {"columns": 1}),
        (TypeError, "columns", "int", {"columns": [0.5, 1]}),
        (ValueError, "samples", "distribution", {"samples": 3}),
        (ValueError, "samples", "at least 1", {"samples": 0, "loss": losses.GaussianNLL()}),
        (TypeError, "loss", "Distribution", {"loss": "gaussian_nll"}),
        (ValueError, "loss", "multiple of 3", {"loss": losses.Quantile([0.1, 0.5, 0.9])}),
        (TypeError, "state", "tuple", {"state": 3}),
        (TypeError, "return_state", "True or False", {"return_state": 1}),
    ],
)  # fmt: skip
def test_bad_input(error, argument, part, options):
    net = network(3, 2)
    good = {"x": np.zeros((2, 4, 3)), "steps": 3, "future": np.zeros((2, 2, 1))}
    if options.get("samples") == 0:
        good["future"] = np.zeros((2, 2, 2))
    net.generate(**good | {"future": np.zeros((2, 2, 1))})
    with refused(error, argument, part):
        net.generate(**{**good, **options})


@pytest.mark.parametrize("options", [{"bidirectional": True}, {"readout": "mean"}])
def test_networks_that_cannot(options):
    with pytest.raises(ValueError, match=r"^generate: expected a network"):
        network(**options).generate(np.zeros((2, 4, 2)), 3)
    with refused(ValueError, "x", "at least 3 features"):
        network(2, 3).generate(np.zeros((2, 4, 2)), 3)
    with refused(ValueError, "loss", "softmax"):
        network(4, 4, head="softmax").generate(np.zeros((2, 4, 4)), 3, loss=losses.GaussianNLL())

"""Network.predict and score."""

import numpy as np
import pytest
from support.fitting import GOOD_X, INPUTS, OUTPUTS, N, T, network, padded, ragged


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
        units = net.parameters.shape("weight_hh_l0")[1]

        class Spy:
            options = net._core.options
            dtype = net.dtype

            def __call__(self, x, state, lengths):
                sizes.append(len(x))
                h = c = np.zeros((len(x), units))
                return np.zeros((len(x), OUTPUTS)), ((h, c),)

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

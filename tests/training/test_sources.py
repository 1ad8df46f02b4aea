"""Batches from iterables, and batches of sequences of similar lengths."""

import numpy as np
import pytest
from peephole.training.data.sources import bucketed
from support.fitting import (
    INPUTS,
    OUTPUTS,
    N,
    T,
    assert_same_weights,
    network,
    padded,
    quiet,
    ragged,
    targets,
    values_of,
)
from support.refusals import refused


class TestIterables:
    def batches(self, rng):
        x, y = rng.standard_normal((N, T, INPUTS)), rng.integers(0, OUTPUTS, N)
        return x, y, [(x[at : at + 5], y[at : at + 5]) for at in range(0, N, 5)]

    @pytest.mark.parametrize("form", ["function", "object with a length", "iterator"])
    def test_train_as_the_data(self, form, rng):
        x, y, batches = self.batches(rng)
        net, twin = network(), network()

        class Sized:
            def __iter__(self):
                return iter(batches)

            def __len__(self):
                return len(batches)

        stream = {
            "function": lambda: iter(batches),
            "object with a length": Sized(),
            "iterator": iter(batches),
        }[form]
        epochs = 1 if form == "iterator" else 2
        history = quiet(net, stream, None, epochs=epochs)
        assert history == quiet(twin, x, y, epochs=epochs, shuffle=False)
        assert_same_weights(net, twin, 0)

    def test_ragged_and_weighted(self, rng):
        x = ragged(rng)
        y, weights = rng.integers(0, OUTPUTS, N), rng.uniform(0, 1, N)
        array, lengths = padded(x)
        net, twin = network(), network()
        quiet(net, lambda: [(array, y, lengths, weights)], None)
        quiet(twin, x, y, batch_size=N, sample_weight=weights, shuffle=False)
        assert_same_weights(net, twin)

    def test_only_one_batch_at_a_time(self, rng):
        alive, most = [0], [0]

        class Counted(np.ndarray):
            def __del__(self):
                alive[0] -= 1

        def batches():
            for _ in range(8):
                x = np.zeros((4, T, INPUTS)).view(Counted)
                alive[0] += 1
                most[0] = max(most[0], alive[0])
                yield x, np.zeros(4, int)
                del x

        quiet(network(), batches, None)
        assert most[0] <= 3, "the one in use, and the next"

    @pytest.mark.parametrize(
        ("error", "argument", "x", "options"),
        [
            (ValueError, "x", iter([(0, 0)]), {"epochs": 2}),
            (ValueError, "x", list, {}),
            (TypeError, "x", lambda: [np.zeros((2, T, INPUTS))], {}),
            (ValueError, "x", lambda: [(np.zeros((2, T, 9)), [0, 0])], {}),
            (ValueError, "y", lambda: [(np.zeros((2, T, INPUTS)), [0, 9])], {}),
            (ValueError, "y", lambda: [], {"y": [0]}),
            (ValueError, "lengths", lambda: [], {"lengths": [1]}),
            (ValueError, "sample_weight", lambda: [], {"sample_weight": [1]}),
            (ValueError, "validation_share", lambda: [], {"validation_share": 0.5}),
        ],
    )
    def test_bad_input(self, error, argument, x, options):
        net = network()
        before = values_of(net)
        with refused(error, argument):
            quiet(net, x, options.pop("y", None), **options)
        np.testing.assert_equal(values_of(net), before)

    def test_bad_batches_are_named(self, rng):
        _, _, batches = self.batches(rng)
        batches[1] = (batches[1][0], batches[0][1][:3])
        with refused(ValueError, "y", "(in batch 2)"):
            quiet(network(), lambda: batches, None)


class TestBuckets:
    def test_waste_little(self, rng):
        """Less than a tenth of the steps of padded batches are padding, at lengths of 1..200."""
        lengths = rng.integers(1, 201, 5000)
        order = rng.permutation(5000)

        def wasted(batches):
            computed = sum(lengths[rows].max() * len(rows) for rows in batches)
            return 1 - lengths.sum() / computed

        batches = bucketed(order, lengths, 32, rng)
        assert wasted(batches) < 0.1 < wasted(np.array_split(order, 157))
        np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(5000))

    def test_in_fit(self, rng):
        """Every sequence is seen once an epoch, and the order is the seed's."""
        x = [rng.standard_normal((1 + k % T, INPUTS)) for k in range(N)]
        y = targets(rng, x, "softmax", "last")
        nets = [network() for _ in range(3)]
        for net, seed in zip(nets, (1, 1, 2), strict=True):
            quiet(net, x, y, bucketing=True, seed=seed)
        assert_same_weights(nets[0], nets[1], 0)
        assert (nets[0].parameters["head.bias"] != nets[2].parameters["head.bias"]).any()
        small = {"learning_rate": 1e-12, "epochs": 1, "batch_size": 4}
        one, two = (quiet(network(), x, y, bucketing=b, **small) for b in (False, True))
        assert one.loss == pytest.approx(two.loss, rel=1e-9)

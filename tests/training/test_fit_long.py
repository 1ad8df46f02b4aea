"""Long sequences: truncated BPTT, carried state, windows."""

import math
import tracemalloc

import numpy as np
import peephole
import pytest
from peephole import optim
from peephole._sequences import as_slice
from support.fitting import (
    INPUTS,
    OUTPUTS,
    N,
    StopAfter,
    T,
    assert_same_weights,
    network,
    padded,
    quiet,
    ragged,
    values_of,
)
from support.refusals import refused


def train_by_hand(net, optimiser, x, y, state=None):
    """One step on the mean squared error of all of y; returns the state after x."""
    out, final, tape = net.forward(x, state)
    error = out - y
    gradients = net.backward(tape, 2 * error / error.size)
    optim.clip_norm(gradients, 1.0)
    optimiser.step(gradients)
    return final


class TestTruncation:
    @pytest.mark.parametrize("k", [1, 3, 7, 100])
    def test_every_step_has_a_target(self, k, rng):
        """Chunks of k steps, each from the state that the one before left, each with an update."""
        x, y = rng.standard_normal((4, T, INPUTS)), rng.standard_normal((4, T, OUTPUTS))
        net, twin = network("identity", "all"), network("identity", "all")
        history = quiet(net, x, y, epochs=2, batch_size=4, shuffle=False, tbptt=k)
        optimiser = optim.Adam(twin.parameters)
        for _ in range(2):
            state = None
            for at in range(0, T, k):
                state = train_by_hand(twin, optimiser, x[:, at : at + k], y[:, at : at + k], state)
        assert_same_weights(net, twin)
        assert len(history) == 2

    def test_ragged(self, rng):
        """Sequences that have ended have no effect."""
        x = ragged(rng)
        y = [rng.standard_normal((len(s), OUTPUTS)) for s in x]
        of_list, of_array = network("identity", "all"), network("identity", "all")
        first = quiet(of_list, x, y, tbptt=3)
        array, lengths = padded(x, fill=np.nan)
        second = quiet(of_array, array, padded(y, fill=np.nan)[0], lengths=lengths, tbptt=3)
        assert first == second
        assert all(map(math.isfinite, first.loss))
        np.testing.assert_equal(values_of(of_list), values_of(of_array))

    def test_mean_loss_counts_each_target_once(self, rng):
        x = ragged(rng)
        y = [rng.standard_normal((len(s), OUTPUTS)) for s in x]
        tiny = {"learning_rate": 1e-12, "epochs": 1}
        whole = quiet(network("identity", "all"), x, y, **tiny)
        parts = quiet(network("identity", "all"), x, y, tbptt=2, **tiny)
        assert parts.loss == pytest.approx(whole.loss, rel=1e-9)

    @pytest.mark.parametrize("k", [1, 3, 100])
    def test_the_last_step_has_the_target(self, k, rng):
        """Through the last k steps of each sequence, from the state before them."""
        x, y = ragged(rng), rng.standard_normal((N, OUTPUTS))
        net, twin = network("identity", "last"), network("identity", "last")
        quiet(net, x, y, epochs=1, batch_size=N, shuffle=False, tbptt=k, clip_norm=None)
        total = dict.fromkeys(twin.parameters, 0.0)
        for sequence, target in zip(x, y, strict=True):
            state = None
            if len(sequence) > k:
                _, state = twin.lstm(sequence[:-k])
            out, _, tape = twin.forward(sequence[-k:], state)
            gradients = twin.backward(tape, 2 * (out - target) / y.size).parameters
            total = {name: total[name] + gradient for name, gradient in gradients.items()}
        optim.Adam(twin.parameters).step(total)
        assert_same_weights(net, twin, 1e-10)

    def test_the_tape_is_that_of_a_chunk(self, monkeypatch):
        """A series of any length trains in the memory of k steps."""
        net, seen = network("identity", "all"), []

        class Spy:
            def __init__(self, core):
                self._core = core

            def __getattr__(self, name):
                return getattr(self._core, name)

            def forward(self, *arguments):
                answer = self._core.forward(*arguments)
                seen.append(answer[3].nbytes)
                return answer

        net._core = Spy(net._core)
        sizes = []
        for time in (100, 1000):
            x, y = np.zeros((1, time, INPUTS)), np.zeros((1, time, OUTPUTS))
            quiet(net, x, y, epochs=1, tbptt=50)
            sizes.append(max(seen))
            assert len(seen) == time // 50
            seen.clear()
        assert sizes[0] == sizes[1]


class TestStateful:
    def test_batches_of_one_long_series(self, rng):
        """Its consecutive windows, one by one, give the same as its chunks."""
        series, target = rng.standard_normal((40, INPUTS)), rng.standard_normal((40, OUTPUTS))
        net, twin = network("identity", "all"), network("identity", "all")
        x, y = series.reshape(8, 5, INPUTS), target.reshape(8, 5, OUTPUTS)
        quiet(net, x, y, batch_size=1, stateful=True)
        quiet(twin, series[None], target[None], batch_size=1, tbptt=5)
        assert_same_weights(net, twin, 0)

    def test_each_sequence_continues_at_its_place(self, rng):
        x, y = rng.standard_normal((6, T, INPUTS)), rng.standard_normal((6, T, OUTPUTS))
        net, twin = network("identity", "all"), network("identity", "all")
        quiet(net, x, y, epochs=2, batch_size=2, stateful=True)
        optimiser = optim.Adam(twin.parameters)
        for _ in range(2):
            state = None
            for at in (0, 2, 4):
                state = train_by_hand(twin, optimiser, x[at : at + 2], y[at : at + 2], state)
        assert_same_weights(net, twin)

    def test_from_a_stream(self, rng):
        x, y = rng.standard_normal((6, T, INPUTS)), rng.standard_normal((6, T, OUTPUTS))
        net, twin = network("identity", "all"), network("identity", "all")
        quiet(net, x, y, batch_size=2, stateful=True, tbptt=3)
        batches = [(x[at : at + 2], y[at : at + 2]) for at in (0, 2, 4)]
        quiet(twin, lambda: batches, None, stateful=True, tbptt=3)
        assert_same_weights(net, twin, 0)

    @pytest.mark.parametrize(
        ("argument", "options"),
        [
            ("x", {"batch_size": 5}),
            ("shuffle", {"shuffle": True}),
            ("bucketing", {"bucketing": True}),
            ("validation_data", {"validation_data": (np.zeros((3, T, 3)), np.zeros((3, T, 4)))}),
        ],
    )
    def test_bad_input(self, argument, options):
        net = network("identity", "all")
        x, y = np.zeros((6, T, INPUTS)), np.zeros((6, T, OUTPUTS))
        with refused(ValueError, argument):
            quiet(net, x, y, **{"batch_size": 2, "stateful": True, **options})

    @pytest.mark.parametrize("options", [{"tbptt": 3}, {"stateful": True, "batch_size": 1}])
    def test_not_of_both_directions(self, options):
        net = network("identity", "all", bidirectional=True)
        with refused(ValueError, next(iter(options))):
            quiet(net, np.zeros((2, T, INPUTS)), np.zeros((2, T, OUTPUTS)), **options)


class TestWindows:
    def test_are_the_series(self, rng):
        series = rng.standard_normal((20, INPUTS))
        windows = peephole.windows(series, 6, stride=3)
        assert windows.shape == (5, 6, INPUTS)
        for k, window in enumerate(windows):
            np.testing.assert_array_equal(window, series[3 * k : 3 * k + 6])
        assert np.shares_memory(windows, series)
        assert not windows.flags.writeable
        assert peephole.windows(series[:, 0], 20).shape == (1, 20, 1)

    def test_train_as_their_copy(self, rng):
        series = rng.standard_normal((60, INPUTS))
        target = series @ rng.standard_normal((INPUTS, OUTPUTS))
        net, twin = network("identity", "all"), network("identity", "all")
        x, y = peephole.windows(series, T), peephole.windows(target, T)
        quiet(net, x, y)
        quiet(twin, x.copy(), y.copy())
        assert_same_weights(net, twin, 0)
        np.testing.assert_array_equal(net.predict(x, batch_size=9), twin.predict(x.copy()))

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_are_not_copied(self, dtype):
        """All windows at once would be 80 MB in float32."""
        series = np.zeros(100_000, dtype)
        x, y = (peephole.windows(series, 200) for _ in range(2))
        net = peephole.Network(1, 2, 1, seed=0)
        tracemalloc.start()
        net.fit(x, y, epochs=1, progress=False, callbacks=StopAfter(1))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < 10e6

    @pytest.mark.parametrize(
        ("error", "argument", "arguments"),
        [
            (ValueError, "series", (np.zeros((2, 3, 4)), 2)),
            (ValueError, "length", (np.zeros(5), 6)),
            (ValueError, "length", (np.zeros(5), 0)),
            (TypeError, "length", (np.zeros(5), 1.5)),
        ],
    )
    def test_bad_input(self, error, argument, arguments):
        with refused(error, argument):
            peephole.windows(*arguments)
        with refused(ValueError, "stride"):
            peephole.windows(np.zeros(5), 2, stride=0)


@pytest.mark.parametrize(
    ("rows", "consecutive"),
    [([3], True), ([2, 3, 4], True), ([], False), ([2, 4], False), ([2, 4, 3, 5], False)],
)
def test_consecutive_rows_are_not_copied(rows, consecutive):
    values, rows = np.arange(24).reshape(8, 3), np.array(rows, np.intp)
    chosen = values[as_slice(rows)]
    np.testing.assert_array_equal(chosen, values[rows])
    assert np.shares_memory(chosen, values) == consecutive

"""A dense layer before the LSTM: the same bits streamed, alone, and on any number of threads."""

import numpy as np
import peephole
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import lstm as reference
from support.strategies import begin_anywhere, lstm_options
from support.tolerances import assert_identical

ACTIVATIONS = sorted(reference.ACTIVATIONS)


class TestBits:
    @given(
        options=lstm_options(bidirectional=False),
        units=st.integers(1, 40),
        activation=st.sampled_from(ACTIVATIONS),
        batch=st.integers(1, 3),
        dtype=st.sampled_from(["float32", "float64"]),
        isa=st.sampled_from(peephole.build_info()["isas"]),
        seed=st.integers(0, 1000),
    )
    def test_streams_and_sessions_equal_predict(
        self, options, units, activation, batch, dtype, isa, seed
    ):
        chosen = peephole.build_info()["isa"]
        peephole.set_isa(isa)
        try:
            net = peephole.Network(
                **options, output_size=2, input_dense_size=units, input_activation=activation,
                dtype=dtype, seed=seed,
            )  # fmt: skip
            rng = np.random.default_rng(seed)
            begin_anywhere(net, rng)
            x = rng.standard_normal((batch, 9, net.input_size)).astype(dtype)
            expected = net.predict(x)
            stream = net.stream(batch)
            assert stream.input_size == net.input_size
            stepped = np.stack([stream.step(x[:, t]) for t in range(9)], axis=1)
            assert_identical(stepped, expected, "steps")
            stream.reset()
            parts = [stream.process(x[:, :4]), stream.process(x[:, 4:])]
            assert_identical(np.concatenate(parts, 1), expected, "blocks")
            pool = net.sessions(batch)
            ids = [pool.open() for _ in range(batch)]
            parts = [pool.process(ids, x[:, :5]), pool.process(ids, x[:, 5:])]
            assert_identical(np.concatenate(parts, 1), expected, "sessions")
            for b in range(batch):
                assert_identical(net.predict(x[b]), expected[b], "alone")
        finally:
            peephole.set_isa(chosen)

    @pytest.mark.parametrize("units", [3, 70])
    def test_any_number_of_threads(self, rng, dtype, units):
        net = peephole.Network(
            33, 40, 5, input_dense_size=units, input_activation="tanh", dtype=dtype, seed=0
        )
        x, dy = (rng.standard_normal((7, 50, n)).astype(dtype) for n in (33, 5))
        lengths = [50, 49, 0, 1, 30, 50, 17]
        before, results = peephole.num_threads(), []
        try:
            for threads in (1, 2, 5):
                peephole.set_num_threads(threads)
                y, _, tape = net.forward(x, None, lengths)
                grads = net.backward(tape, dy)
                results.append([y, net(x, None, lengths)[0], grads.x, *grads.parameters.values()])
        finally:
            peephole.set_num_threads(before)
        for others in results[1:]:
            for value, expected in zip(others, results[0], strict=True):
                assert_identical(value, expected, "threads")

    def test_a_nan_stays_in_its_sequence_and_padding_is_not_read(self, rng):
        net = peephole.Network(3, 5, 2, input_dense_size=20, input_activation="softplus", seed=0)
        x = rng.standard_normal((3, 6, 3)).astype(np.float32)
        lengths = [6, 4, 0]
        padding = np.arange(6) >= np.array(lengths)[:, None]
        y, _, tape = net.forward(x, None, lengths)
        expected = net.backward(tape, np.ones_like(y))
        x[padding] = np.nan
        dy = np.where(padding[..., None], np.nan, np.ones_like(y))
        again, _, tape = net.forward(x, None, lengths)
        grads = net.backward(tape, dy)
        assert_identical(again, y, "y")
        assert_identical(grads.x, expected.x, "dx")
        assert_identical(
            grads.parameters["input.weight"], expected.parameters["input.weight"], "dW"
        )
        x[1, 2, 0] = np.nan
        again, _ = net(x, None, lengths)
        assert np.isnan(again[1, 2:4]).all()
        assert_identical(again[[0, 2]], y[[0, 2]], "other sequences")
        assert_identical(again[1, :2], y[1, :2], "earlier steps")

    @pytest.mark.parametrize(
        ("batch", "time", "lengths"), [(0, 5, None), (3, 0, None), (2, 4, [0, 0])]
    )
    def test_nothing_to_read(self, batch, time, lengths):
        net = peephole.Network(3, 5, 2, input_dense_size=4, input_activation="tanh", seed=0)
        y, _, tape = net.forward(np.ones((batch, time, 3), np.float32), None, lengths)
        grads = net.backward(tape, np.ones_like(y))
        assert grads.x.shape == (batch, time, 3)
        assert not any(value.any() for value in grads.parameters.values())

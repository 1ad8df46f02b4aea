"""A dense layer before the LSTM: its values, its gradients, its bits, and wrong options."""

import json
import pickle

import numpy as np
import peephole
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from peephole import _core, optim
from peephole.training import load_checkpoint
from reference import derivatives
from reference import lstm as reference
from support.hessians import HESSIAN, SMOOTH, difference, flat, point_of, tangents_of
from support.quotients import initial_state
from support.strategies import Case, begin_anywhere, cases, fill, lstm_options
from support.tolerances import COMPLEX_STEP, REFERENCE, assert_close, assert_identical

ACTIVATIONS = sorted(reference.ACTIVATIONS)
each_activation = pytest.mark.parametrize("activation", ACTIVATIONS)
few = settings(max_examples=8)


def built(case, inputs, activation, outputs=2, **options):
    """A network whose stack is that of `case`, its parameters and x.

    The dense layer has as many units as the case has features.
    """
    units = case.options["input_size"]
    dense = {"input_size": inputs, "input_dense_size": units, "input_activation": activation}
    sizes = {"output_size": outputs, "masks": case.masks or None}
    options = {**case.options, **dense, **sizes, "dtype": "float64", **options}
    net = peephole.Network(**options, seed=0)
    values = dict(case.parameters)
    for name in net.parameters:
        if name not in values:
            values[name] = case.rng(name).uniform(-0.6, 0.6, net.parameters[name].shape)
    fill(net, values)
    return (
        net,
        values,
        case.rng("x of the network").standard_normal((case.batch, case.time, inputs)),
    )


def dense(activation, parameters, x):
    """u (..., B, T, D) of x (..., B, T, I), with any leading axes."""
    weight, bias = parameters["input.weight"], parameters["input.bias"]
    z = np.einsum("...bti,...di->...btd", x, weight) + bias[..., None, None, :]
    return reference.ACTIVATIONS[activation](z)


class ReferenceModel(derivatives.ReferenceModel):
    """The readable reference, with the dense layer before it."""

    def __init__(self, case, activation, head, readout):
        super().__init__(case, head, readout)
        self.activation = activation

    def run(self, point, regions=None):
        u = dense(self.activation, point, point["x"])
        rest = {name: value for name, value in point.items() if not name.startswith("input.")}
        return super().run({**rest, "x": u}, regions)


class TestValues:
    @each_activation
    @few
    @given(case=cases(), inputs=st.integers(1, 5), readout=st.sampled_from(["all", "last", "mean"]))
    def test_equals_the_readable_reference(self, activation, case, inputs, readout):
        net, values, x = built(case, inputs, activation, head="tanh", readout=readout)
        expected, _, final = reference.network(
            case.options, "tanh", readout, values, dense(activation, values, x), case.state,
            case.lengths,
        )  # fmt: skip
        y, state = net(x, case.state, case.lengths)
        assert_close(y, expected, REFERENCE["float64"], "y")
        for pair, expected_pair in zip(state, final, strict=True):
            for found, wanted in zip(pair, expected_pair, strict=True):
                assert_close(found, wanted, REFERENCE["float64"], "state")
        assert_identical(net.forward(x, case.state, case.lengths)[0], y, "y of forward")

    def test_the_lstm_inside_reads_its_output(self, rng, dtype):
        net = peephole.Network(3, 5, 2, input_dense_size=4, input_activation="relu", dtype=dtype)
        assert net.input_size == 3
        assert net.lstm.input_size == 4
        assert list(net.lstm.parameters) == list(net.parameters)[:4]
        assert list(net.parameters)[4:] == [
            "input.weight", "input.bias", "head.weight", "head.bias",
        ]  # fmt: skip
        x = rng.standard_normal((2, 6, 3)).astype(dtype)
        u = dense("relu", {name: np.array(net.parameters[name]) for name in net.parameters}, x)
        h, _ = net.lstm(u)
        y = h @ net.parameters["head.weight"].T + net.parameters["head.bias"]
        assert_close(net.predict(x), y, REFERENCE[dtype], "y")

    def test_first_values(self):
        net = peephole.Network(16, 5, 2, input_dense_size=400, seed=3)
        weight = net.parameters["input.weight"]
        assert 0.24 < np.abs(weight).max() <= 0.25  # 1 / sqrt(16)
        assert not net.parameters["input.bias"].any()
        plain = peephole.Network(400, 5, 2, seed=3)
        assert_identical(net.parameters["weight_hh_l0"], plain.parameters["weight_hh_l0"], "R")


class TestGradients:
    @each_activation
    @settings(max_examples=3)
    @given(case=cases(), inputs=st.integers(1, 3), of_logits=st.booleans())
    def test_every_entry_by_complex_step(self, activation, case, inputs, of_logits):
        net, values, x = built(case, inputs, activation, head="tanh")
        y, _, tape = net.forward(x, case.state, case.lengths)
        dy = case.rng("dy of the network").standard_normal(y.shape)
        dy = np.where(case.real_steps[..., None], dy, 0.0)
        upstream = {"dlogits": dy} if of_logits else {"dy": dy}
        grads = net.backward(tape, dstate=case.dstate, **upstream)
        gradient = derivatives.gradient_point(grads)

        point = derivatives.make_point(x, initial_state(case), values)
        model = ReferenceModel(case, activation, "tanh", "all")
        states = [array for pair in case.dstate for array in pair]
        unused = np.zeros_like(dy)
        weights = [unused, dy, *states] if of_logits else [dy, unused, *states]
        for name in point:
            exact = derivatives.entry_gradient(model.run, weights, point, name)
            assert_close(gradient[name], exact, COMPLEX_STEP, name)
        assert not grads.x[~case.real_steps].any()

    @pytest.mark.parametrize("recompute", [False, True])
    def test_bits_whatever_is_asked_for(self, rng, dtype, recompute):
        net = peephole.Network(
            3, [5, 4], 2, input_dense_size=6, input_activation="tanh", dtype=dtype, dropout=0.3,
            bidirectional=True, seed=0,
        )  # fmt: skip
        x, dy = (rng.standard_normal((4, 30, n)).astype(dtype) for n in (3, 2))
        lengths = [30, 7, 0, 19]
        _, _, tape = net.forward(x, None, lengths, seed=1)
        _, _, other = net.forward(x, None, lengths, seed=1, recompute=recompute)
        expected, found = net.backward(tape, dy), net.backward(other, dy, inputs=False)
        assert found.x is None
        for name, value in expected.parameters.items():
            assert_identical(found.parameters[name], value, name)
        assert recompute == (other.nbytes < tape.nbytes)

    def test_masked_weights_have_no_gradient(self, rng):
        mask = np.eye(4, 3, dtype=bool)
        net = peephole.Network(3, 5, 2, input_dense_size=4, masks={"input.weight": mask}, seed=0)
        assert not net.parameters["input.weight"][~mask].any()
        y, _, tape = net.forward(rng.standard_normal((2, 5, 3)))
        gradient = net.backward(tape, np.ones_like(y)).parameters["input.weight"]
        assert not gradient[~mask].any()
        assert gradient[mask].all()

    def test_second_derivatives(self):
        case = Case(SMOOTH, batch=3, time=4, lengths=(4, 0, 2), seed=5)
        net, values, x = built(case, 2, "tanh", dropout=0.3)
        case.__dict__["x"] = x  # of which `difference` makes its points
        point = {**point_of(case), **values, "x": x}
        direction = derivatives.random_direction(case.rng("v"), point, list(point))
        y, _, tape = net.forward(x, case.state, case.lengths, seed=9)
        dy = case.rng("dy").standard_normal(y.shape)
        gradients, moved = net.backward_jvp(tape, tangents_of(direction), dy, case.dstate)

        def backward(of):
            return net.backward(of, dy, case.dstate)

        expected = derivatives.gradient_point(backward(tape))
        for name, value in derivatives.gradient_point(gradients).items():
            assert_close(value, expected[name], REFERENCE["float64"], name)
        found = difference(case, net, direction, backward, seed=9)
        assert_close(flat(found), flat(derivatives.gradient_point(moved)), HESSIAN)

    def test_weight_decay_acts_on_the_weights_alone(self):
        net = peephole.Network(3, 5, 2, input_dense_size=4, dtype="float64", seed=0)
        net.parameters["input.bias"] = np.ones(4)
        before = {name: np.array(net.parameters[name]) for name in net.parameters}
        rule = optim.AdamW(net.parameters, 0.1, weight_decay=0.5)
        rule.step({name: np.zeros_like(value) for name, value in before.items()})
        assert_close(net.parameters["input.weight"], 0.95 * before["input.weight"], 1e-15)
        assert_identical(net.parameters["input.bias"], before["input.bias"], "bias")


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


class TestUses:
    """What works with a network, and not with its LSTM alone."""

    def test_gate_activities(self, rng):
        net = peephole.Network(
            3, [4, 5], 2, input_dense_size=6, input_activation="tanh", zoneout=0.2, seed=0
        )
        x = rng.standard_normal((7, 3)).astype(np.float32)
        found = peephole.inspection.gate_activities(net, x, layer=0)
        u = dense("tanh", {n: np.array(net.parameters[n]) for n in net.parameters}, x[None])[0]
        expected = peephole.inspection.gate_activities(net.lstm, u, layer=0)
        for name in ("i", "f", "g", "o", "c", "h"):
            assert_close(getattr(found, name), getattr(expected, name), 1e-5, name)
        last = peephole.inspection.gate_activities(net, x)
        y = last.h @ net.parameters["head.weight"].T + net.parameters["head.bias"]
        assert_close(net.predict(x), y, 1e-5, "y")
        with pytest.raises(ValueError, match=r"x: expected \(time, 3\)"):
            peephole.inspection.gate_activities(net, u)

    def test_a_trace_has_no_gradients(self, rng):
        net = peephole.Network(3, 4, 2, input_dense_size=6, dtype="float64", seed=0)
        x = rng.standard_normal((2, 5, 3))
        y, logits, _, tape = net._core.trace(x)
        assert_identical(y, net.predict(x), "y")
        assert_identical(logits, y, "logits")
        with pytest.raises(ValueError, match="tape"):
            net._core.backward(tape, dy=y)

    def test_truncated_backpropagation_of_last_steps(self, rng):
        """The steps before them are run for their state alone."""
        net = peephole.Network(3, 4, 1, readout="last", input_dense_size=6, seed=0)
        x, y = rng.standard_normal((6, 20, 3)), rng.standard_normal((6, 1))
        losses = net.fit(x, y, epochs=3, tbptt=5, seed=0, progress=False).loss
        assert losses[-1] < losses[0]

    def test_generation(self, rng):
        net = peephole.Network(2, 4, 2, input_dense_size=6, input_activation="relu", seed=0)
        x = rng.standard_normal((3, 5, 2)).astype(np.float32)
        y = net.generate(x, steps=4)
        expected = net.predict(x)[:, -1:]
        assert_close(np.asarray(y)[:, :1], expected, 1e-6, "first step")


class TestFiles:
    def test_a_file_without_the_layer_says_nothing_of_it(self, tmp_path):
        peephole.Network(2, 3, 1, seed=0).save(tmp_path / "model")
        assert b"input_dense" not in (tmp_path / "model").read_bytes()
        assert b"input_activation" not in (tmp_path / "model").read_bytes()

    def test_round_trips(self, tmp_path, rng):
        net = peephole.Network(2, 3, 1, input_dense_size=4, input_activation="softsign", seed=0)
        net.save(tmp_path / "model")
        x = rng.standard_normal((2, 5, 2))
        for other in (peephole.load(tmp_path / "model"), pickle.loads(pickle.dumps(net))):
            assert other.options == net.options
            assert_identical(other.predict(x), net.predict(x), "y")

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"input_dense_size": 5}, "input.weight.*|weight_ih_l0"),
            ({"input_dense_size": 0}, "input_dense_size cannot be 0"),
            ({"input_dense_size": -1}, "input_dense_size cannot be -1"),
            ({"input_dense_size": 2**62}, "input_dense_size"),
            ({"input_dense_size": "4"}, "input_dense_size"),
            ({"input_dense_size": [4]}, "input_dense_size cannot be"),
            ({"input_activation": "gelu"}, "input_activation: expected one of"),
            ({"input_activation": 1}, "input_activation cannot be 1"),
        ],
    )
    def test_forged_options(self, tmp_path, change, said):
        path = tmp_path / "model"
        peephole.Network(2, 3, 1, input_dense_size=4, input_activation="tanh", seed=0).save(path)
        content = path.read_bytes()
        size = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + size])
        about = header["__metadata__"]
        about["options"] = json.dumps(json.loads(about["options"]) | change)
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])
        with pytest.raises(ValueError, match=said):
            peephole.load(path)

    def test_checkpoints(self, tmp_path, rng):
        """Training that is resumed ends with the same bits."""
        x, y = rng.standard_normal((8, 6, 2)), rng.standard_normal((8, 6, 1))

        def network():
            return peephole.Network(2, 3, 1, input_dense_size=4, input_activation="relu", seed=0)

        whole, parts, place = network(), network(), tmp_path / "run"
        fit = {"progress": False, "seed": 1, "batch_size": 3}
        whole.fit(x, y, epochs=4, **fit)
        parts.fit(x, y, epochs=2, checkpoint=place, **fit)
        again = load_checkpoint(place)
        assert again.options == parts.options
        assert_identical(again.predict(x), parts.predict(x), "y of the checkpoint")
        again.fit(x, y, epochs=4, checkpoint=place, resume=True, **fit)
        for name in whole.parameters:
            assert_identical(again.parameters[name], whole.parameters[name], name)


class TestWrongOptions:
    @pytest.mark.parametrize(
        ("options", "error", "said"),
        [
            (
                {"input_dense_size": 0},
                ValueError,
                r"input_dense_size: expected an integer in 1\.\..*got 0",
            ),
            ({"input_dense_size": -3}, ValueError, "input_dense_size: expected an integer"),
            ({"input_dense_size": 2.0}, TypeError, "input_dense_size: expected an integer, got"),
            ({"input_dense_size": True}, TypeError, "input_dense_size: expected an integer, got"),
            ({"input_dense_size": "4"}, TypeError, "input_dense_size: expected an integer, got"),
            ({"input_dense_size": 2**28}, ValueError, "input_dense_size: expected an integer in"),
            (
                {"input_dense_size": 4, "input_activation": "softmax"},
                ValueError,
                "input_activation: expected one of sigmoid, .*softmax",
            ),
            ({"input_dense_size": 4, "input_activation": None}, TypeError, "input_activation: "),
            (
                {"input_activation": "tanh"},
                ValueError,
                "input_activation: expected identity without input_dense_size, got tanh",
            ),
        ],
    )
    def test_refused(self, options, error, said):
        with pytest.raises(error, match=said):
            peephole.Network(2, 3, 1, **options)

    def test_of_networks_alone(self):
        with pytest.raises(TypeError, match="input_dense_size"):
            peephole.LSTM(2, 3, input_dense_size=4)
        with pytest.raises(TypeError, match="input_dense_size"):
            _core.LSTMFloat32(2, [3], input_dense_size=4)

    def test_x_has_the_features_of_the_network(self):
        net = peephole.Network(2, 3, 1, input_dense_size=4)
        with pytest.raises(ValueError, match=r"x: expected \(batch, time, 2\), got \(1, 5, 4\)"):
            net.predict(np.zeros((1, 5, 4)))
        with pytest.raises(ValueError, match="x: "):
            net.stream().step(np.zeros(4))

"""A dense layer before the LSTM in training, inspection and files; wrong options."""

import json
import pickle

import numpy as np
import peephole
import pytest
from peephole import _core
from peephole.training import load_checkpoint
from support.dense_input import dense
from support.tolerances import assert_close, assert_identical


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

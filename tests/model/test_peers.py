"""The same numbers as other LSTMs, where they have the same model."""

import numpy as np
import peephole
import pytest
from support.strategies import fill
from support.tolerances import PEERS, assert_close

INPUTS, SEQUENCES, STEPS = 5, 4, 9


def random_state(rng, sizes):
    return [tuple(rng.uniform(-1, 1, (2, SEQUENCES, H))) for H in sizes]


class TestTorch:
    """torch.nn.LSTM has no peepholes, and two biases that count as their sum."""

    torch = None

    @pytest.fixture(autouse=True)
    def _torch(self):
        self.torch = pytest.importorskip("torch", reason="compares with torch.nn.LSTM")

    def pair(self, dtype, units=6, layers=1, bidirectional=False, bias=True):
        """torch's layer and ours, with equal weights."""
        torch = self.torch
        torch.manual_seed(0)
        theirs = torch.nn.LSTM(
            INPUTS,
            units,
            layers,
            bias=bias,
            bidirectional=bidirectional,
            batch_first=True,
            dtype=getattr(torch, dtype),
        )
        ours = peephole.LSTM(
            INPUTS,
            units,
            layers,
            peephole="none",
            bias=bias,
            bidirectional=bidirectional,
            dtype=dtype,
        )
        for name in ours.parameters:
            if name.startswith("bias"):
                of_both = [name.replace("bias", f"bias_{kind}") for kind in ("ih", "hh")]
                value = sum(getattr(theirs, each) for each in of_both)
            else:
                value = getattr(theirs, name)
            ours.parameters[name] = value.detach().numpy()
        return theirs, ours

    def compare(self, rng, dtype, theirs, ours, with_state=True, lengths=None, cancellation=1):
        torch, tolerance = self.torch, PEERS[dtype] * cancellation
        sizes = list(ours.hidden_sizes) * (2 if ours.bidirectional else 1)
        x = rng.standard_normal((SEQUENCES, STEPS, INPUTS)).astype(dtype)
        dy = rng.standard_normal((SEQUENCES, STEPS, ours.output_size)).astype(dtype)
        state, dstate = random_state(rng, sizes), random_state(rng, sizes)

        def stacked(pairs):
            """(L*D, B, H) tensors of h and of c."""
            arrays = [np.stack([pair[which] for pair in pairs]) for which in (0, 1)]
            return [torch.tensor(array.astype(dtype), requires_grad=True) for array in arrays]

        x_theirs = torch.tensor(x, requires_grad=True)
        initial = stacked(state) if with_state else None
        inputs = x_theirs
        if lengths is not None:
            inputs = torch.nn.utils.rnn.pack_padded_sequence(
                x_theirs, torch.tensor(lengths), batch_first=True, enforce_sorted=False
            )
            dy[np.arange(STEPS) >= np.array(lengths)[:, None]] = 0
        y_theirs, final_theirs = theirs(inputs, initial)
        if lengths is not None:
            y_theirs, _ = torch.nn.utils.rnn.pad_packed_sequence(
                y_theirs, batch_first=True, total_length=STEPS
            )
        loss = (y_theirs * torch.tensor(dy)).sum()
        for final, gradient in zip(final_theirs, stacked(dstate), strict=True):
            loss = loss + (final * gradient.detach()).sum()
        loss.backward()

        y, final, tape = ours.forward(x, state if with_state else None, lengths)
        grads = ours.backward(tape, dy, dstate)
        assert_close(y, y_theirs.detach().numpy(), tolerance, "y")
        assert_close(grads.x, x_theirs.grad.numpy(), tolerance, "gradient of x")
        for which, letter in enumerate("hc"):
            own = np.stack([pair[which] for pair in final])
            assert_close(own, final_theirs[which].detach().numpy(), tolerance, "final " + letter)
            if with_state:
                own = np.stack([pair[which] for pair in grads.state])
                expected = initial[which].grad.numpy()
                assert_close(own, expected, tolerance, "gradient of initial " + letter)
        for name, gradient in grads.parameters.items():
            their_name = name.replace("bias", "bias_ih")
            expected = getattr(theirs, their_name).grad.numpy()
            assert_close(gradient, expected, tolerance, "gradient of " + name)

    @pytest.mark.parametrize("bidirectional", [False, True], ids=["forward", "bidirectional"])
    @pytest.mark.parametrize("layers", [1, 3])
    @pytest.mark.parametrize("lengths", [None, (9, 1, 4, 9)], ids=["full", "ragged"])
    def test_forward_and_gradients(self, rng, dtype, layers, bidirectional, lengths):
        theirs, ours = self.pair(dtype, layers=layers, bidirectional=bidirectional)
        self.compare(rng, dtype, theirs, ours, lengths=lengths)

    def test_without_state(self, rng, dtype):
        self.compare(rng, dtype, *self.pair(dtype), with_state=False)

    def test_without_bias(self, rng, dtype):
        self.compare(rng, dtype, *self.pair(dtype, bias=False))

    @pytest.mark.parametrize("units", [1, 16, 37])
    def test_sizes(self, rng, dtype, units):
        # The gradient of one unit is a single sum of both signs: in float32 one in a hundred, of
        # either library, is more than 2e-6 from float64's.
        cancellation = 5 if units == 1 else 1
        self.compare(
            rng, dtype, *self.pair(dtype, units=units, layers=2), cancellation=cancellation
        )


# ONNX orders gates i, o, f, c and peepholes i, o, f; the library i, f, g, o.
GATES_OF_ONNX = (0, 3, 1, 2)
PEEPHOLES_OF_ONNX = (0, 3, 1)

ONNX_NAMES = {
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "relu": "Relu",
    "softsign": "Softsign",
    "softplus": "Softplus",
    "hard_sigmoid": "HardSigmoid",
}


def in_onnx_order(array, order):
    gates = np.split(array, 4)
    return np.concatenate([gates[gate] for gate in order])


class TestOnnxRuntime:
    """The LSTM of ONNX: diagonal peepholes on i, f and o; o reads c_t."""

    UNITS = 6

    @pytest.fixture(autouse=True)
    def _onnx(self):
        self.onnx = pytest.importorskip("onnx", reason="builds the models of ONNX Runtime")
        self.runtime = pytest.importorskip("onnxruntime", reason="compares with its LSTM")

    def their_results(self, ours, direction, x, lengths, state, attributes):
        """Y (T, D, B, H), Y_h and Y_c (D, B, H) of ONNX Runtime with our weights."""
        onnx = self.onnx
        suffixes = {"forward": [""], "reverse": [""], "bidirectional": ["", "_reverse"]}[direction]

        def weights(name, order):
            each = [in_onnx_order(np.array(ours.parameters[name + s]), order) for s in suffixes]
            return np.stack([a.reshape(-1) if name == "weight_ch_l0" else a for a in each])

        bias = weights("bias_l0", GATES_OF_ONNX)
        feeds = {
            "X": x.transpose(1, 0, 2),
            "W": weights("weight_ih_l0", GATES_OF_ONNX),
            "R": weights("weight_hh_l0", GATES_OF_ONNX),
            "B": np.concatenate([bias, np.zeros_like(bias)], axis=1),
            "sequence_lens": np.array(lengths, np.int32),
            "initial_h": np.stack([h for h, _ in state]),
            "initial_c": np.stack([c for _, c in state]),
            "P": weights("weight_ch_l0", PEEPHOLES_OF_ONNX),
        }
        feeds = {k: np.ascontiguousarray(v) for k, v in feeds.items()}
        feeds = {k: v if k == "sequence_lens" else v.astype(np.float32) for k, v in feeds.items()}
        helper, types = onnx.helper, onnx.TensorProto
        outputs = ["Y", "Y_h", "Y_c"]
        node = helper.make_node(
            "LSTM",
            list(feeds),
            outputs,
            hidden_size=self.UNITS,
            direction=direction,
            **attributes,
        )
        graph = helper.make_graph(
            [node],
            "lstm",
            [
                helper.make_tensor_value_info(
                    k, types.INT32 if k == "sequence_lens" else types.FLOAT, v.shape
                )
                for k, v in feeds.items()
            ],
            [helper.make_tensor_value_info(k, types.FLOAT, None) for k in outputs],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)])
        model.ir_version = 8
        session = self.runtime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )
        return session.run(outputs, feeds)

    def compare(self, rng, direction="forward", lengths=None, attributes=None, **options):
        ours = peephole.LSTM(
            INPUTS,
            self.UNITS,
            peephole_gates="ifo",
            output_peephole="current",
            bidirectional=direction == "bidirectional",
            **options,
        )
        fill(ours, {n: rng.uniform(-0.8, 0.8, ours.parameters.shape(n)) for n in ours.parameters})
        directions = 2 if ours.bidirectional else 1
        lengths = [STEPS] * SEQUENCES if lengths is None else lengths
        x = rng.standard_normal((SEQUENCES, STEPS, INPUTS)).astype(np.float32)
        state = random_state(rng, [self.UNITS] * directions)
        theirs = self.their_results(ours, direction, x, lengths, state, attributes or {})
        expected = theirs[0].transpose(2, 0, 1, 3).reshape(SEQUENCES, STEPS, -1)

        def turned(sequences):
            """Each reversed within its length, for a lone reverse direction."""
            result = sequences.copy()
            for b, length in enumerate(lengths):
                result[b, :length] = sequences[b, :length][::-1]
            return result

        reverse = direction == "reverse"
        y, final = ours(turned(x) if reverse else x, state, lengths)
        tolerance = PEERS["float32"]
        assert_close(turned(y) if reverse else y, expected, tolerance, "Y")
        for d in range(directions):
            assert_close(final[d][0], theirs[1][d], tolerance, "Y_h")
            assert_close(final[d][1], theirs[2][d], tolerance, "Y_c")

    @pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
    @pytest.mark.parametrize("lengths", [None, (9, 1, 4, 7)], ids=["full", "ragged"])
    def test_directions(self, rng, direction, lengths):
        self.compare(rng, direction, lengths)

    @pytest.mark.parametrize("gates", ["hard_sigmoid", "sigmoid"])
    @pytest.mark.parametrize("cell", ["softsign", "relu", "tanh", "softplus"])
    def test_activations(self, rng, gates, cell):
        """ONNX has one activation for i, f and o, one for the cell input, one for its output."""
        names = [ONNX_NAMES[gates], ONNX_NAMES[cell], ONNX_NAMES["tanh"]]
        activations = {"i": gates, "f": gates, "o": gates, "g": cell, "c": "tanh"}
        self.compare(rng, attributes={"activations": names}, activations=activations)

    def test_activations_of_both_directions(self, rng):
        activations = {"g": "softsign", "c": "relu"}
        names = ["Sigmoid", "Softsign", "Relu"] * 2
        self.compare(
            rng, "bidirectional", attributes={"activations": names}, activations=activations
        )

    def test_input_forget(self, rng):
        self.compare(rng, attributes={"input_forget": 1}, coupled_input_forget=True)

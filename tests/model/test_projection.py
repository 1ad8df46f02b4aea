"""Layers with a recurrent projection (LSTMP): PyTorch's numbers, equal bits, bad options."""

import json

import numpy as np
import peephole
import peephole.interop
import pytest
from safetensors.numpy import save as serialise
from support.model_files import contents
from support.tolerances import PEERS, assert_close, assert_identical

ISAS = peephole.build_info()["isas"]
I, T = 5, 11  # noqa: E741


@pytest.fixture
def isa(request, runtime_as_before):
    peephole.set_isa(request.param)


def random_pairs(rng, lstm, batch):
    """(h, c) for each layer and direction."""
    directions = 2 if lstm.bidirectional else 1
    P, dtype = lstm.projection_size, lstm.dtype
    return [
        (rng.uniform(-1, 1, (batch, P)).astype(dtype), rng.uniform(-1, 1, (batch, H)).astype(dtype))
        for H in lstm.hidden_sizes
        for _ in range(directions)
    ]


def stacked(pairs):
    """H and c as PyTorch has them, (L * D, B, ...)."""
    return [np.stack(arrays) for arrays in zip(*pairs, strict=True)]


class TestTorch:
    """`torch.nn.LSTM` with proj_size."""

    @pytest.fixture(autouse=True)
    def _torch(self):
        self.torch = pytest.importorskip("torch", reason="compares with torch.nn.LSTM")

    @pytest.mark.parametrize("isa", ISAS, indirect=True)
    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    @pytest.mark.parametrize(
        ("units", "projection", "layers", "bidirectional", "batch"),
        [(6, 2, 1, False, 4), (7, 1, 3, True, 4), (40, 24, 2, False, 1), (70, 69, 1, True, 9)],
    )
    def test_values_and_gradients(
        self, rng, isa, dtype, units, projection, layers, bidirectional, batch
    ):
        torch = self.torch
        torch.manual_seed(0)
        options = {"bidirectional": bidirectional, "batch_first": True, "proj_size": projection}
        theirs = torch.nn.LSTM(I, units, layers, dtype=getattr(torch, dtype), **options)
        ours = peephole.interop.from_torch(theirs)
        assert (ours.projection_size, ours.dtype) == (projection, dtype)

        x = rng.standard_normal((batch, T, I)).astype(dtype)
        dy = rng.standard_normal((batch, T, ours.output_size)).astype(dtype)
        state, dstate = random_pairs(rng, ours, batch), random_pairs(rng, ours, batch)
        y, final, tape = ours.forward(x, state)
        grads = ours.backward(tape, dy, dstate)

        leaves = [torch.from_numpy(a) for a in (x, *stacked(state))]
        for leaf in leaves:
            leaf.requires_grad_()
        out, final_of_torch = theirs(leaves[0], tuple(leaves[1:]))
        results = [out, *final_of_torch]
        upstream = [torch.from_numpy(a) for a in (dy, *stacked(dstate))]
        torch.autograd.backward(results, upstream)

        tolerance = PEERS[dtype]
        assert_close(y, out.detach().numpy(), tolerance, "y")
        for name, actual, wanted in zip("hc", stacked(final), final_of_torch, strict=True):
            assert_close(actual, wanted.detach().numpy(), tolerance, name)
        assert_close(grads.x, leaves[0].grad.numpy(), tolerance, "dx")
        for name, actual, wanted in zip("hc", stacked(grads.state), leaves[1:], strict=True):
            assert_close(actual, wanted.grad.numpy(), tolerance, f"d{name}")
        for name, gradient in grads.parameters.items():
            wanted = getattr(theirs, name.replace("bias_", "bias_ih_")).grad.numpy()
            assert_close(gradient, wanted, tolerance, name)

    def test_lengths(self, rng):
        """As packed sequences."""
        torch = self.torch
        theirs = torch.nn.LSTM(I, 9, 2, bidirectional=True, batch_first=True, proj_size=4)
        ours = peephole.interop.from_torch(theirs)
        lengths = np.array([3, T, 1, 7])
        x = rng.standard_normal((4, T, I)).astype("f4")
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            torch.from_numpy(x), torch.from_numpy(lengths), batch_first=True, enforce_sorted=False
        )
        with torch.no_grad():
            out, _ = theirs(packed)
        expected, _ = torch.nn.utils.rnn.pad_packed_sequence(out, batch_first=True)
        assert_close(ours(x, lengths=lengths)[0], expected.numpy(), PEERS["float32"])


CELLS = [
    {"peephole": "diagonal"},
    {"peephole": "dense", "output_peephole": "current"},
    {"peephole": "none", "projection_clip": 0.1},
    {"peephole": "diagonal", "activations": {"c": "softplus"}, "zoneout": 0.2},
]


@pytest.mark.parametrize("isa", ISAS, indirect=True)
@pytest.mark.parametrize("options", CELLS, ids=lambda options: options["peephole"])
@pytest.mark.parametrize(("units", "projection"), [(9, 1), (40, 8), (40, 23), (150, 70)])
class TestBits:
    """The same bits alone, in a batch, in chunks, in a stream, and on any number of threads."""

    def test_chunks_and_streams(self, rng, isa, options, units, projection):
        lstm = peephole.LSTM(I, units, projection_size=projection, seed=0, **options)
        x = rng.standard_normal((7, T, I)).astype("f4")
        y, final = lstm(x)
        stream = lstm.stream(7)
        assert_identical(stream.process(x), y, "a stream of the batch")
        alone = lstm.stream()
        assert_identical(alone.process(x[3]), y[3], "a stream of one sequence")
        for (h, c), (h_stream, c_stream) in zip(final, alone.state, strict=True):
            assert_identical(h_stream[0], h[3])
            assert_identical(c_stream[0], c[3])
        first, state = lstm(x[2:5, :4])
        second, _ = lstm(x[2:5, 4:], state)
        assert_identical(np.concatenate([first, second], axis=1), y[2:5], "in chunks")

    def test_threads(self, rng, isa, options, units, projection):
        lstm = peephole.LSTM(I, units, projection_size=projection, seed=0, **options)
        for batch in (2, 14):
            x = rng.standard_normal((batch, 30, I)).astype("f4")
            found = []
            for threads in (1, 2, 3):
                peephole.set_num_threads(threads)
                y, _, tape = lstm.forward(x, seed=1)
                grads = lstm.backward(tape, np.cos(y))
                found.append([y, grads.x, *grads.parameters.values()])
            for others in found[1:]:
                for expected, array in zip(found[0], others, strict=True):
                    assert_identical(array, expected)


def test_infinite_inputs_stay_finite():
    """Units beyond H that fill up a vector, whose values are not numbers, are not read."""
    for units in (3, 9, 20):
        lstm = peephole.LSTM(1, units, projection_size=2, seed=0)
        x = np.full((1, 4, 1), np.inf, "f4")
        assert np.isfinite(lstm(x)[0]).all()
        assert np.isfinite(lstm.stream().process(x[0])).all()


@pytest.mark.parametrize("isa", ISAS, indirect=True)
def test_gradient_at_the_bound(isa):
    """0 where h was beyond the bound; passed on where it is within, and where it is equal to it."""
    # With the bias of g alone, c = tanh(20) / 2 = 0.5 and m = tanh(0.5) / 2 in all units.
    m = np.tanh(0.5) / 2
    weight = np.zeros((3, 4))
    weight[:, 0] = [0.4 / m, 0.5 / m, -0.6 / m]
    bias = np.zeros(16)
    bias[8:12] = 20.0

    def model(bound):
        lstm = peephole.LSTM(1, 4, projection_size=3, projection_clip=bound, dtype="float64")
        for name in lstm.parameters:
            values = {"bias_l0": bias, "weight_hr_l0": weight}
            lstm.parameters[name] = values.get(name, np.zeros(lstm.parameters.shape(name)))
        return lstm

    x = np.zeros((1, 1, 1))
    equal = model(0.55)(x)[0][0, 0, 1]  # 0.5 but for rounding
    lstm = model(equal)
    y, _, tape = lstm.forward(x)
    np.testing.assert_allclose(y[0, 0], [0.4, equal, -equal], rtol=1e-14)
    gradient = lstm.backward(tape, np.ones((1, 1, 3))).parameters["weight_hr_l0"]
    np.testing.assert_allclose(gradient, [[m] * 4, [m] * 4, [0] * 4], rtol=1e-14)


def test_initial_values():
    lstm = peephole.LSTM(3, 64, 2, projection_size=16, bidirectional=True, seed=0)
    for name in lstm.parameters:
        if name.startswith("weight_hr"):
            value = np.array(lstm.parameters[name])
            assert value.shape == (16, 64)
            assert 0.12 < np.abs(value).max() <= 1 / 8
    orthogonal = peephole.LSTM(3, 8, projection_size=5, recurrent_init="orthogonal", seed=0)
    for rows in np.split(np.array(orthogonal.parameters["weight_hh_l0"], np.float64), 4):
        np.testing.assert_allclose(rows.T @ rows, np.eye(5), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"projection_size": 4}, "projection_size: expected less than each hidden_size, 4, got 4"),
        ({"projection_size": 0}, "projection_size: expected an integer in 1.., got 0"),
        ({"projection_size": -1}, "projection_size: expected an integer in 1.., got -1"),
        (
            {"projection_size": 2, "projection_clip": 0.0},
            "projection_clip: expected none or a finite .*0",
        ),
        (
            {"projection_size": 2, "projection_clip": -1},
            "projection_clip: expected none or a finite .*-1",
        ),
        ({"projection_size": 2, "projection_clip": np.inf}, "projection_clip: .*, got inf"),
        ({"projection_size": 2, "projection_clip": np.nan}, "projection_clip: .*, got nan"),
        ({"projection_clip": 1.0}, "projection_clip: expected none without projection_size"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message.replace("1..,", r"1\.\.\d+,")):
        peephole.LSTM(2, [4, 7], **options)


@pytest.mark.parametrize("value", [True, 2.0, "2"])
def test_options_of_other_types(value):
    with pytest.raises(TypeError, match="projection_size: expected an integer"):
        peephole.LSTM(2, 4, projection_size=value)


def test_states_of_other_sizes(rng):
    lstm = peephole.LSTM(2, 4, projection_size=3, seed=0)
    x, h, c = np.zeros((2, 5, 2), "f4"), np.zeros((2, 3), "f4"), np.zeros((2, 4), "f4")
    lstm(x, [(h, c)])
    with pytest.raises(ValueError, match=r"state\[0\].h: expected \(2, 3\), got \(2, 4\)"):
        lstm(x, [(c, c)])
    with pytest.raises(ValueError, match=r"state\[0\].c: expected \(2, 4\), got \(2, 3\)"):
        lstm(x, [(h, h)])
    stream = lstm.stream(2)
    stream.state = [(h, c)]
    with pytest.raises(ValueError, match=r"state\[0\].h: expected \(2, 3\), got \(2, 4\)"):
        stream.state = [(c, c)]


@pytest.mark.parametrize(
    ("change", "name", "tensor", "message"),
    [
        (
            {"projection_size": 4},
            None,
            None,
            "projection_size: expected less than each hidden_size",
        ),
        ({"projection_size": 0}, None, None, "projection_size cannot be 0"),
        ({"projection_size": 2.0}, None, None, r"projection_size cannot be 2.0"),
        ({"projection_size": None}, None, None, "projection_size cannot be null"),
        ({"projection_size": [2]}, None, None, "projection_size cannot be a list"),
        ({"projection_size": 10**12}, None, None, "projection_size: expected an integer in"),
        ({"projection_size": 3}, None, None, r"weight_hh_l0.*\(16, 3\).*\(16, 2\)"),
        ({"projection_clip": -1}, None, None, "projection_clip cannot be -1"),
        (
            {"projection_clip": 0.0},
            None,
            None,
            "projection_clip: expected none or a finite number above 0",
        ),
        ({"projection_clip": "1"}, None, None, 'projection_clip cannot be "1"'),
        ({}, "weight_hr_l0", np.zeros((4, 2), "f4"), r"weight_hr_l0.*\(2, 4\).*\(4, 2\)"),
        ({}, "weight_hr_l0", np.zeros((4, 4), "f4"), r"weight_hr_l0.*\(2, 4\).*\(4, 4\)"),
        ({}, "weight_hr_l0", np.zeros(8, "f4"), r"weight_hr_l0.*\(2, 4\).*\(8,\)"),
        ({}, "weight_hr_l0", None, '"weight_hr_l0" is missing'),
        ({}, "weight_hr_l1", np.zeros((2, 4), "f4"), 'unknown tensor "weight_hr_l1"'),
    ],
)
def test_forged_files(tmp_path, change, name, tensor, message):
    path = tmp_path / "model"
    peephole.LSTM(3, 4, projection_size=2, projection_clip=0.5, seed=0).save(path)
    tensors, metadata = contents(path)
    options = {**json.loads(metadata["options"]), **change}
    if name is not None:
        tensors = {k: v for k, v in {**tensors, name: tensor}.items() if v is not None}
    path.write_bytes(serialise(tensors, {**metadata, "options": json.dumps(options)}))
    with pytest.raises(ValueError, match=message):
        peephole.load(path)


def test_files_without_the_options(tmp_path):
    """Models without a projection are written as before the options existed."""
    peephole.LSTM(3, 4, seed=0).save(tmp_path / "model")
    options = json.loads(contents(tmp_path / "model")[1]["options"])
    assert not {"projection_size", "projection_clip"} & options.keys()
    assert peephole.load(tmp_path / "model").projection_size is None

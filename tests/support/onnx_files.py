"""Random models, and ONNX files run by ONNX Runtime."""

import numpy as np
import peephole
import pytest
from peephole import interop
from reference import lstm as reference

ACTIVATIONS = sorted(reference.ACTIVATIONS)
OPTIONAL = 0.4  # probability of calls without state, or without lengths

# Small enough that unbounded activations in a stack stay within a few orders of magnitude.
LARGEST_WEIGHT = 0.4


def packages():
    """(onnx, onnxruntime), or the test is skipped."""
    onnx = pytest.importorskip("onnx", reason="writes and reads ONNX files")
    return onnx, pytest.importorskip("onnxruntime", reason="runs ONNX files")


def refused(data, match):
    """Checks that from_onnx refuses the bytes of a file."""
    with pytest.raises(ValueError, match=match):
        interop.from_onnx(data)


def random_options(rng):
    """Keyword options of LSTM over the whole option space, and among them many for the operator."""
    sizes = [int(n) for n in rng.integers(1, 6, rng.integers(1, 4))]
    options = {
        "peephole": str(rng.choice(["diagonal", "dense", "none"])),
        "peephole_gates": "".join(gate for gate in "ifgo" if rng.random() < 0.7),
        "output_peephole": str(rng.choice(["previous", "current"])),
        "bias": bool(rng.random() < 0.7),
        "coupled_input_forget": bool(rng.random() < 0.25),
        "bidirectional": bool(rng.random() < 0.5),
        "zoneout": float(rng.choice([0, 0, 0.3])),
        "dropout": 0.1,
        "initial_state": str(rng.choice(["zeros", "learned"])),
        "cell_clip": [None, None, 0.2][rng.integers(3)],
        "preactivation_clip": [None, 0.3][rng.integers(2)],
        "recurrent_dropout": float(rng.choice([0, 0.2])),
        "dtype": str(rng.choice(["float32", "float32", "float64"])),
    }
    if min(sizes) > 1 and rng.random() < 0.3:
        options["projection_size"] = int(rng.integers(1, min(sizes)))
        options["projection_clip"] = [None, 0.1][rng.integers(2)]
    if rng.random() < 0.4:
        options |= {"layer_norm": str(rng.choice(["gates", "products"]))}
        options |= {"layer_norm_cell": str(rng.choice(["state", "output", "none"]))}
        options |= {"layer_norm_epsilon": 1.0}  # so that rounding errors do not grow
    if rng.random() < 0.4:
        options |= {"zoneout": 0.0, "dtype": "float32", "output_peephole": "current"}
        options |= {"cell_clip": None}
        options |= {"peephole": str(rng.choice(["diagonal", "none"]))}
        options |= {"peephole_gates": "ifo"[: rng.integers(0, 4)]}
        f, g, h = (str(name) for name in rng.choice(ACTIVATIONS, 3))
        options["activations"] = {"i": f, "f": f, "o": f, "g": g, "c": h}
    elif rng.random() < 0.6:
        options["activations"] = [
            {k: str(rng.choice(ACTIVATIONS)) for k in "ifgoc" if rng.random() < 0.5} for _ in sizes
        ]
    return sizes, options


def random_model(rng):
    """An LSTM or a Network, some of whose weights may be masked."""
    sizes, options = random_options(rng)
    inputs = int(rng.integers(1, 5))
    if rng.random() < 0.6:
        make, arguments = peephole.Network, (inputs, sizes, int(rng.integers(1, 4)))
        options["head"] = str(rng.choice(["identity", "sigmoid", "tanh", "softmax"]))
        options["readout"] = str(rng.choice(["all", "last", "mean", "max"]))
        if rng.random() < 0.3:
            options["input_dense_size"] = int(rng.integers(1, 6))
            options["input_activation"] = str(rng.choice(ACTIVATIONS))
    else:
        make, arguments = peephole.LSTM, (inputs, sizes)
    shapes = {name: value.shape for name, value in make(*arguments, **options).parameters.items()}
    masked = [name for name in shapes if name.startswith("weight") and rng.random() < 0.3]
    masks = {name: rng.random(shapes[name]) < 0.6 for name in masked}
    model = make(*arguments, **options, masks=masks)
    for name, shape in shapes.items():
        value = rng.uniform(-LARGEST_WEIGHT, LARGEST_WEIGHT, shape)
        if name.startswith("weight_ch"):
            closed = [k for k, g in enumerate("ifgo") if g not in options["peephole_gates"]]
            value.reshape(4, -1)[closed] = 0
        if name in masks:
            value[~masks[name]] = 0
        model.parameters[name] = value
    return model


def random_call(model, rng):
    """(x, state, lengths) of a call."""
    batch, time = int(rng.integers(1, 4)), int(rng.integers(0, 7))
    x = rng.standard_normal((batch, time, model.input_size)).astype(model.dtype)
    state = lengths = None
    if rng.random() > OPTIONAL:
        state = [
            tuple(
                rng.uniform(-1, 1, (batch, size)).astype(model.dtype)
                for size in (model.projection_size or units, units)
            )
            for units in model.hidden_sizes
            for _ in range(1 + model.bidirectional)
        ]
    if rng.random() > OPTIONAL:
        lengths = rng.integers(0, time + 1, batch)
    return x, state, lengths


def suffixes(model):
    """The end of the names of each pair of the state."""
    directions = ["", "_reverse"] if model.bidirectional else [""]
    return [f"_l{k}{d}" for k in range(model.num_layers) for d in directions]


def session(path_or_bytes):
    """A session of ONNX Runtime that prints errors only."""
    _, runtime = packages()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    return runtime.InferenceSession(path_or_bytes, options)


def run(path_or_bytes, model, x, state=None, lengths=None):
    """(y, state) as ONNX Runtime computes them from an exported file."""
    feed = {"x": x}
    if lengths is not None:
        feed["lengths"] = np.asarray(lengths, np.int64)
    names = suffixes(model)
    for name, pair in zip(names, state or [], strict=False):
        feed |= {f"initial_h{name}": pair[0], f"initial_c{name}": pair[1]}
    runtime = session(path_or_bytes)
    outputs = [output.name for output in runtime.get_outputs()]
    found = dict(zip(outputs, runtime.run(None, feed), strict=True))
    return found["y"], [(found[f"final_h{n}"], found[f"final_c{n}"]) for n in names]


def assert_same_call(actual, expected, tolerance):
    """Both (y, state); errors relative to the scale: the largest value, or 1 if that is more.

    Gates and activations are of the order of 1, and so are the rounding errors of both sides.
    """
    pairs = [(actual[0], expected[0])]
    for found, wanted in zip(actual[1], expected[1], strict=True):
        pairs += zip(found, wanted, strict=True)
    for found, wanted in pairs:
        assert found.shape == wanted.shape
        assert found.dtype == wanted.dtype
        scale = max(1.0, np.abs(wanted).max(initial=0.0))
        error = np.abs(found.astype(float) - wanted).max(initial=0.0) / scale
        assert error <= tolerance, f"error {error:.2e}, at most {tolerance:.0e}"


def assert_same_model(actual, expected):
    """Equal class, options, masks and parameters."""
    assert type(actual) is type(expected)
    assert actual.options == expected.options
    assert {n: m.tolist() for n, m in actual.masks.items()} == {
        n: m.tolist() for n, m in expected.masks.items()
    }
    for name in expected.parameters:
        np.testing.assert_array_equal(actual.parameters[name], expected.parameters[name])

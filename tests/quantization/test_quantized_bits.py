"""The same bits of quantized models: instruction sets, threads, batches, pieces, streams."""

import numpy as np
import peephole
import pytest

FORMATS = [("int16", None), ("int8", None), ("int8", "int8")]
OPTIONS = [
    {},
    {"peephole": "dense"},
    {"peephole": "none", "bias": False},
    {"num_layers": 2, "bidirectional": True},
    {"activations": {"g": "relu", "c": "softsign"}, "cell_clip": 0.5, "preactivation_clip": 2.0},
    {"coupled_input_forget": True, "peephole_gates": "fo"},
    {"zoneout": 0.2},
    {"initial_state": "learned"},
]
FLOAT_PARTS = [  # computed in part in float32, whose sums depend on the instruction set
    {"projection_size": 7},
    {"peephole": "dense", "output_peephole": "current"},
    {"layer_norm": "gates"},
    {"layer_norm": "products", "layer_norm_cell": "output"},
    {"layer_norm": "gates", "layer_norm_cell": "none", "activations": {"g": "softsign"}},
]


def models(*sizes, **options):
    model = peephole.LSTM(*sizes, seed=1, **options)
    for format, input_format in FORMATS:
        yield model.quantize(format, input_format=input_format)


@pytest.fixture
def isa():
    chosen = peephole.build_info()["isa"]
    yield
    peephole.set_isa(chosen)


@pytest.fixture
def threads():
    number = peephole.build_info()["num_threads"]
    yield
    peephole.set_num_threads(number)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.usefixtures("isa")
def test_instruction_sets(options):
    rng = np.random.default_rng(0)
    for B, T, inputs, H in [(1, 5, 3, 1), (7, 6, 40, 20), (13, 4, 300, 65), (2, 3, 17, 131)]:
        x = rng.standard_normal((B, T, inputs)).astype("f4")
        lengths = rng.integers(0, T + 1, B)
        for model in models(inputs, H, **options):
            results = []
            for name in peephole.build_info()["isas"]:
                peephole.set_isa(name)  # "reference" stands for baseline here
                results.append(model(x, lengths=lengths)[0])
            for y in results[1:]:
                np.testing.assert_array_equal(y, results[0])


@pytest.mark.parametrize("options", OPTIONS + FLOAT_PARTS)
@pytest.mark.usefixtures("threads")
def test_threads_batches_and_pieces(options):
    rng = np.random.default_rng(0)
    for B, T, inputs, H in [(1, 9, 40, 160), (15, 8, 20, 20), (3, 7, 30, 150)]:
        x = rng.standard_normal((B, T, inputs)).astype("f4")
        for model in models(inputs, H, **options):
            peephole.set_num_threads(1)
            y, state = model(x)
            peephole.set_num_threads(2)
            np.testing.assert_array_equal(model(x)[0], y)
            np.testing.assert_array_equal(model(x[:1])[0], y[:1])
            if options.get("bidirectional"):
                continue
            first, middle = model(x[:, :4])
            rest, last = model(x[:, 4:], middle)
            np.testing.assert_array_equal(np.concatenate([first, rest], axis=1), y)
            for (h, c), (h_whole, c_whole) in zip(last, state, strict=True):
                np.testing.assert_array_equal(h, h_whole)
                np.testing.assert_array_equal(c, c_whole)


@pytest.mark.parametrize("options", [o for o in OPTIONS + FLOAT_PARTS if "bidirectional" not in o])
def test_streams_and_sessions(options):
    rng = np.random.default_rng(0)
    B, T, inputs = 3, 9, 30
    x = rng.standard_normal((B, T, inputs)).astype("f4")
    for model in models(inputs, 33, **options):
        y, _ = model(x)
        stream = model.stream(B)
        for t in range(3):
            np.testing.assert_array_equal(stream.step(x[:, t]), y[:, t])
        np.testing.assert_array_equal(stream.process(x[:, 3:]), y[:, 3:])
        single = model.stream()
        np.testing.assert_array_equal(single.process(x[0]), y[0])
        sessions = model.sessions(B)
        ids = [sessions.open() for _ in range(B)]
        for t in range(T):
            rows = rng.permutation(B)
            steps = sessions.step([ids[r] for r in rows], x[rows, t])
            np.testing.assert_array_equal(steps, y[rows, t])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [5, 40])
def test_not_finite(size, value):
    """What is not finite makes the later results of its sequence NaN, and no other's.

    With few inputs, which stay in float, an infinity gives finite results, as in any model.
    """
    x = np.random.default_rng(0).standard_normal((8, 6, size)).astype("f4")
    for model in models(size, 20):
        y, _ = model(x)
        changed = x.copy()
        changed[3, 2, 1] = value
        got, _ = model(changed)
        np.testing.assert_array_equal(got[3, :2], y[3, :2])
        if size > 16 or np.isnan(value):
            assert np.isnan(got[3, 2:]).all()
        others = np.arange(8) != 3
        np.testing.assert_array_equal(got[others], y[others])

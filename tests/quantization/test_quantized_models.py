"""Quantized models as models: copies, files, options, and what they refuse."""

import copy
import pickle

import numpy as np
import peephole
import pytest

FORMATS = {"int16": ("int16", None), "int8": ("int8", None), "int8_fast": ("int8", "int8")}


def network(**options):
    return peephole.Network(20, 64, 3, seed=0, head="softmax", **options)


def quantized(name, **options):
    format, input_format = FORMATS[name]
    return network(**options).quantize(format, input_format=input_format)


X = np.random.default_rng(0).standard_normal((4, 6, 20)).astype("f4")


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 2, "bidirectional": True}, {"input_dense_size": 18}]
)
def test_copies_and_files(name, options, tmp_path):
    model = quantized(name, **options)
    model.metadata["rate"] = "48000"
    assert model.quantization == model.options["quantization"] == name
    assert f"quantization='{name}'" in repr(model)
    assert model.dtype == np.float32
    y, _ = model(X)
    model.save(tmp_path / "model")
    copies = [
        copy.copy(model),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        peephole.load(tmp_path / "model"),
        peephole.Network.load(tmp_path / "model"),
    ]
    for other in copies:
        assert other.options == model.options
        assert other.metadata == model.metadata
        np.testing.assert_array_equal(other(X)[0], y)


def test_sizes_of_files(tmp_path):
    model = peephole.Network(64, 256, 1, seed=0)
    sizes = {}
    for name, (format, input_format) in FORMATS.items():
        model.quantize(format, input_format=input_format).save(tmp_path / name)
        sizes[name] = (tmp_path / name).stat().st_size
    model.save(tmp_path / "float32")
    whole = (tmp_path / "float32").stat().st_size
    assert sizes["int16"] < 0.53 * whole
    assert sizes["int8"] == pytest.approx(sizes["int8_fast"], abs=20)
    assert sizes["int8"] < 0.28 * whole


def test_scalings_are_kept(tmp_path):
    model = network()
    model.input_scaling = peephole.Standardiser().fit(X)
    other = model.quantize("int8")
    assert other.input_scaling is model.input_scaling
    other.save(tmp_path / "model")
    loaded = peephole.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded(X)[0], other(X)[0])
    assert loaded.input_scaling is not None


def test_constructor():
    """As if the model in floating point had been made and quantized."""
    direct = network(quantization="int8")
    np.testing.assert_array_equal(direct(X)[0], network().quantize("int8")(X)[0])
    with pytest.raises(ValueError, match="dtype: expected float32 with quantization, got float64"):
        network(quantization="int8", dtype="float64")
    with pytest.raises(ValueError, match="quantization: expected one of int16, int8, int8_fast"):
        network(quantization="int4")


def test_float64_is_rounded_first():
    model = network(dtype="float64")
    other = model.quantize("int16")
    assert other.dtype == np.float32
    single = peephole.Network(**{**model.options, "dtype": "float32"})
    for name in single.parameters:
        single.parameters[name] = model.parameters[name].astype("f4")
    np.testing.assert_array_equal(other(X)[0], single.quantize("int16")(X)[0])


def test_masks_stay():
    mask = np.ones((256, 20), bool)
    mask[::2, 3] = False
    model = network(masks={"weight_ih_l0": mask}).quantize("int8")
    np.testing.assert_array_equal(model.masks["weight_ih_l0"], mask)
    assert (model.parameters["weight_ih_l0"][~mask] == 0).all()
    assert (pickle.loads(pickle.dumps(model)).masks["weight_ih_l0"] == mask).all()


def test_gates_are_traced():
    model = quantized("int16")
    gates = peephole.inspection.gate_activities(model, X[0])
    y, _ = model.lstm(X[0])
    np.testing.assert_array_equal(gates["h"], y)
    again = gates["f"][1] * gates["c"][0] + gates["g"][1] * gates["i"][1]
    np.testing.assert_allclose(gates["c"][1], again, atol=1e-6)


def test_dequantize():
    model = quantized("int16")
    back = model.dequantize()
    assert back.quantization is None
    np.testing.assert_allclose(back(X)[0], model(X)[0], atol=1e-3)
    y, _, tape = back.forward(X)  # can be trained
    back.backward(tape, np.ones_like(y))
    with pytest.raises(ValueError, match="expected a quantized one, got one in floating point"):
        back.dequantize()


class TestRefused:
    def test_training(self):
        model = quantized("int8")
        labels = np.zeros((4, 6), int)
        with pytest.raises(ValueError, match='for inference only, got quantization "int8"'):
            model.forward(X)
        with pytest.raises(ValueError, match="for inference only"):
            model.fit(X, labels, epochs=1)
        with pytest.raises(ValueError, match="for inference only"):
            model.jvp(X, peephole.Tangents(x=X))
        with pytest.raises(ValueError, match="parameters: expected those of a model in floating"):
            peephole.optim.Adam(model.parameters)

    def test_formats(self):
        model = network()
        with pytest.raises(ValueError, match="format: expected int16 or int8, got 'int4'"):
            model.quantize("int4")
        with pytest.raises(TypeError, match="format: expected a string, got int"):
            model.quantize(8)
        with pytest.raises(ValueError, match="input_format: expected int16 or int8, got 'float'"):
            model.quantize("int8", input_format="float")
        with pytest.raises(ValueError, match='input_format: expected int16 with format "int16"'):
            model.quantize("int16", input_format="int8")
        with pytest.raises(ValueError, match="model: expected one in floating point"):
            model.quantize("int8").quantize("int8")

    @pytest.mark.parametrize(
        "options",
        [
            {"peephole": "dense"},
            {"projection_size": 5},
            {"cell_clip": 1.0},
            {"preactivation_clip": 1.0},
            {"zoneout": 0.1},
        ],
    )
    def test_layer_norm_with_what_has_no_kernels(self, options):
        with pytest.raises(ValueError, match="quantization: expected none with layer_norm and"):
            network(layer_norm="gates", **options).quantize("int8")

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    @pytest.mark.parametrize("name", ["weight_hh_l0", "bias_l0", "head.weight"])
    def test_parameters(self, name, value):
        model = network()
        model.parameters[name].flat[3] = value
        with pytest.raises(ValueError, match=f"{name}: expected finite values"):
            model.quantize("int16")

    def test_assignment(self):
        model = quantized("int16")
        weights = model.parameters["weight_hh_l0"]
        assert weights.dtype == np.int16
        with pytest.raises(ValueError, match="read-only"):
            weights[0, 0] = 1
        y, _ = model(X)
        with pytest.raises(
            TypeError, match="weight_hh_l0: expected an array of int16, got float64"
        ):
            model.parameters["weight_hh_l0"] = np.zeros((256, 64))
        with pytest.raises(ValueError, match=r"weight_hh_l0: expected \(256, 64\), got \(64, 64\)"):
            model.parameters["weight_hh_l0"] = np.zeros((64, 64), np.int16)
        with pytest.raises(ValueError, match="sums of products cannot overflow"):
            model.parameters["weight_hh_l0"] = np.full((256, 64), 32767, np.int16)
        np.testing.assert_array_equal(model(X)[0], y)
        model.parameters["weight_hh_l0"] = np.array(weights[::-1])
        assert not np.array_equal(model(X)[0], y)
        small = quantized("int8")
        with pytest.raises(ValueError, match="sums of products cannot overflow"):
            small.parameters["weight_hh_l0"] = np.full((256, 64), -128, np.int8)

"""Quantized models in other formats: their rounded weights in floating point, and a warning."""

import os
import warnings

import numpy as np
import peephole
import pytest
from peephole import interop
from support.refusals import refused
from support.tolerances import PEERS

X = np.random.default_rng(0).standard_normal((3, 9, 20)).astype(np.float32)


def network(**options):
    return peephole.Network(20, 24, 2, peephole="none", seed=0, **options)


def through_onnx(model, folder):
    path = str(folder / "model.onnx")
    interop.to_onnx(model, path)
    return interop.from_onnx(path)


def through_nam(model, folder):
    path = str(folder / "model.nam")
    interop.to_nam(model, path)
    return interop.from_nam(path)


def through_rtneural(model, folder):
    path = str(folder / "model.json")
    interop.to_rtneural(model, path)
    return interop.from_rtneural(path)


def through_torch(model, folder):
    return interop.from_torch(interop.to_torch(model))


def through_keras(model, folder):
    return interop.from_keras(interop.to_keras(model))


WAYS = {
    "onnx": (through_onnx, "onnx"),
    "nam": (through_nam, None),
    "rtneural": (through_rtneural, None),
    "torch": (through_torch, "torch"),
    "keras": (through_keras, "keras"),
}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras
@pytest.mark.parametrize("format", ["int16", "int8"])
@pytest.mark.parametrize("name", WAYS)
def test_weights_are_the_rounded_ones(name, format, tmp_path, monkeypatch):
    way, package = WAYS[name]
    if package == "keras":
        pytest.importorskip("torch")
        monkeypatch.setenv("KERAS_BACKEND", os.environ.get("KERAS_BACKEND", "torch"))
    if package is not None:
        pytest.importorskip(package)
    quantized = network().quantize(format)
    with pytest.warns(UserWarning, match=f"^model: .* rounded to {format}") as caught:
        other = way(quantized, tmp_path)
    ours = [warning for warning in caught if warning.category is UserWarning]
    assert [warning.filename for warning in ours] == [__file__]
    assert other.quantization is None and other.dtype == np.float32
    expected = quantized.dequantize()
    for parameter in expected.parameters:
        assert np.array_equal(other.parameters[parameter], expected.parameters[parameter])


@pytest.mark.parametrize("form", ["lstm", "scan"])
def test_runs_by_onnx_runtime(form, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    quantized = network(head="tanh").quantize("int8")
    path = str(tmp_path / "model.onnx")
    with pytest.warns(UserWarning, match="^model: "):
        interop.to_onnx(quantized, path, form, optional_inputs=False)
    y = onnxruntime.InferenceSession(path).run(["y"], {"x": X})[0]
    assert np.abs(y - quantized.dequantize().predict(X)).max() <= PEERS["float32"]
    assert 0 < np.abs(y - quantized.predict(X)).max() < 1e-2


def test_others_are_written_without_a_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert through_rtneural(network(), tmp_path).quantization is None


def test_what_a_format_lacks_is_refused_first(tmp_path):
    quantized = peephole.Network(20, 24, 2, seed=0).quantize("int8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"^peephole: "):
            interop.to_rtneural(quantized, tmp_path / "model.json")
        with refused(TypeError, "model"):
            interop.to_onnx(None, tmp_path / "model.onnx")

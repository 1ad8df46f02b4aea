"""Files made by foreign tools, in fixtures/: our models compute what those tools computed.

fixtures/make_*.py made the files, with the input x and the tool's own output y of each. Where a
tool is installed, it also runs the file here.
"""

import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import peephole
import pytest
from peephole import interop
from peephole.__main__ import main
from support.onnx_files import session
from support.tolerances import PEERS, assert_close

FOLDER = Path(__file__).parent / "fixtures"
MOST_BYTES, MOST_BYTES_OF_ALL = 50_000, 400_000


def stored(name):
    with np.load(FOLDER / f"{name}.npz") as file:
        return file["x"], file["y"]


def check(model, name):
    """That a model computes the stored output; returns the model."""
    x, y = stored(name)
    assert_close(model(x)[0], y, PEERS["float32"])
    return model


def test_torch_classifier():
    numpy = pytest.importorskip("safetensors.numpy")
    tensors = numpy.load_file(FOLDER / "speakers.safetensors")
    net = check(interop.from_torch(tensors, head="fc", readout="last"), "speakers")
    x, y = stored("speakers")
    stream = net.stream(len(x))
    logits = [stream.step(frames) for frames in x.swapaxes(0, 1)]
    assert_close(logits[-1], y, PEERS["float32"])


def test_torch_checkpoint_from_the_shell(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    out = tmp_path / "speakers.onnx"
    options = ["--lstm", "rnn", "--head", "fc", "--readout", "last"]
    assert main(["convert", str(FOLDER / "speakers.pt"), str(out), *options]) == 0
    check(interop.from_onnx(out), "speakers")


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("speakers_torchscript", "speakers"),
        ("speakers_dynamo", "speakers"),
        ("tf2onnx", "tf2onnx"),
        ("bidirectional", "bidirectional"),
    ],
)
class TestOnnx:
    def test_reads(self, file, name, onnx_packages):
        check(interop.from_onnx(FOLDER / f"{file}.onnx"), name)

    def test_agrees_with_onnx_runtime(self, file, name, onnx_packages):
        path = FOLDER / f"{file}.onnx"
        runtime, (x, _) = session(str(path)), stored(name)
        (y,) = runtime.run(None, {runtime.get_inputs()[0].name: x})
        assert_close(interop.from_onnx(path)(x)[0], y, PEERS["float32"])

    def test_written_again_agrees(self, file, name, onnx_packages, tmp_path):
        model, (x, y) = interop.from_onnx(FOLDER / f"{file}.onnx"), stored(name)
        interop.to_onnx(model, tmp_path / "again.onnx")
        found = session(str(tmp_path / "again.onnx")).run(["y"], {"x": x})[0]
        assert_close(found, y, PEERS["float32"])


def test_keras_3_writes_no_nodes_of_lstms(onnx_packages):
    with pytest.raises(ValueError, match=r"no LSTM node.*from_keras"):
        interop.from_onnx(FOLDER / "forecast.onnx")


KERAS = [
    ("forecast.keras", "forecast"),
    ("forecast.h5", "forecast"),
    ("keras_2.keras", "keras_2"),
    ("bidirectional.h5", "bidirectional"),
]


@pytest.mark.parametrize(("file", "name"), KERAS)
def test_keras(file, name):
    pytest.importorskip("h5py")
    check(interop.from_keras(FOLDER / file), name)


def test_gates_of_keras_2():
    pytest.importorskip("h5py")
    options = interop.from_keras(FOLDER / "keras_2.keras").options
    assert [names["i"] for names in options["activations"]] == ["hard_sigmoid"] * 2


RUN_KERAS = """
import sys
import keras, numpy as np
for path in sys.argv[2:]:
    model = keras.saving.load_model(path, compile=False)
    with np.load(sys.argv[1]) as file:
        y = model.predict(file["x"], verbose=0)
    np.save(path.rpartition("/")[2], y)
"""


def test_agrees_with_keras(tmp_path):
    pytest.importorskip("torch", reason="the backend of keras")
    paths = [str(FOLDER / f"forecast.{suffix}") for suffix in ("keras", "h5")]
    command = [sys.executable, "-c", RUN_KERAS, str(FOLDER / "forecast.npz"), *paths]
    environment = {**os.environ, "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    if "No module named 'keras'" in done.stderr:
        pytest.skip("needs keras")
    assert done.returncode == 0, done.stderr
    x, _ = stored("forecast")
    for path in paths:
        y = np.load(tmp_path / f"{Path(path).name}.npy")
        assert_close(interop.from_keras(path)(x)[0], y, PEERS["float32"])


def test_nam():
    net = interop.from_nam(FOLDER / "capture.nam")
    x, y = stored("capture")
    assert_close(net.predict(x), y, PEERS["float32"])
    stream = net.stream()
    assert any(np.any(part) for pair in stream.state for part in pair)
    assert_close(stream.process(x), y, PEERS["float32"])


def test_agrees_with_nam(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nam = pytest.importorskip(
            "nam.models._from_nam", reason="needs neural-amp-modeler, which reads our .nam file"
        )
        torch = pytest.importorskip("torch")
    net = interop.from_nam(FOLDER / "capture.nam")
    interop.to_nam(net, tmp_path / "again.nam")
    x, y = stored("capture")
    for path in (FOLDER / "capture.nam", tmp_path / "again.nam"):
        model = nam.init_from_nam(json.loads(path.read_text())).eval()
        with torch.no_grad():
            assert_close(model(torch.from_numpy(x[:, 0])).numpy(), y[:, 0], PEERS["float32"])


TF1 = {"head": "next_frame"}
ADDONS = {"head": "layer_with_weights-1"}


@pytest.mark.parametrize(
    ("file", "name", "options"),
    [
        ("variables.npz", "peephole", TF1),
        ("peephole.ckpt", "peephole", TF1),
        ("addons.ckpt", "addons", ADDONS),
    ],
)
def test_tensorflow(file, name, options):
    if file.endswith(".ckpt"):
        pytest.importorskip("tensorflow", reason="needs tensorflow, which reads checkpoints")
    net = check(interop.from_tensorflow(FOLDER / file, **options), name)
    assert net.options["peephole"] == "diagonal"


def checkpoint(folder, name="model.ckpt-60"):
    """The checkpoint peephole.ckpt under another name, with the step as Saver writes it."""
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(FOLDER / f"peephole.ckpt{suffix}", folder / f"{name}{suffix}")
    return folder / name


def test_tensorflow_names_of_checkpoints(tmp_path):
    pytest.importorskip("tensorflow", reason="needs tensorflow, which reads checkpoints")
    prefix = checkpoint(tmp_path)
    (tmp_path / "checkpoint").write_text(f'model_checkpoint_path: "{prefix.name}"')
    for suffix in ("", ".index", ".data-00000-of-00001"):
        check(interop.from_tensorflow(f"{prefix}{suffix}", **TF1), "peephole")
    check(interop.from_tensorflow(tmp_path, **TF1), "peephole")
    for suffix in ("", ".index"):
        out = tmp_path / "model.safetensors"
        main(["convert", f"{prefix}{suffix}", str(out), "--head", "next_frame"])
        check(peephole.load(out), "peephole")


def test_tensorflow_refuses_broken_checkpoints(tmp_path):
    pytest.importorskip("tensorflow", reason="needs tensorflow, which reads checkpoints")
    with pytest.raises(FileNotFoundError, match=r"none\.ckpt"):
        interop.from_tensorflow(tmp_path / "none.ckpt")
    prefix = checkpoint(tmp_path)
    index, data = (tmp_path / f"{prefix.name}{s}" for s in (".index", ".data-00000-of-00001"))
    good = index.read_bytes(), data.read_bytes()
    for broken in [
        (b"nonsense" * 100, good[1]),
        (good[0][:-100], good[1]),
        (good[0], good[1][:1000]),
        (good[0], bytes(b ^ 255 for b in good[1])),
    ]:
        index.write_bytes(broken[0])
        data.write_bytes(broken[1])
        with pytest.raises(ValueError, match="expected a checkpoint of TensorFlow"):
            interop.from_tensorflow(prefix)
    data.unlink()
    with pytest.raises(ValueError, match="expected a checkpoint of TensorFlow"):
        interop.from_tensorflow(prefix)


def test_chainer():
    with np.load(FOLDER / "chainer.npz") as file:
        check(interop.from_chainer(file, ["first", "second"]), "chainer_run")


def test_litert():
    path = FOLDER / "litert.tflite"
    model = interop.from_litert(path)
    assert model.options["cell_clip"] == 10
    check(model, "litert")
    model = interop.from_litert(path, ignore_cell_clip=True)
    assert model.options["cell_clip"] is None
    check(model, "litert")


def test_agrees_with_litert(tmp_path):
    litert = pytest.importorskip("ai_edge_litert.interpreter", exc_type=ImportError)
    engine = litert.Interpreter(model_path=str(FOLDER / "litert.tflite"))
    engine.allocate_tensors()
    x, _ = stored("litert")
    engine.set_tensor(engine.get_input_details()[0]["index"], x)
    engine.invoke()
    y = engine.get_tensor(engine.get_output_details()[0]["index"])
    out = tmp_path / "again.safetensors"
    arguments = [str(FOLDER / "litert.tflite"), str(out), "--ignore-cell-clip"]
    assert main(["convert", *arguments]) == 0
    assert_close(peephole.load(out).predict(x), y, PEERS["float32"])


def test_files_are_small_and_have_their_scripts():
    scripts = "".join(path.read_text() for path in FOLDER.glob("make_*.py"))
    files = [path for path in FOLDER.iterdir() if path.is_file() and path.suffix != ".py"]
    for path in files:
        assert path.stat().st_size <= MOST_BYTES
        assert path.name.partition(".data-")[0].removesuffix(".index") in scripts
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES_OF_ALL

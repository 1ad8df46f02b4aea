"""Random models to ONNX, through ONNX Runtime, and back."""

import numpy as np
import pytest
from peephole.interop import from_onnx, to_onnx
from support.onnx_files import (
    assert_same_call,
    assert_same_model,
    packages,
    random_call,
    random_model,
    run,
)
from support.tolerances import PEERS

MODELS = 240


@pytest.fixture(autouse=True)
def _packages():
    packages()


@pytest.mark.parametrize("seed", range(MODELS))
def test_random_models(seed, tmp_path):
    rng = np.random.default_rng(seed)
    model, path = random_model(rng), str(tmp_path / "model.onnx")
    form = "scan" if rng.random() < 0.3 else "auto"
    to_onnx(model, path, form)
    onnx, _ = packages()
    onnx.checker.check_model(path, full_check=True)
    proto = onnx.load(path)
    assert proto.ir_version == 8
    assert {entry.domain: entry.version for entry in proto.opset_import}[""] == 17
    call = random_call(model, rng)
    tolerance = PEERS[model.dtype.name]
    assert_same_call(run(path, model, *call), model(*call), tolerance)
    back = from_onnx(path)
    assert_same_model(back, model)


def test_both_forms_are_among_them():
    forms = set()
    for seed in range(40):
        model = random_model(np.random.default_rng(seed))
        try:
            to_onnx(model, "/dev/null/never", "lstm")
        except ValueError:
            forms.add("scan")
        except OSError:
            forms.add("lstm")
    assert forms == {"lstm", "scan"}

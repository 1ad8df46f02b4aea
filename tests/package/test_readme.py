"""The examples of the README work."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from peephole.__main__ import cmake_dir

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "code",
    blocks("python"),
    ids=[
        *("layer", "network", "training", "distributions", "generate", "scaling", "stream"),
        *("torch", "module", "classifier", "onnx", "jax", "sklearn"),
    ],
)
def test_python(code, tmp_path, monkeypatch):
    if "import torch" in code:
        pytest.importorskip("torch")
    if "import jax" in code:
        pytest.importorskip("jax")
    if "import onnxruntime" in code:
        pytest.importorskip("onnx", reason="writes ONNX files")
        pytest.importorskip("onnxruntime", reason="runs ONNX files")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


def test_cpp(tmp_path):
    """The README's program and CMakeLists.txt, against the library in the installed package."""
    if shutil.which("cmake") is None:
        pytest.skip("needs cmake")
    if not any(map(shutil.which, [os.environ.get("CXX", "c++"), "g++", "clang++"])):
        pytest.skip("needs a C++ compiler")
    (program,) = blocks("cpp")
    (project,) = blocks("cmake")
    source = tmp_path / "app"
    source.mkdir()
    (source / "app.cpp").write_text(program, encoding="utf-8")
    (source / "CMakeLists.txt").write_text(project, encoding="utf-8")
    build = tmp_path / "app-build"
    run("cmake", "-S", source, "-B", build, f"-Dpeephole_DIR={cmake_dir()}")
    run("cmake", "--build", build)
    assert "mean squared error" in run(build / "app")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

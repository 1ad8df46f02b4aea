"""The examples of README.md and the manual for type checkers."""

import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest
from support.pages import programs

# More code that users write, whose types an editor should know.
MORE = """
import numpy as np
import peephole

net = peephole.Network.load("a.safetensors")
number: float = net.score(np.zeros((1, 2, 3)), np.zeros((1, 1)))
width: int = net.output_size
lstm = peephole.LSTM.load("b.safetensors")
y, state = lstm(np.zeros((1, 2, 3)))
history = net.fit(np.zeros((1, 2, 3)), np.zeros((1, 1)), optimiser="sgd")
loss: float = history.loss[-1]
figure = history.plot()
figure.savefig("loss.png")
figure.show()


def stop(run: peephole.training.Run) -> None:
    if run.loss < 0.1:
        run.stop()


net.fit(np.zeros((1, 2, 3)), np.zeros((1, 1)), callbacks=stop)
"""
WRONG = """
import peephole

net = peephole.Network.load("a.safetensors")
net.fit([], [], optimizer="adam")
"""

# Packages whose own source would take most of the time; their types are Any.
SKIPPED = ("torch", "jax", "keras", "sklearn", "pandas", "dask", "distributed", "matplotlib")


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    codes = [
        code for program in programs() for language, code in program.steps() if language == "python"
    ]
    assert len(codes) >= 20
    for number, code in enumerate([*codes, MORE]):
        (folder / f"example_{number}.py").write_text(code, encoding="utf-8")
    return folder


def mypy(folder, *files):
    options = ["--strict", "--ignore-missing-imports", "--allow-untyped-calls"]
    options += ["--allow-untyped-defs", "--allow-incomplete-defs", "--allow-subclassing-any"]
    sections = [f"[mypy-{name},{name}.*]\nfollow_imports = skip\n" for name in SKIPPED]
    (folder / "mypy.ini").write_text("\n".join(["[mypy]", *sections]), encoding="utf-8")
    options += ["--config-file", folder / "mypy.ini"]
    command = [sys.executable, "-m", "mypy", *options, "--cache-dir", folder / "cache", *files]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def pyright(folder, *files):
    """Errors only: sklearn and others have no types, which it warns of."""
    command = [shutil.which("basedpyright") or shutil.which("pyright"), "--level", "error"]
    command += ["--pythonpath", sys.executable, *files]
    (folder / "pyrightconfig.json").write_text(
        '{"typeCheckingMode": "standard", "reportMissingImports": "none"}'
    )
    for name in (*SKIPPED, "dask/array"):
        stubs = folder / "typings" / name
        stubs.mkdir(parents=True, exist_ok=True)
        (stubs / "__init__.pyi").write_text("def __getattr__(name: str): ...")
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


CHECKERS = [
    pytest.param(
        mypy, marks=pytest.mark.skipif(find_spec("mypy") is None, reason="needs mypy"), id="mypy"
    ),
    pytest.param(
        pyright,
        marks=pytest.mark.skipif(
            not (shutil.which("basedpyright") or shutil.which("pyright")), reason="needs pyright"
        ),
        id="pyright",
    ),
]


@pytest.mark.parametrize("check", CHECKERS)
def test_examples(examples, check):
    done = check(examples, *sorted(examples.glob("example_*.py")))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("check", CHECKERS)
def test_a_mistake_is_found(tmp_path, check):
    (tmp_path / "wrong.py").write_text(WRONG)
    done = check(tmp_path, tmp_path / "wrong.py")
    assert done.returncode == 1
    assert "optimizer" in done.stdout

"""The code of README.md and of the manual runs, and their links lead somewhere."""

import ast
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from peephole.__main__ import cmake_dir
from support.pages import ROOT, blocks, pages, programs

PROGRAMS = programs()
SCRIPTS = [program for program in PROGRAMS if program.languages <= {"python", "sh"}]
COMPILED = [program for program in PROGRAMS if not program.languages <= {"python", "sh"}]
# Blocks that take minutes, need a device or a server, or change the installation.
MOST_NOT_RUN = 40
# What a program needs beside the packages that it imports.
NEEDS = {"to_onnx": "onnx", "to_keras": "keras", ".pt": "torch", ".keras": "keras"}
TEXTS = [
    *pages(),
    *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "bench/README.md")),
    *(ROOT / name for name in ("bench/tasks/README.md", "cpp/src/kernels/README.md")),
]


@pytest.mark.parametrize("program", [program.parameter() for program in SCRIPTS])
def test_script(program, tmp_path, monkeypatch):
    """Programs of Python and commands, each in a folder of its own."""
    for _, code in program.steps():
        needed(code)
    for language, code in program.steps():
        own_process = len(program.languages) > 1 or "__main__" in code or "peephole.set_" in code
        own_process |= "keras" in code  # its backend is chosen for the whole process
        if language == "sh":
            shell(code, tmp_path)
        elif own_process:  # it starts processes that import it, or changes settings of its process
            (tmp_path / "program.py").write_text(code, encoding="utf-8")
            backend = os.environ.get("KERAS_BACKEND", "torch")
            environment = {**os.environ, "KERAS_BACKEND": backend}
            run(sys.executable, "program.py", cwd=tmp_path, env=environment)
        else:
            monkeypatch.chdir(tmp_path)
            exec(compile(code, str(program.blocks[0]), "exec"), {"__name__": "page"})


def needed(code):
    """Skips the test where an optional package is missing."""
    imported = re.findall(r"^\s*(?:import|from) (\w+)", code, re.MULTILINE)
    extras = [package for sign, package in NEEDS.items() if sign in code]
    if "keras" in code:
        extras.append(os.environ.get("KERAS_BACKEND", "torch"))
    for package in {*imported, *extras} - set(sys.stdlib_module_names) - {"peephole", "program"}:
        if find_spec(package) is None:
            pytest.skip(f"needs {package}")
    if "peephole.jax" in code and find_spec("jax") is None:
        pytest.skip("needs jax")


def shell(code, folder):
    """Runs commands in a folder that has the examples, with this Python first."""
    for name in ("docs/examples", "cpp/examples"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run("bash", "-euo", "pipefail", "-c", code, cwd=folder, env={**os.environ, "PATH": path})


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with all programs of C++ and C, built as users build them; their names."""
    if shutil.which("cmake") is None:
        pytest.skip("needs cmake")
    if not any(map(shutil.which, [os.environ.get("CXX", "c++"), "g++", "clang++"])):
        pytest.skip("needs a C++ compiler")
    folder = tmp_path_factory.mktemp("compiled")
    lines = ["cmake_minimum_required(VERSION 3.21)", "project(pages C CXX)"]
    lines += ["find_package(peephole CONFIG REQUIRED)"]
    for program in COMPILED:
        block, *more = program.blocks
        if more:  # it has a CMakeLists.txt of its own
            continue
        name = str(block).replace("/", "-")
        (folder / f"{name}.{block.language}").write_text(block.code, encoding="utf-8")
        kind = "" if "int main" in block.code else " OBJECT"
        library = "peephole::c" if block.language == "c" else "peephole::peephole"
        lines += [
            f"add_{'library' if kind else 'executable'}({name}{kind} {name}.{block.language})"
        ]
        lines += [f"target_link_libraries({name} PRIVATE {library})"]
        lines += [f"target_compile_options({name} PRIVATE -Wall -Wextra -Werror)"]
    (folder / "CMakeLists.txt").write_text("\n".join(lines), encoding="utf-8")
    run("cmake", "-S", folder, "-B", folder / "build", f"-Dpeephole_DIR={cmake_dir()}")
    run("cmake", "--build", folder / "build", "--parallel", "2")
    return folder / "build"


@pytest.mark.parametrize("program", [program.parameter() for program in COMPILED])
def test_compiled(program, built, tmp_path):
    """Programs run and return 0; other blocks of C++ and C compile.

    A CMakeLists.txt that goes on with a program builds it as app.
    """
    block, *more = program.blocks
    if "int main" in block.code and not more:
        run(built / str(block).replace("/", "-"), cwd=tmp_path)
    for project in more:
        assert project.language == "cmake", f"{project} cannot go on with {block.language}"
        (tmp_path / f"app.{block.language}").write_text(block.code, encoding="utf-8")
        (tmp_path / "CMakeLists.txt").write_text(project.code, encoding="utf-8")
        build = tmp_path / "build"
        run("cmake", "-S", tmp_path, "-B", build, f"-Dpeephole_DIR={cmake_dir()}")
        run("cmake", "--build", build)
        run(build / "app", cwd=tmp_path)


def test_what_is_not_run():
    """Each block that is not run says why, and they are few."""
    marked = [block for block in blocks() if block.mark.startswith("not run")]
    assert all(len(block.mark.removeprefix("not run:").strip()) > 5 for block in marked)
    assert len(marked) <= MOST_NOT_RUN, [str(block) for block in marked]
    assert {block.language for block in marked} <= {"sh", "python"}
    for block in marked:
        if block.language == "python":
            ast.parse(block.code)


def test_there_are_programs():
    assert len(SCRIPTS) >= 25
    assert len(COMPILED) >= 3


COMMANDS = [block for block in blocks() if block.language == "sh"]


@pytest.mark.parametrize("block", [pytest.param(block, id=str(block)) for block in COMMANDS])
def test_commands(block):
    """Commands have the syntax of the shell, and name files, modules and extras that exist."""
    if shutil.which("bash"):
        run("bash", "-n", "-c", block.code, cwd=ROOT)
    for file in re.findall(r"python ((?:docs|bench|cpp|tests)/\S+)", block.code):
        assert (ROOT / file).is_file(), file
    for module in re.findall(r"python -m ((?:bench|peephole)[\w.]*)", block.code):
        assert find_spec(module) is not None, module
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extras = set(re.findall(r"^(\w+) = \[", project, re.MULTILINE))
    for named in re.findall(r"pip install [^\n]*\"(?:\.|peephole)\[([\w,]+)\]", block.code):
        assert set(named.split(",")) <= extras, named


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in TEXTS]
)
def test_links(page):
    """Relative links lead to a file or folder of the tree, and anchors to a heading."""
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        file = (page.parent / path) if path else page
        assert file.exists(), link
        if anchor:
            assert anchor in anchors(file), link


def anchors(page):
    """The anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# What the page says of ragged sequences, and of the threads of Dask's workers.
BAG = """
import dask
import dask.bag
import numpy as np
import peephole
from dask.distributed import Client, LocalCluster


def predict(part, net):
    return net.predict(list(part))


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((n, 3)).astype("float32") for n in rng.integers(1, 20, 40)]
    net = peephole.Network(3, 8, 2, readout="last", seed=0)
    expected = net.predict(x)
    with LocalCluster(n_workers=2, threads_per_worker=1) as cluster, Client(cluster) as client:
        assert set(client.run(peephole.num_threads).values()) == {1}
        bag = dask.bag.from_sequence(x, npartitions=4)
        y = bag.map_partitions(predict, dask.delayed(net)).compute()
    assert np.array_equal(np.stack(y), expected)
"""


def test_bag(tmp_path):
    pytest.importorskip("dask")
    pytest.importorskip("distributed")
    (tmp_path / "program.py").write_text(BAG, encoding="utf-8")
    run(sys.executable, "program.py", cwd=tmp_path)


def run(*command, cwd=None, env=None):
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

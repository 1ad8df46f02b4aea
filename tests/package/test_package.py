"""What the package contains, and what it must not contain."""

import ast
import inspect
import pickle
import re
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import numpy as np
import peephole
import pytest
from peephole import _core

ROOT = Path(__file__).parents[2]
SHIPPED = resources.files("peephole")
HEADERS = sorted((ROOT / "cpp" / "include" / "peephole").glob("*.hpp"))


def test_version():
    stated = re.search(
        r"project\(peephole VERSION ([0-9.]+)", (ROOT / "CMakeLists.txt").read_text()
    )
    assert peephole.__version__ == _core.__version__ == metadata.version("peephole") == stated[1]


def test_is_the_installed_package():
    """Otherwise the tests would not test what users install."""
    assert ROOT / "python" not in Path(str(SHIPPED)).parents


@pytest.mark.parametrize("name", ["py.typed", "_core.pyi", "datasets/LICENSE.txt"])
def test_ships(name):
    assert SHIPPED.joinpath(name).is_file()


def test_names_the_licences_of_all_that_it_contains():
    """nlohmann-json and Eigen are compiled into the extension module, and not on their own."""
    stated = metadata.metadata("peephole")
    expression = stated["License-Expression"].split(" AND ")
    assert expression == ["BSD-3-Clause", "CC-BY-4.0", "MIT", "MPL-2.0"]
    texts = {
        Path(str(file)).name: file.read_text(encoding="utf-8")
        for file in metadata.files("peephole")
        if "licenses" in file.parts and ".dist-info" in str(file)
    }
    assert "Mozilla Public License Version 2.0" in texts["LICENSE-eigen.txt"]
    assert "source code is available" in re.sub(r"\s+", " ", texts["LICENSE-eigen.txt"])
    assert "MIT License" in texts["LICENSE-nlohmann-json.txt"]
    assert texts["LICENSE"] == (ROOT / "LICENSE").read_text(encoding="utf-8")


def stub_members(body):
    """The names of a stub, those in classes as "Class.name", inherited ones too.

    Without the classes that others inherit from: those say in one place what the classes for
    float32 and float64 have in common, and exist in the stub alone.
    """
    classes, common, names = {}, set(), set()
    for node in body:
        if isinstance(node, ast.ClassDef):
            members = {m.name for m in node.body if isinstance(m, ast.FunctionDef)}
            members |= {m.target.id for m in node.body if isinstance(m, ast.AnnAssign)}
            for base in node.bases:
                members |= classes[base.id]
                common.add(base.id)
            classes[node.name] = members
        elif isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and not re.match("_[^_]", node.target.id):
            names.add(node.target.id)
    for name in classes.keys() - common:
        names |= {name, *(f"{name}.{member}" for member in classes[name])}
    return names


def core_members():
    names = {"__version__"}
    for name, value in vars(_core).items():
        if name.startswith("_"):
            continue
        names.add(name)
        if inspect.isclass(value):
            public = {m for m in dir(value) if not m.startswith("_")}
            names |= {f"{name}.{member}" for member in public}
    return names


def test_stub_is_of_the_module():
    stub = stub_members(ast.parse(SHIPPED.joinpath("_core.pyi").read_text(encoding="utf-8")).body)
    special = {name for name in stub if ".__" in name}
    assert stub - special == core_members()
    for name in special:
        owner, member = name.split(".")
        assert hasattr(getattr(_core, owner), member)


def public_objects():
    for name in peephole.__all__:
        value = getattr(peephole, name)
        yield f"peephole.{name}", value
        members = getattr(value, "__all__", ()) if inspect.ismodule(value) else ()
        for member in members:
            yield f"peephole.{name}.{member}", getattr(value, member)


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, v in public_objects() if callable(v)])
def test_has_docstrings(name, value):
    assert inspect.getdoc(value), name
    for member in dir(value) if inspect.isclass(value) else ():
        attribute = inspect.getattr_static(value, member)
        described = callable(attribute) or isinstance(attribute, property)
        if described and not member.startswith("_"):
            assert inspect.getdoc(attribute), f"{name}.{member}"


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header.name)
def test_public_header_needs_only_cpp17(header):
    for included in re.findall(
        r'^\s*#\s*include\s*[<"](.+?)[>"]', header.read_text(), re.MULTILINE
    ):
        assert included.startswith("peephole/") or re.fullmatch(r"[a-z_]+", included), included


def test_no_forbidden_flags():
    build = [ROOT / "pyproject.toml", *ROOT.glob("CMake*"), *(ROOT / "cmake").rglob("*")]
    for folder in ("cpp", "python"):
        build += [*(ROOT / folder).rglob("CMakeLists.txt"), *(ROOT / folder).rglob("*.cmake")]
    build = [file for file in build if file.is_file() and file.suffix != ".pyc"]
    assert len(build) >= 6
    for file in build:
        code = re.sub("#.*", "", file.read_text())
        found = re.search(r"-march=native|-ffast-math|-Ofast|openmp", code, re.IGNORECASE)
        assert not found, f"{file}: {found}"


def public_classes():
    for module in (peephole, *(getattr(peephole, name) for name in peephole.__all__)):
        for name in getattr(module, "__all__", ()):
            if inspect.isclass(value := getattr(module, name)):
                yield f"{module.__name__}.{name}", value


@pytest.mark.parametrize(("name", "value"), list(public_classes()))
def test_says_its_public_place(name, value):
    """Pickles refer to a class by its place, which must not be an internal module."""
    assert f"{value.__module__}.{value.__qualname__}" == name
    assert pickle.loads(pickle.dumps(value)) is value


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_name_public_places_alone(protocol):
    net = peephole.Network(2, 3, 1, seed=0)
    history = net.fit(np.zeros((2, 4, 2)), np.zeros((2, 4, 1)), epochs=1, progress=False)
    data = pickle.dumps((net, net.lstm, history), protocol)
    modules = {m.decode() for m in re.findall(rb"peephole(?:\.\w+)*", data)}
    assert modules == {"peephole", "peephole.training"}


def test_completion_shows_the_public_names_alone():
    assert dir(peephole) == sorted(peephole.__all__)
    assert dir(peephole.training) == sorted(peephole.training.__all__)


def test_import_is_light():
    """It imports NumPy and the standard library alone; `python -m bench.install` says how long."""
    code = "import sys, peephole; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    bare = [sys.executable, "-c", code.replace("peephole", "numpy")]
    numpy_alone = subprocess.run(bare, capture_output=True, text=True, check=True)
    beyond = set(run.stdout.split()) - set(numpy_alone.stdout.split()) - sys.stdlib_module_names
    of_numpy_random = {name for name in beyond if "cython" in name}
    assert beyond - of_numpy_random == {"peephole"}
    slow = {"asyncio", "concurrent", "multiprocessing", "sqlite3", "ssl", "unittest", "xml"}
    assert not slow & set(run.stdout.split())

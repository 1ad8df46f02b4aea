"""The layers of the package, and that no modules import each other in a circle."""

from pathlib import Path

import pytest
from support.imports import circle, forbidden, imports_of, with_packages

PACKAGE = Path(__file__).parents[2] / "python" / "peephole"

# What each part may import of the others. Of some parts that is one module only.
MAY_IMPORT = {
    "_core": "",
    "_types": "",
    "_checks": "",
    "_fork_gate": "",
    "_frames": "",
    "_keywords": "",
    "_notebook": "",
    "_packages": "_fork_gate",
    "_sequences": "_checks",
    "_runtime": "_checks _core _fork_gate",
    "parameters": "_checks _core",
    "datasets": "_fork_gate",
    "decoding": "_checks _sequences",
    "losses": "_checks _core _keywords _packages _types decoding",
    "masks": "_checks _types",
    "metrics": "_checks",
    "schedules": "_checks _keywords",
    "static": "_checks _sequences",
    "windows": "_checks",
    "scaling": "_checks _frames _keywords _sequences",
    "optim": "_core _checks _keywords _types parameters",
    "training": "_core _checks _fork_gate _keywords _notebook _types _sequences parameters losses "
    "metrics schedules optim scaling",
    "models": "_core _checks _frames _keywords _types _sequences losses masks "
    "parameters scaling training.entry",
    "views": "_checks _fork_gate _notebook _sequences models training.keep.history",
    "inspection": "views",
    "plot": "views",
    "sklearn": "_checks _keywords _runtime _sequences _types metrics models optim parameters "
    "training.keep.history training.optimisers",
    "interop": "_core _checks _fork_gate _packages _types models scaling",
    "torch": "_checks _core _types interop.packages masks models",
    "jax": "_checks _keywords _types interop.packages models",
    "serving": "_checks models",
    "demo": "_fork_gate datasets models views",
    "__main__": "_core demo interop",
    "": "_core _types _runtime datasets decoding inspection losses masks metrics models optim "
    "plot scaling schedules static training views windows",
}


def test_no_circle():
    assert circle(with_packages(imports_of(PACKAGE))) is None


def test_layers():
    assert forbidden(imports_of(PACKAGE), MAY_IMPORT) == []


def test_the_table_is_of_this_package():
    """A part that is gone, or an import that is no longer made, must leave the table."""
    imports = imports_of(PACKAGE)
    for part, allowed in MAY_IMPORT.items():
        imported = set()
        for name, targets in imports.items():
            if name.partition(".")[2].split(".")[0] == part:
                imported |= {target.partition(".")[2] for target in targets}
        assert any(name.partition(".")[2].split(".")[0] == part for name in imports), part
        for entry in allowed.split():
            assert any(f"{i}.".startswith(f"{entry}.") for i in imported), f"{part}: {entry}"


def package(folder, files):
    """A package folder "made" with these files, {path: source}."""
    for path, source in {"__init__.py": "", **files}.items():
        place = folder / "made" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(source)
    return folder / "made"


UNDER_TYPE_CHECKING = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from made.a import A
"""


@pytest.mark.parametrize(
    "of_b",
    [
        "import made.a",
        "from made import a",
        "from made.a import A",
        "from . import a",
        "from .a import A",
        "def f():\n    from made.a import A",
        UNDER_TYPE_CHECKING,
    ],
)
def test_finds_a_circle(of_b, tmp_path):
    made = package(tmp_path, {"a.py": "from made.b import B", "b.py": of_b})
    assert circle(imports_of(made)) == ["made.a", "made.b", "made.a"]


def test_finds_a_longer_circle(tmp_path):
    files = {"a.py": "import made.b", "b.py": "import made.c", "c.py": "import made.a"}
    assert circle(imports_of(package(tmp_path, files))) == ["made.a", "made.b", "made.c", "made.a"]


def test_finds_a_circle_through_the_package_of_a_module(tmp_path):
    """Importing made.p.inner runs made.p first."""
    files = {"a.py": "import made.p.inner", "p/__init__.py": "import made.a", "p/inner.py": ""}
    imports = imports_of(package(tmp_path, files))
    assert circle(imports) is None
    assert circle(with_packages(imports)) == ["made.a", "made.p", "made.a"]


def test_no_circle_is_found_in_a_tree(tmp_path):
    files = {
        "__init__.py": "from made import a, p",
        "a.py": "from made.p.inner import x\nimport os",
        "p/__init__.py": "from made.p.inner import x",
        "p/inner.py": "from made.b import y",
        "b.py": "",
    }
    imports = imports_of(package(tmp_path, files))
    assert circle(with_packages(imports)) is None
    assert imports["made.a"] == {"made.p.inner"}


TABLE = {"low": "", "middle": "low", "high": "low middle.entry", "": "high"}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, []),
        ({"low.py": "from made.middle import deep"}, ["made.low imports made.middle.deep"]),
        ({"high.py": "import made.middle.entry"}, []),
        ({"high.py": "import made.middle.deep"}, ["made.high imports made.middle.deep"]),
        ({"middle/deep.py": "import made.middle.entry, made.low"}, []),
        ({"low.py": "def f():\n    import made.high"}, ["made.low imports made.high"]),
        ({"low.py": "from made import x"}, ["made.low imports made"]),
        ({"__init__.py": "from made import low"}, ["made imports made.low"]),
        ({"new.py": ""}, ["made.new is not in the table"]),
    ],
)
def test_finds_what_the_table_forbids(files, found, tmp_path):
    tree = {"low.py": "", "middle/__init__.py": "", "middle/entry.py": "", "middle/deep.py": ""}
    made = package(tmp_path, {**tree, "high.py": "", **files})
    assert forbidden(imports_of(made), TABLE) == found

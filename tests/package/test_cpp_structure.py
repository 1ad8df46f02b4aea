"""The folders of cpp/src include each other in one order only, read from the #include lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CPP = ROOT / "cpp"

# Each folder may include itself and the folders of the rows before its own.
ORDER = [
    {"base"},
    {"runtime"},
    {"model"},
    {"layer"},
    {"reference", "kernels"},
    {"compute"},
    {"stack"},
    {"stream", "api"},
    {"files"},
]
RANK = {folder: rank for rank, folders in enumerate(ORDER) for folder in folders}
# Of the public headers, what kernels/simd and kernels/plain may include: no code of their own.
PLAIN_HEADERS = {"peephole/types.hpp", "peephole/activation.hpp"}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)


def includes(path: Path) -> list[tuple[bool, str]]:
    """(whether in quotes, name) of each include of a file."""
    return [(q == '"', name) for q, name in INCLUDE.findall(path.read_text(encoding="utf-8"))]


def is_third_party(name: str) -> bool:
    return name.startswith(("Eigen/", "pybind11/", "nlohmann/"))


def fault_of_public_header(quoted: bool, name: str) -> str | None:
    if is_third_party(name):
        return "a public header includes a third-party header"
    if quoted and not name.startswith("peephole/"):
        return "a public header includes a private one"
    return None


def fault_of_kernels(part: str, name: str) -> str | None:
    """Of kernels/plain, kernels/simd and kernels/isa, which are compiled per instruction set."""
    allowed = {
        "plain": ("kernels/plain/",),
        "simd": ("kernels/plain/", "kernels/simd/"),
        "isa": ("kernels/simd/",),
    }[part]
    if name.startswith(allowed) or (part != "isa" and name in PLAIN_HEADERS):
        return None
    return f"kernels/{part} may include only {', '.join(allowed)} and the plainest public headers"


def fault_of_source(folders: tuple[str, ...], quoted: bool, name: str) -> str | None:
    folder = folders[0]
    if folder == "kernels" and folders[1] in ("plain", "simd", "isa"):
        if quoted:
            return fault_of_kernels(folders[1], name)
        return "kernels share no third-party code" if is_third_party(name) else None
    if not quoted or name.startswith("peephole/"):
        return None
    other = name.split("/")[0]
    if other not in RANK:
        return f"{other} is not among the folders of the order"
    if other == "reference" and folder not in ("reference", "compute"):
        return "only compute includes reference"
    if other != folder and RANK[other] >= RANK[folder]:
        return f"{folder} stands before {other}, or beside it"
    return None


def faults(cpp: Path) -> list[str]:
    """'file includes name: rule', for each include that breaks a rule."""
    found = []
    for top in (cpp / "include", cpp / "src"):
        for path in sorted(p for p in top.rglob("*") if p.suffix in (".h", ".hpp", ".cpp")):
            folders = path.relative_to(top).parts
            for quoted, name in includes(path):
                fault = (
                    fault_of_public_header(quoted, name)
                    if top.name == "include"
                    else fault_of_source(folders, quoted, name)
                )
                if fault:
                    found.append(f"{path.relative_to(cpp).as_posix()} includes {name}: {fault}")
    return found


def test_includes_follow_the_order():
    folders = {p.name for p in (CPP / "src").iterdir() if p.is_dir()}
    assert folders == set(RANK)
    assert faults(CPP) == []


def write(cpp: Path, name: str, *included: str) -> None:
    path = cpp / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"#include {i}\n" for i in included), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "include", "rule"),
    [
        ("include/peephole/lstm.hpp", "<Eigen/Core>", "third-party"),
        ("include/peephole/lstm.hpp", '"layer/layer.hpp"', "private"),
        ("src/base/buffer.cpp", '"layer/layer.hpp"', "base stands before layer"),
        ("src/reference/layer.cpp", '"kernels/host/table.hpp"', "or beside it"),
        ("src/kernels/host/table.cpp", '"reference/layer.hpp"', "only compute includes reference"),
        ("src/stream/stream.cpp", '"reference/layer.hpp"', "only compute includes reference"),
        ("src/stream/stream.cpp", '"api/tape.hpp"', "or beside it"),
        ("src/api/lstm.cpp", '"files/load.hpp"', "api stands before files"),
        ("src/kernels/simd/tile-inl.hpp", '"base/arithmetic.hpp"', "kernels/simd may include only"),
        ("src/kernels/simd/a/b-inl.hpp", '"peephole/lstm.hpp"', "kernels/simd may include only"),
        ("src/kernels/simd/tile-inl.hpp", "<Eigen/Core>", "no third-party code"),
        ("src/kernels/plain/task.hpp", '"kernels/simd/tile-inl.hpp"', "kernels/plain may include"),
        ("src/kernels/isa/avx2.cpp", '"kernels/host/table.hpp"', "kernels/isa may include only"),
        ("src/stack/stack.cpp", '"utils/all.hpp"', "not among the folders"),
    ],
)
def test_the_check_finds_what_breaks_a_rule(tmp_path, file, include, rule):
    write(tmp_path, "include/peephole/types.hpp", "<cstddef>")
    write(tmp_path, "src/compute/run.cpp", '"reference/layer.hpp"', '"kernels/host/table.hpp"')
    write(tmp_path, "src/kernels/simd/vec-inl.hpp", '"peephole/types.hpp"', "<immintrin.h>")
    assert faults(tmp_path) == []
    write(tmp_path, file, include)
    (found,) = faults(tmp_path)
    assert found.startswith(f"{file} includes {include[1:-1]}: ")
    assert rule in found

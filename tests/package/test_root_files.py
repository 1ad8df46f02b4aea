"""The files that a repository has at its root, and the recipes of package managers."""

import json
import re
import shutil
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "cmake" / "packaging"
# Files, and the schema of check-jsonschema that they follow.
SCHEMAS = {
    "CITATION.cff": "vendor.citation-file-format",
    ".readthedocs.yaml": "vendor.readthedocs",
    ".github/ISSUE_TEMPLATE/bug.yml": "vendor.github-issue-forms",
    ".github/ISSUE_TEMPLATE/feature.yml": "vendor.github-issue-forms",
    ".github/ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
}
# What vcpkg would define: a port is a script of CMake.
VCPKG = """
cmake_minimum_required(VERSION 3.21)
set(VERSION "{version}")
set(PORT peephole)
set(CURRENT_PACKAGES_DIR "{packages}")
function(vcpkg_from_github)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "OUT_SOURCE_PATH;REPO;REF;SHA512;HEAD_REF" "")
  set(${{arg_OUT_SOURCE_PATH}} "{root}" PARENT_SCOPE)
  message("REF ${{arg_REF}}")
endfunction()
function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "SOURCE_PATH" "OPTIONS")
  message("OPTIONS ${{arg_OPTIONS}}")
endfunction()
function(vcpkg_cmake_install)
endfunction()
function(vcpkg_cmake_config_fixup)
endfunction()
function(vcpkg_fixup_pkgconfig)
endfunction()
function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "FILE_LIST")
  foreach(file IN LISTS arg_FILE_LIST)
    file(SIZE "${{file}}" size)  # an error where it is missing
  endforeach()
endfunction()
include("{port}")
"""


def version():
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    return re.search(r"project\(peephole VERSION ([\d.]+)", text)[1]


def licences():
    """Those of the Python package, of which the data are not part of the C++ library."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return set(re.search(r'^license = "(.*)"$', text, re.MULTILINE)[1].split(" AND "))


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema(name):
    if find_spec("check_jsonschema") is None:
        pytest.skip("needs check-jsonschema")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[name]]
    done = subprocess.run([*command, ROOT / name], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_has_its_schema():
    forms = {f".github/ISSUE_TEMPLATE/{file.name}" for file in issue_templates()}
    assert forms == {name for name in SCHEMAS if "ISSUE_TEMPLATE" in name}


def issue_templates():
    return (ROOT / ".github" / "ISSUE_TEMPLATE").iterdir()


def test_citation():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (\S+)$", text, re.MULTILINE)[1] == version()
    assert set(re.findall(r"^  - ([A-Z][\w.-]+)$", text, re.MULTILINE)) - {"LSTM"} == licences()


def test_conda_recipe():
    text = (PACKAGING / "conda-forge" / "recipe.yaml").read_text(encoding="utf-8")
    assert re.search(r'^  version: "(\S+)"$', text, re.MULTILINE)[1] == version()
    assert set(re.search(r"^  license: (.*)$", text, re.MULTILINE)[1].split(" AND ")) == licences()
    for file in re.search(r"license_file:\n((?:    - .*\n)+)", text)[1].split("\n")[:-1]:
        assert (ROOT / file.removeprefix("    - ")).is_file(), file
    needed = metadata.requires("peephole")
    for requirement in (name for name in needed if "extra" not in name):
        package, bound = re.match(r"(\w+)(>=.*)", requirement).groups()
        assert f"    - {package} {bound}\n" in text


def test_vcpkg_port(tmp_path):
    """The port's script runs, with vcpkg's functions replaced, and its options exist."""
    manifest = json.loads((PACKAGING / "vcpkg" / "vcpkg.json").read_text(encoding="utf-8"))
    assert manifest["name"] == "peephole"
    assert manifest["version-semver"] == version()
    assert set(manifest["license"].split(" AND ")) == licences() - {"CC-BY-4.0"}
    if shutil.which("cmake") is None:
        pytest.skip("needs cmake")
    script = tmp_path / "vcpkg.cmake"
    port = PACKAGING / "vcpkg" / "portfile.cmake"
    places = {"root": ROOT.as_posix(), "port": port.as_posix(), "packages": tmp_path.as_posix()}
    script.write_text(VCPKG.format(version=version(), **places), encoding="utf-8")
    done = subprocess.run(["cmake", "-P", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"REF v{version()}" in done.stderr
    assert (tmp_path / "share" / "peephole" / "usage").is_file()
    options = re.findall(r"-D(\w+)=", done.stderr)
    declared = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert len(options) == 3
    assert all(f"option({option} " in declared for option in options)


def test_one_repository():
    """All files name the same repository."""
    urls = dict(url.split(", ") for url in metadata.metadata("peephole").get_all("Project-URL"))
    repository = urls["Repository"]
    sources = subprocess.run(
        ["git", "ls-files", "*.md", "*.yml", "*.yaml", "*.cff", "*.toml", "docs/*.py", "*.json"],
        **{"cwd": ROOT, "capture_output": True, "text": True},
    )
    files = sources.stdout.split() if sources.returncode == 0 else ["README.md", "SECURITY.md"]
    found = set()
    for name in files:
        text = (ROOT / name).read_text(encoding="utf-8")
        found |= set(re.findall(r"https://github\.com/[\w-]*peephole[\w-]*/[\w-]+", text))
    assert found == {repository}

"""The workflows of .github are valid; a release builds wheels for all Pythons and platforms."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

PYTHONS = {"cp310", "cp311", "cp312", "cp313", "cp314", "cp314t"}
# cibuildwheel's options for the machine of each platform.
MACHINES = {
    "manylinux_x86_64": ("linux", "x86_64"),
    "manylinux_aarch64": ("linux", "aarch64"),
    "musllinux_x86_64": ("linux", "x86_64"),
    "musllinux_aarch64": ("linux", "aarch64"),
    "macosx_arm64": ("macos", "arm64"),
    "macosx_x86_64": ("macos", "x86_64"),
    "win_amd64": ("windows", "AMD64"),
    "win_arm64": ("windows", "ARM64"),
}


def run_module(name, *arguments, **variables):
    if find_spec(name) is None:
        pytest.skip(f"needs {name.replace('_', '-')}")
    return subprocess.run(
        [sys.executable, "-m", name, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | variables,
    )


def release():
    yaml = pytest.importorskip("ruamel.yaml").YAML(typ="safe")
    return yaml.load(ROOT / ".github" / "workflows" / "release.yml")


def check(*files):
    return run_module("check_jsonschema", "--builtin-schema", "vendor.github-workflows", *files)


def test_valid():
    assert len(WORKFLOWS) >= 2
    done = check(*WORKFLOWS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_finds_errors(tmp_path):
    broken = tmp_path / "broken.yml"
    broken.write_text(WORKFLOWS[0].read_text().replace("runs-on:", "runs_on:"))
    assert check(broken).returncode == 1


def test_a_release_builds_every_wheel():
    jobs = release()["jobs"]
    rows = jobs["wheels"]["strategy"]["matrix"]["include"]
    assert {row["platform"] for row in rows} == set(MACHINES)
    built = []
    for row in rows:
        system, machine = MACHINES[row["platform"]]
        done = run_module(
            "cibuildwheel",
            *("--print-build-identifiers", "--platform", system, "--archs", machine),
            CIBW_SKIP=row["skip"],
        )
        assert done.returncode == 0, done.stderr
        built += done.stdout.split()
    expected = [f"{python}-{platform}" for python in PYTHONS for platform in MACHINES]
    assert sorted(built) == sorted(expected)


def test_only_the_upload_may_publish():
    """By trusted publishing: no password, and a token that only this job can ask for."""
    jobs = release()["jobs"]
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    assert set(jobs["publish"]["needs"]) == jobs.keys() - {"publish"}
    assert all("permissions" not in job for name, job in jobs.items() if name != "publish")
    (upload,) = [step for step in jobs["publish"]["steps"] if "publish" in step["uses"]]
    assert upload["with"] == {"attestations": True}

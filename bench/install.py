"""`python -m bench.install [WHEEL]`: the size of a wheel, the times of its installation and import.

The wheel is installed into a new virtual environment. Without a wheel, only the
import of the installed package is measured. Each time is the fastest of several.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROUNDS = 7


def import_milliseconds(python: str) -> tuple[float, float]:
    """Of NumPy, and of peephole after it, in new processes."""
    command = [python, "-X", "importtime", "-c", "import numpy, peephole"]
    fastest = {"numpy": float("inf"), "peephole": float("inf")}
    for _ in range(ROUNDS):
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True)
        for line in done.stderr.splitlines():
            # "import time: <module alone> | <with what it imports> | <name>", in microseconds
            _, _, rest = line.partition("|")
            cumulative, _, name = rest.partition("|")
            if name.strip() in fastest:
                fastest[name.strip()] = min(fastest[name.strip()], int(cumulative) / 1000)
    return fastest["numpy"], fastest["peephole"]


def install_seconds(python: str, wheel: Path) -> float:
    """Of the wheel alone: its dependencies are installed before."""
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, str(wheel)], check=True)
    fastest = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        subprocess.run([*pip, "--no-deps", "--force-reinstall", str(wheel)], check=True)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest


def report_import(python: str) -> None:
    """Prints one line."""
    numpy, peephole = import_milliseconds(python)
    print(f"import: {peephole:.0f} ms, after NumPy's {numpy:.0f} ms")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m bench.install", description=__doc__)
    parser.add_argument("wheel", type=Path, nargs="?", help="a wheel of peephole for this Python")
    wheel = parser.parse_args().wheel
    if wheel is None:
        report_import(sys.executable)
        return
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        (python,) = Path(folder).glob("[bS]*/python" + (".exe" if sys.platform == "win32" else ""))
        print(f"wheel: {wheel.stat().st_size / 1e6:.2f} MB")
        print(f"install: {install_seconds(str(python), wheel):.1f} s")
        report_import(str(python))


if __name__ == "__main__":
    main()

"""Runs a server and its load generator, at rising rates."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import peephole

from bench.answers import WrongAnswerError
from bench.build import HERE
from bench.implementations.interface import not_installed
from bench.progress import say
from bench.tables import markdown

EXAMPLES = HERE.parent / "docs" / "examples"
NEEDS = ("starlette", "uvicorn", "websockets")
ENGINES = {"peephole": (), "onnxruntime": ("onnx", "onnxruntime"), "torch": ("torch",)}
SIZES = (64, 256)
SESSIONS, INPUTS = 200, 16
MOST_MS = 10.0  # of the latency's 99th percentile
GROWTH = 1.2  # of the rate


def missing() -> str | None:
    """Why nothing can be measured here."""
    return not_installed(*NEEDS)


def measure(quick: bool) -> list[dict[str, Any]]:
    """A record for each size and engine: the most steps a second within the latency.

    Raises:
        WrongAnswerError: A step of our server was lost, reordered or wrong.
    """
    records = []
    for size in SIZES[:1] if quick else SIZES:
        model = peephole.Network(INPUTS, size, 1, peephole="none", seed=0)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            model.save(path)
            for engine, needs in ENGINES.items():
                if not_installed(*needs) is not None:
                    continue
                say(f"server over {engine}, H = {size}")
                with _serving(engine, path) as port:
                    records.append(
                        {"H": size, "engine": engine, **_most(port, path, engine, quick)}
                    )
    return records


def _most(port: int, path: Path, engine: str, quick: bool) -> dict[str, Any]:
    """The run with the highest rate whose latency is within the limit."""
    best: dict[str, Any] = {"steps_per_second": 0.0, "p50_ms": None, "p99_ms": None}
    rate, failed = 1000.0, 0
    while failed < 2:
        found = _load(port, path, rate / SESSIONS, 0.5 if quick else 4.0, engine == "peephole")
        late = found["p99_ms"] > MOST_MS or found["steps_per_second"] < 0.9 * rate
        if late:
            failed += 1  # once may be the machine's doing
            continue
        failed, best = 0, found
        rate *= GROWTH
        if quick:
            break
    return best


def _load(port: int, path: Path, rate: float, seconds: float, check: bool) -> dict[str, Any]:
    """One run of the load generator, with sessions of its own."""
    steps = max(2, round(rate * seconds))
    command = [sys.executable, str(EXAMPLES / "load_sessions.py"), f"ws://127.0.0.1:{port}"]
    command += ["--sessions", str(SESSIONS), "--steps", str(steps), "--rate", str(rate)]
    command += ["--prefix", f"{time.monotonic_ns()}-"]
    command += ["--model", str(path)] if check else []
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    if found.get("wrong_steps"):
        raise WrongAnswerError(f"serving: {found['wrong_steps']} steps were lost or reordered")
    return found


@contextlib.contextmanager
def _serving(engine: str, path: Path) -> Iterator[int]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    if engine == "peephole":
        command = [str(EXAMPLES / "serve.py"), str(path), "--port", str(port)]
        command += ["--capacity", "100000", "--idle-timeout", "1"]
    else:
        command = ["-m", "bench.serving.server", engine, str(path), str(port)]
    with subprocess.Popen([sys.executable, *command], cwd=HERE.parent) as process:
        try:
            while True:
                if process.poll() is not None:
                    raise RuntimeError(f"the server over {engine} has ended")
                with contextlib.suppress(OSError), urlopen(f"http://127.0.0.1:{port}/metrics"):
                    break
                time.sleep(0.05)
            yield port
        finally:
            process.terminate()
            process.wait(10)


def table(records: Sequence[dict[str, Any]]) -> str:
    """The records, a row each, with ratios to our server."""
    ours = {r["H"]: r["steps_per_second"] for r in records if r["engine"] == "peephole"}
    rows = []
    for r in records:
        found = r["steps_per_second"] > 0
        rows.append(
            [
                str(r["H"]),
                r["engine"],
                f"{r['steps_per_second']:.0f}",
                f"{r['p50_ms']:.1f}" if found else "–",
                f"{r['p99_ms']:.1f}" if found else "–",
                f"{ours[r['H']] / r['steps_per_second']:.2f}" if found else "–",
            ]
        )
    return markdown(["H", "engine", "steps/s", "p50 ms", "p99 ms", "ours / this"], rows)

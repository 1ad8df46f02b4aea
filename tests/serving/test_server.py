"""The example of a server, under its load generator, also when it is killed in between."""

import contextlib
import importlib.util
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import peephole
import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PACKAGES = ("starlette", "uvicorn", "websockets")

pytestmark = [
    pytest.mark.skipif(not EXAMPLES.is_dir(), reason="needs docs/examples"),
    *(
        pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"needs {name}")
        for name in PACKAGES
    ),
]


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.safetensors"
    peephole.Network(3, 16, 2, seed=0).save(path)
    return path


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def serving(model, *options):
    """A server, as (process, port); it is killed at the end."""
    port = free_port()
    command = [sys.executable, EXAMPLES / "serve.py", model, "--port", port, *options]
    with subprocess.Popen([*map(str, command)]) as process:
        try:
            deadline = time.monotonic() + 60
            while True:
                with contextlib.suppress(OSError):
                    metrics(port)
                    break
                assert process.poll() is None, "the server has ended"
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield process, port
        finally:
            process.kill()


def metrics(port):
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return json.load(answer)


def load(port, model, steps):
    command = [sys.executable, EXAMPLES / "load_sessions.py", f"ws://127.0.0.1:{port}"]
    command += ["--sessions", 20, "--steps", steps, "--rate", 0, "--model", model]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_step_is_lost_or_reordered(model):
    with serving(model) as (_, port):
        result = load(port, model, 50)
        assert result["steps"] == 20 * 50
        assert result["wrong_steps"] == 0
        shown = metrics(port)
    assert shown["sessions"] == 20
    assert shown["steps"] == 20 * 50
    assert shown["batches"] < shown["steps"]


def test_killed_and_restarted(model, tmp_path):
    snapshots = ("--snapshot", tmp_path / "sessions.npz", "--every", 0.05)
    with serving(model, *snapshots) as (process, port):
        load(port, model, 30)
        time.sleep(1)  # a snapshot of the last steps
        process.kill()
    with serving(model, *snapshots) as (_, port):
        assert metrics(port)["sessions"] == 20
        result = load(port, model, 50)
        assert result["steps"] == 20 * 20  # they go on after 30 steps
        assert result["wrong_steps"] == 0


def test_terminated_and_restarted(model, tmp_path):
    """A server that is asked to end saves its sessions."""
    snapshots = ("--snapshot", tmp_path / "sessions.npz", "--every", 1000)
    with serving(model, *snapshots) as (process, port):
        load(port, model, 30)
        process.terminate()
        process.wait(30)
    with serving(model, *snapshots) as (_, port):
        assert load(port, model, 50)["steps"] == 20 * 20


def test_messages_that_are_no_steps(model):
    from websockets.exceptions import ConnectionClosedError
    from websockets.sync.client import connect

    with serving(model) as (_, port):
        for message in (b"123", b"\0" * 8, "text"):
            with connect(f"ws://127.0.0.1:{port}/sessions/a") as connection:
                assert json.loads(connection.recv())["steps"] == 0
                connection.send(message)
                with pytest.raises(ConnectionClosedError, match="1003"):
                    connection.recv()
        assert load(port, model, 3)["wrong_steps"] == 0

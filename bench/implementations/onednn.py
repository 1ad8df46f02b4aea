"""oneDNN's LSTM, with peepholes on i, f and o, in a process that bench/onednn builds."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.build import BuildError, program
from bench.implementations.interface import Implementation, Opened
from bench.problem import ONNX, Arrays, Problem

# Of the gates i, f, g, o, those that have a peephole.
PEEPHOLES = [0, 1, 3]


def _server() -> Path:
    return program("onednn", "onednn_serve")


class OneDNN(Implementation):
    """Through its C++ interface: its times contain no Python."""

    name = "onednn"
    model = ONNX
    through_python = False

    def version(self) -> str:
        """See Implementation."""
        command = [_server(), "--version"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def missing(self, dtype: str) -> str | None:
        """See Implementation."""
        if dtype != "float32":
            return "its LSTM is float32 only"
        try:
            _server()
        except BuildError as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            named = [line for line in lines if line.startswith("oneDNN")]  # of its CMakeLists.txt
            return (named or lines)[0]
        return None

    def open(self, problem: Problem, threads: int) -> OneDNNOpened:
        """See Implementation."""
        return OneDNNOpened(problem, threads)


class OneDNNOpened(Opened):
    """The process of one problem."""

    def __init__(self, problem: Problem, threads: int) -> None:
        self.shape = shape = problem.shape
        self.folder = tempfile.TemporaryDirectory(prefix="peephole-bench-")
        of = problem.parameters
        arrays = [
            problem.x.transpose(1, 0, 2),
            problem.dy.transpose(1, 0, 2),
            of["weight_ih"],
            of["weight_hh"],
            problem.peepholes(ONNX)[PEEPHOLES],
            of["bias"],
        ]
        path = Path(self.folder.name, "problem")
        path.write_bytes(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))
        sizes = [str(size) for size in (shape.T, shape.B, shape.I, shape.H)]
        self.process = subprocess.Popen(
            [_server(), *sizes, path],
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.inference = _Remote(self, "infer")
        self.training = _Remote(self, "train")

    def ask(self, command: str) -> str:
        """The line that answers one command."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"oneDNN's process ended ({self.process.wait()}) on {command!r}")
        return answer.strip()

    def answers(self, gradients: bool) -> Arrays:
        """See Opened."""
        path = Path(self.folder.name, "answers")
        self.ask(f"answers {path}")
        values = np.fromfile(path, np.float32)
        _, T, B, I, H, _ = self.shape  # noqa: E741
        shapes = {
            "y": (T, B, H),
            "y of training": (T, B, H),
            "x": (T, B, I),
            "weight_ih": (4 * H, I),
            "weight_hh": (4 * H, H),
            "peepholes": (3, H),
            "bias": (4 * H,),
        }
        ends = np.cumsum([np.prod(shape) for shape in shapes.values()])
        parts = np.split(values, ends[:-1])
        answers = {
            name: part.reshape(shape)
            for (name, shape), part in zip(shapes.items(), parts, strict=True)
        }
        answers["weight_ch"] = np.zeros((4, H), np.float32)
        answers["weight_ch"][PEEPHOLES] = answers.pop("peepholes")
        y_of_training = answers.pop("y of training")
        if gradients:
            answers["y"] = y_of_training
        for name in ("y", "x"):
            answers[name] = answers[name].transpose(1, 0, 2)
        return answers

    def close(self) -> None:
        """Ends the process."""
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()
        self.folder.cleanup()


@dataclass
class _Remote:
    """Timed in the process, by its own clock."""

    opened: OneDNNOpened
    command: str

    def fastest(self, seconds: float) -> float:
        return int(self.opened.ask(f"{self.command} {seconds}")) * 1e-9

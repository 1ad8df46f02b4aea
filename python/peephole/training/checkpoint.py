"""A training in a file, to go on from after whatever happens.

The file is one of `Model.save` that `peephole.load` reads, with the weights of the last step, and
besides holds tensors named `training/...` and, as JSON in its metadata, "training".
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from peephole.files import TRAINING, contents, replace_file
from peephole.model import Model

_VERSION = 1


class Snapshot(NamedTuple):
    """All that a training is, beside its settings and data."""

    notes: dict[str, Any]  # ready for JSON
    tensors: dict[str, NDArray[Any]]


class Checkpoint:
    """A file that is written every `every` seconds, whole or not at all."""

    def __init__(self, path: str | os.PathLike[str], every: float) -> None:
        self.path = Path(os.path.realpath(path))
        # Always the same: the next one takes the place of what a killed process left behind.
        self._temporary = self.path.with_name(f".{self.path.name}.tmp")
        self._every = every
        self._written = time.monotonic()

    def is_due(self) -> bool:
        """Whether the last one is older than asked for."""
        return time.monotonic() - self._written >= self._every

    def write(self, model: Model, snapshot: Snapshot) -> None:
        """Replaces the file. An OSError leaves the one before as it is."""
        from safetensors.numpy import save

        tensors, metadata = contents(model)
        tensors |= {TRAINING + name: np.asarray(v) for name, v in snapshot.tensors.items()}
        metadata["training"] = json.dumps({"version": _VERSION, **snapshot.notes})
        try:
            replace_file(self.path, save(tensors, metadata), self._temporary)
        except OSError as error:
            raise OSError(
                error.errno,
                f"checkpoint: {error.strerror}; nothing has become of the one before, if there was "
                "one, and the network has the weights of the last step",
                str(self.path),
            ) from error
        self._written = time.monotonic()

    def read(self, model: Model) -> Snapshot | None:
        """What was written, with the weights among the tensors; None: there is no file.

        Raises ValueError for what is no checkpoint of such a model.
        """
        from safetensors import SafetensorError, safe_open

        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="np") as file:
                notes = json.loads((file.metadata() or {}).get("training", "null"))
                options = json.loads((file.metadata() or {}).get("options", "null"))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, ValueError) as error:
            raise ValueError(f"{self.path}: not a whole safetensors file: {error}") from None
        if not isinstance(notes, dict) or notes.pop("version", None) != _VERSION:
            raise ValueError(f"{self.path}: not a checkpoint that this release wrote")
        require_same(self.path, {"model": model.options}, {"model": options})
        masks = {name: np.array_equal(tensors.get(name, 1), m) for name, m in _masks_of(model)}
        if not all(masks.values()):
            raise ValueError(f"resume: expected the masks of {self.path}, got others")
        return Snapshot(notes, {name.removeprefix(TRAINING): t for name, t in tensors.items()})


def _masks_of(model: Model) -> Iterator[tuple[str, NDArray[Any]]]:
    """(name, values) of what a model's file holds beside the weights."""
    weights = set(model.parameters)
    yield from ((k, v) for k, v in contents(model)[0].items() if k not in weights)


def require_same(path: Path, now: Mapping[str, Any], then: Mapping[str, Any]) -> None:
    """Raises ValueError that names the first setting in which two trainings differ."""
    for name, value in now.items():
        if json.loads(json.dumps(value)) != then.get(name):
            raise ValueError(
                f"resume: expected {name} to be that of {path}, {then.get(name)!r}, got {value!r}"
            )


def under(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Those whose names begin with `prefix`, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

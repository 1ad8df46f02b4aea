"""A training in a file, to go on from after whatever happens.

A safetensors file of the network's weights and masks, by the names that its own file would have,
and of `optimiser/...`, `best/...`, `carry/...`. Its metadata are "format", "peephole-training";
"version", of what is described here; "options", of the network, and "notes", the rest of a
training, as JSON.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from peephole.model import Model, restore
from peephole.network import Network

_FORMAT = "peephole-training"
_VERSION = "1"
_MASKS = "masks/"
_NOTES = {"settings", "seed", "random", "epoch", "step", "position", "history", "schedule", "best"}


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

    def write(self, net: Model, snapshot: Snapshot) -> None:
        """Replaces the file. An OSError leaves the one before as it is."""
        from safetensors.numpy import save

        metadata = {
            "format": _FORMAT,
            "version": _VERSION,
            "options": json.dumps(net.options),
            "notes": json.dumps(snapshot.notes),
        }
        tensors = {name: np.asarray(value) for name, value in snapshot.tensors.items()}
        try:
            self._replace(save(weights_and_masks(net) | tensors, metadata))
        except OSError as error:
            raise OSError(
                error.errno,
                f"checkpoint: {error.strerror}; nothing has become of the one before, if there was "
                "one, and the network has the weights of the last step",
                str(self.path),
            ) from error
        self._written = time.monotonic()

    def _replace(self, data: bytes) -> None:
        """Makes `data` the content of the file: all of it or, whatever happens meanwhile, none."""
        if not self.path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "there is no such folder")
        try:
            with self._temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileNotFoundError):
                self._temporary.chmod(self.path.stat().st_mode & 0o777)
            self._temporary.replace(self.path)
        except BaseException:
            self._temporary.unlink(missing_ok=True)
            raise
        if os.name == "posix":  # the new name is on the disk once its folder is
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def read(self, net: Model) -> Snapshot | None:
        """What was written, with the weights among the tensors; None: there is no file.

        Raises ValueError for what is no checkpoint of such a network.
        """
        if not self.path.exists():
            return None
        options, notes, tensors = _read(self.path)
        require_same(self.path, {"model": net.options}, {"model": options})
        masks = under(_MASKS, tensors)
        mine = net.masks
        if masks.keys() != mine.keys() or any((masks[k] != mine[k]).any() for k in masks):
            raise ValueError(f"resume: expected the masks of {self.path}, got others")
        return Snapshot(notes, tensors)


def load_checkpoint(path: str | os.PathLike[str]) -> Network:
    """The network of a training's checkpoint, with the weights of the last step in it.

    Raises ValueError for a file that is no checkpoint, and the usual OSError for one that cannot be
    read.
    """
    with Path(path).open("rb"):
        pass  # safe_open's own errors are less clear
    options, _, tensors = _read(Path(path))
    try:
        masks = under(_MASKS, tensors)
        parameters = {k: v for k, v in tensors.items() if "/" not in k}
        return restore(Network, options, masks, parameters)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a checkpoint of this release: {error}") from None


def weights_and_masks(net: Model) -> dict[str, NDArray[Any]]:
    """Copies, by name."""
    weights = {name: np.array(net.parameters[name]) for name in net.parameters}
    return weights | {_MASKS + name: mask for name, mask in net.masks.items()}


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, NDArray[Any]]]:
    """(options of the network, notes, tensors) of a file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path}: not a whole safetensors file: {error}") from None
    if metadata.get("format") != _FORMAT or metadata.get("version") != _VERSION:
        raise ValueError(f"{path}: not a checkpoint of this release")
    try:
        options, notes = (json.loads(metadata.get(name, "")) for name in ("options", "notes"))
    except (ValueError, RecursionError):
        raise ValueError(f"{path}: not a checkpoint of this release") from None
    if not isinstance(options, dict) or not isinstance(notes, dict) or notes.keys() != _NOTES:
        raise ValueError(f"{path}: not a checkpoint of this release")
    return options, notes, tensors


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

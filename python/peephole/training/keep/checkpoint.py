"""Checkpoints: files that a training can be resumed from.

A checkpoint is a safetensors file. Its tensors are the network's weights and masks, named as in a
model file, and `optimiser/...`, `best/...`, `carry/...`. Its metadata are "format", which is
"peephole-training"; "version", of this description; and, as JSON, "options", those of the network,
and "notes", the rest of the training's state.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from peephole._checks import path_text
from peephole.training.protocol import NetworkLike

_FORMAT = "peephole-training"
_VERSION = "1"
_MASKS = "masks/"
_NOTES = {"settings", "seed", "random", "epoch", "step", "position", "history", "schedule", "best"}


class Snapshot(NamedTuple):
    """The state of a training, without its settings and data."""

    notes: dict[str, Any]  # ready for JSON
    tensors: dict[str, NDArray[Any]]


class Checkpoint:
    """A file that is written every `every` seconds, completely or not at all."""

    def __init__(self, path: str | os.PathLike[str], every: float) -> None:
        self.path = Path(os.path.realpath(path))
        # Always the same name, so that a file left by a killed process is overwritten.
        self._temporary = self.path.with_name(f".{self.path.name}.tmp")
        self._every = every
        self._written = time.monotonic()

    def is_due(self) -> bool:
        """Whether the last checkpoint is older than `every` seconds."""
        return time.monotonic() - self._written >= self._every

    def write(self, net: NetworkLike, snapshot: Snapshot) -> None:
        """Replaces the file. After an OSError the previous one is unchanged."""
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
                f"checkpoint: {error.strerror}; the previous checkpoint, if any, is unchanged, and "
                "the network has the weights of the last step",
                str(self.path),
            ) from error
        self._written = time.monotonic()

    def _replace(self, data: bytes) -> None:
        """Replaces the content of the file by `data`, completely or not at all."""
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
        if os.name == "posix":  # the rename is durable once the folder is synchronised
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def read(self, net: NetworkLike) -> Snapshot | None:
        """The saved state, including the weights; None if there is no file.

        Raises ValueError if the file is not a checkpoint of a network with the same options.
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


def load_checkpoint(path: str | os.PathLike[str]) -> Any:
    """The `Network` in a training's checkpoint, with the weights of the last step before it.

    Raises ValueError if the file is not a checkpoint, and OSError if it cannot be read.
    """
    path = path_text(path, "path")
    with Path(path).open("rb"):
        pass  # raises a clearer error than safe_open
    options, _, tensors = _read(Path(path))
    try:
        masks = under(_MASKS, tensors)
        parameters = {k: v for k, v in tensors.items() if "/" not in k}
        return _network_class._restored(options, masks, parameters)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a checkpoint of this release: {error}") from None


class _NetworkClass(Protocol):
    """`peephole.Network`."""

    def _restored(
        self, options: dict[str, Any], masks: dict[str, Any], parameters: dict[str, Any]
    ) -> Any: ...


_network_class: _NetworkClass


def set_network_class(network_class: _NetworkClass) -> None:
    """Sets the class of which `load_checkpoint` makes an instance; training imports no models."""
    global _network_class
    _network_class = network_class


def weights_and_masks(net: NetworkLike) -> dict[str, NDArray[Any]]:
    """Copies of the weights and masks, by name."""
    weights = {name: np.array(net.parameters[name]) for name in net.parameters}
    return weights | {_MASKS + name: mask for name, mask in net.masks.items()}


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, NDArray[Any]]]:
    """(options of the network, notes, tensors) from a file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path}: not a complete safetensors file: {error}") from None
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
    """Raises ValueError that names the first setting that differs between two trainings."""
    for name, value in now.items():
        if json.loads(json.dumps(value)) != then.get(name):
            raise ValueError(
                f"resume: expected {name} to be that of {path}, {then.get(name)!r}, got {value!r}"
            )


def under(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors whose names start with `prefix`, by the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

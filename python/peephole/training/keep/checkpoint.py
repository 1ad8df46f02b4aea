"""Checkpoints: files that a training can be resumed from.

A checkpoint is a safetensors file. Its tensors are the network's weights, named as in a model file,
and `masks/...`, `optimiser/...`, `best/...` (the weights of the best epoch), `carry/...` (the state
that is carried into the next piece or batch). Its metadata are "format", which is
"peephole-training"; "version", of this description; "digest", of all that follows; and, as JSON,
"options", those of the network, and "notes", the rest of the training's state (see `notes`). A
network's scalings are there by their names, in the form of `scaling_text`.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from peephole import _core as core
from peephole.scaling.texts import NAMES, scaling_texts
from peephole.training.keep.notes import check_notes
from peephole.training.protocol import NetworkLike

_FORMAT = "peephole-training"
_VERSION = "2"
_METADATA = {"format", "version", "digest", "options", "notes"}  # and NAMES of scalings
MASKS = "masks/"


class Snapshot(NamedTuple):
    """The state of a training, without its data."""

    notes: dict[str, Any]  # ready for JSON
    tensors: dict[str, NDArray[Any]]
    scalings: Mapping[str, str] = MappingProxyType({})  # texts; of one that was read


class Checkpoint:
    """A file that is written every `every` seconds, completely or not at all.

    Raises OSError if no regular file can be written at `path`.
    """

    def __init__(self, path: str | os.PathLike[str], every: float) -> None:
        _check_links(Path(path))
        self.path = Path(os.path.realpath(path))
        self._every = every
        self._written = time.monotonic()
        _check_place(self.path)

    def is_due(self) -> bool:
        """Whether the last checkpoint is older than `every` seconds."""
        return time.monotonic() - self._written >= self._every

    def require_none(self) -> None:
        """Raises ValueError if there is a file that a new training would replace."""
        if self.path.exists() and self.path.stat().st_size:
            raise ValueError(
                f"checkpoint: expected a path without a file, got {self.path}, which exists; "
                "pass resume=True to continue its training, or remove the file"
            )

    def write(self, net: NetworkLike, snapshot: Snapshot) -> None:
        """Replaces the file. After an OSError the previous one is unchanged."""
        tensors = weights_and_masks(net) | {k: np.asarray(v) for k, v in snapshot.tensors.items()}
        metadata = {"options": json.dumps(net.options), "notes": json.dumps(snapshot.notes)}
        metadata |= scaling_texts(net)
        metadata |= {"digest": _digest(metadata, tensors)}
        metadata |= {"format": _FORMAT, "version": _VERSION}
        try:
            core.write_tensors(os.fspath(self.path), tensors, metadata)
        except OSError as error:
            raise OSError(
                error.errno,
                f"checkpoint: {error.strerror}; the previous checkpoint, if any, is unchanged, and "
                "the network has the weights of the last step",
                str(self.path),
            ) from error
        self._written = time.monotonic()

    def read(self) -> tuple[dict[str, Any], Snapshot] | None:
        """(options of the network, saved state); None if there is no file.

        Raises ValueError if the file is not a checkpoint.
        """
        return read_checkpoint(self.path) if self.path.exists() else None


def read_checkpoint(path: Path) -> tuple[dict[str, Any], Snapshot]:
    """(options of the network, saved state) from a file.

    Raises ValueError unless the content is what a training wrote, and OSError if the file cannot
    be read.
    """
    metadata = core.TensorFile(os.fspath(path)).metadata
    _check_format(path, metadata)
    tensors, metadata = core.read_tensors(os.fspath(path))
    try:
        scalings = {name: metadata[name] for name in NAMES if name in metadata}
        if metadata.keys() - scalings.keys() != _METADATA:
            raise ValueError(f"expected metadata {sorted(_METADATA)}, got {sorted(metadata)}")
        texts = {"options": metadata["options"], "notes": metadata["notes"], **scalings}
        if metadata["digest"] != _digest(texts, tensors):
            raise ValueError("its content has changed since it was written")
        options, notes = json.loads(texts["options"]), json.loads(texts["notes"])
        if not isinstance(options, dict):
            raise ValueError("options: expected an object")
        check_notes(notes)
    except (ValueError, RecursionError) as error:
        raise not_valid(path, error) from None
    return options, Snapshot(notes, tensors, scalings)


def is_checkpoint(path: str | os.PathLike[str]) -> bool:
    """Whether the metadata of a file say that it is a checkpoint."""
    try:
        return core.TensorFile(os.fspath(path)).metadata.get("format") == _FORMAT
    except (OSError, ValueError):
        return False


def not_valid(path: Path, reason: object) -> ValueError:
    """The error for a file whose content is not that of a checkpoint."""
    return ValueError(f"{path}: not a valid checkpoint: {reason}")


def _check_format(path: Path, metadata: Mapping[str, str]) -> None:
    written, version = metadata.get("format"), metadata.get("version")
    if written == "peephole":
        raise not_valid(path, "it is a model file, which peephole.load reads")
    if written != _FORMAT:
        raise not_valid(path, f"expected format {_FORMAT!r}, got {written!r}")
    if version != _VERSION:
        raise not_valid(
            path, f"expected version {_VERSION!r}, which this release reads, got {version!r}"
        )


def _digest(texts: Mapping[str, str], tensors: Mapping[str, NDArray[Any]]) -> str:
    """A digest of metadata and tensors, which tells whether a file has changed."""
    digest = hashlib.blake2b(digest_size=16)
    for name, text in sorted(texts.items()):
        digest.update(json.dumps([name, text]).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(json.dumps([name, tensor.dtype.str, tensor.shape]).encode())
        digest.update(np.ascontiguousarray(tensor).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _check_links(path: Path) -> None:
    """Raises OSError if links form a loop, or lead to something that is not a regular file."""
    try:
        place = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _os_error(error.errno or errno.EINVAL, error.strerror or "invalid", path) from None
    if not stat.S_ISREG(place.st_mode):
        kind = errno.EISDIR if stat.S_ISDIR(place.st_mode) else errno.EINVAL
        raise _os_error(kind, "not a regular file", path)


def _check_place(path: Path) -> None:
    """Raises OSError if no regular file can be written at `path`, before a training starts."""
    if not path.parent.is_dir():
        raise _os_error(errno.ENOENT, "there is no such folder", path)
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        kind = errno.EISDIR if path.is_dir() else errno.EINVAL
        raise _os_error(kind, "not a regular file", path)
    try:
        core.check_writable(os.fspath(path))
    except OSError as error:
        text = f"no file can be written here: {error.strerror}"
        raise _os_error(error.errno or errno.EINVAL, text, path) from None


def _os_error(number: int, text: str, path: Path) -> OSError:
    return OSError(number, f"checkpoint: {text}", str(path))


def weights_and_masks(net: NetworkLike) -> dict[str, NDArray[Any]]:
    """Copies of the weights and masks, by name."""
    weights = {name: np.array(net.parameters[name]) for name in net.parameters}
    return weights | {MASKS + name: mask for name, mask in net.masks.items()}


def under(prefix: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors whose names start with `prefix`, by the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

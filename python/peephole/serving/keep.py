"""Snapshots of a batcher's sessions, in memory and in files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array, path_text
from peephole.models.sessions import Sessions

if TYPE_CHECKING:
    from peephole.serving.session import Session

_OURS = ("names", "ids", "steps")


def snapshot(pool: Sessions, sessions: Mapping[str, Session]) -> dict[str, NDArray[Any]]:
    """Names, ids and counts of steps of all sessions, beside the snapshot of the pool."""
    each = sessions.values()
    # As bytes: NumPy's strings lose zeros at their end.
    names = b"".join(len(name).to_bytes(8, "little") + name for name in map(str.encode, sessions))
    return {
        "names": np.frombuffer(names, np.uint8),
        "ids": np.array([session.id for session in each], np.int64),
        "steps": np.array([session.steps for session in each], np.int64),
        **pool.snapshot(),
    }


def restore(pool: Sessions, snapshot: Mapping[str, ArrayLike]) -> list[tuple[str, int, int]]:
    """Restores the pool; returns (name, id, steps) of each session."""
    missing = [key for key in _OURS if key not in snapshot]
    if missing:
        raise ValueError(f"snapshot: expected {', '.join(_OURS)}, got no {missing[0]}")
    names, ids, steps = (array(snapshot[key], f"snapshot[{key!r}]") for key in _OURS)
    each = _split(names)
    for values, key in ((ids, "ids"), (steps, "steps")):
        if values.shape != (len(each),) or values.dtype.kind not in "iu":
            got = f"{values.dtype} of shape {values.shape}"
            raise ValueError(f"snapshot[{key!r}]: expected {len(each)} integers, got {got}")
    if len(set(each)) < len(each):
        raise ValueError("snapshot['names']: expected different names, got one twice")
    if (steps < 0).any():
        raise ValueError(f"snapshot['steps']: expected 0 or more, got {steps.min()}")
    new = pool.copy()
    new.restore({key: snapshot[key] for key in snapshot if key not in _OURS})
    if sorted(new) != sorted(ids.tolist()):
        raise ValueError("snapshot['ids']: expected those of the pool's sessions, got others")
    pool.restore(new.snapshot())
    return list(zip(each, ids.tolist(), steps.tolist(), strict=True))


def _split(names: NDArray[Any]) -> list[str]:
    """The names in a snapshot's bytes."""
    wrong = ValueError("snapshot['names']: expected names as `snapshot` writes them, got others")
    if names.dtype != np.uint8 or names.ndim != 1:
        raise wrong
    data, found, at = names.tobytes(), [], 0
    while at < len(data):
        end = at + 8 + int.from_bytes(data[at : at + 8], "little")
        if end > len(data) or at + 8 > len(data):
            raise wrong
        try:
            found.append(data[at + 8 : end].decode())
        except UnicodeDecodeError:
            raise wrong from None
        at = end
    return found


def save(snapshot: Mapping[str, NDArray[Any]], path: str | os.PathLike[str]) -> None:
    """Writes a snapshot to a file that replaces the one before when all of it is on disk."""
    target = Path(path_text(path, "path"))
    number, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            np.savez(file, **dict[str, Any](snapshot))
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """The snapshot in a file that `save` wrote."""
    with Path(path_text(path, "path")).open("rb") as file:
        try:
            with np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        except Exception as error:  # zipfile, zlib and NumPy raise a dozen classes
            raise ValueError(f"path: expected a snapshot of sessions, got {error}") from None

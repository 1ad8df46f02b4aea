"""Arrays and texts of HDF5 files, read by h5py without following links to other files."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole.interop.layers import weight
from peephole.interop.packages import needed

# The shape of a dataset can be larger than what is stored; weights do not compress this far.
_MAX_COMPRESSION = 100


@contextmanager
def opened(source: str | bytes, name: str) -> Iterator[Any]:
    """An HDF5 file, of its path or its bytes.

    Raises:
        ValueError: If it is not one, or if it is damaged, also while it is open.
        ImportError: If h5py is not installed.
    """
    h5py = needed("h5py", "h5py")
    try:
        with h5py.File(io.BytesIO(source) if isinstance(source, bytes) else source, "r") as file:
            yield file
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError, KeyError, AttributeError, MemoryError) as error:
        raise ValueError(f"{name}: expected an HDF5 file, got: {error}") from None


def child(group: Any, path: str, name: str) -> Any:
    """The group or dataset at `path`; links to other files and other places are refused."""
    h5py = needed("h5py", "h5py")
    place = group
    for part in path.strip("/").split("/"):
        if part in ("", ".", "..") or not isinstance(place, h5py.Group) or part not in place:
            raise ValueError(f"{name}: there is no {path!r}")
        if not isinstance(place.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{name}: {path}: links are not supported")
        place = place[part]
    return place


def dataset(group: Any, path: str, name: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """The dataset at `path`, of floats and of this shape; None means any size."""
    h5py = needed("h5py", "h5py")
    values = child(group, path, name)
    where = f"{name}: {path}"
    if not isinstance(values, h5py.Dataset) or values.dtype.kind != "f":
        raise ValueError(f"{where}: expected an array of floats")
    fits = len(values.shape) == len(shape) and all(
        expected in (None, size) for expected, size in zip(shape, values.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{where}: expected shape {shape}, got {values.shape}")
    if values.external or values.is_virtual:
        raise ValueError(f"{where}: values in other files are not supported")
    stored = values.id.get_storage_size()
    needed_bytes = math.prod(values.shape) * values.dtype.itemsize
    if needed_bytes > _MAX_COMPRESSION * stored:
        raise ValueError(f"{where}: the file holds {stored} bytes for shape {values.shape}")
    return weight(values[()], where, shape)


def texts(group: Any, key: str, name: str) -> list[str]:
    """The attribute `key`, a list of strings."""
    values = np.atleast_1d(np.asarray(_attribute(group, key, name)))
    return [_text(value, key, name) for value in values.tolist()]


def text(group: Any, key: str, name: str) -> str:
    """The attribute `key`, a string."""
    return _text(_attribute(group, key, name), key, name)


def _attribute(group: Any, key: str, name: str) -> Any:
    if key not in group.attrs:
        raise ValueError(f"{name}: there is no attribute {key!r}")
    return group.attrs[key]


def _text(value: Any, key: str, name: str) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    if not isinstance(value, str):
        raise ValueError(f"{name}: attribute {key!r}: expected text, got {value!r}")
    return value

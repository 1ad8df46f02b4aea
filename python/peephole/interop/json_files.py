"""JSON files of models: reading them, with checks, and writing them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._checks import path_text
from peephole.interop.layers import weight


def read_json(path: Any) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ValueError: If the file is not JSON, or not an object.
        OSError: If it cannot be read.
    """
    name = path_text(path, "path")
    return parse_json(Path(name).read_bytes(), name)


def parse_json(text: str | bytes, name: str) -> dict[str, Any]:
    """The object that a JSON text describes; `name` is for messages."""
    try:
        content = json.loads(text)
    except RecursionError:
        raise ValueError(f"{name}: expected JSON, got too many levels") from None
    except ValueError as error:  # also of a wrong encoding
        raise ValueError(f"{name}: expected JSON, got {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{name}: expected a JSON object, got {type(content).__name__}")
    return content


def write_json(path: Any, content: Mapping[str, Any]) -> None:
    """Writes `content` to a file; raises OSError if that fails."""
    text = json.dumps(content, allow_nan=False)
    Path(path_text(path, "path")).write_text(text, encoding="utf-8")


def entry(of: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    """`of[key]`, of this type. Raises ValueError if it is missing or has another type."""
    if not isinstance(of, Mapping):
        raise ValueError(f"{where}: expected an object, got {type(of).__name__}")
    if key not in of:
        raise ValueError(f"{where}: there is no {key!r}")
    value = of[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{where}: {key}: expected {_NAMES[kind]}, got {type(value).__name__}")
    return value


_NAMES = {dict: "an object", list: "a list", str: "a string", int: "an integer"}


def size(of: Mapping[str, Any], key: str, where: str) -> int:
    """`of[key]`, an integer of 1 or more."""
    value = int(entry(of, key, int, where))
    if value < 1:
        raise ValueError(f"{where}: {key}: expected at least 1, got {value}")
    return value


def numbers(value: Any, name: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Nested lists of numbers as an array of this shape. Raises ValueError if they are not."""
    rows = value
    for length in shape:
        if not isinstance(rows, list) or len(rows) != length:
            raise ValueError(
                f"{name}: expected lists of shape {shape}, got {_described(rows)} "
                f"where {length} are expected"
            )
        rows = rows[0]
    try:
        return weight(np.array(value), name, shape, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        if str(error).startswith(name):
            raise ValueError(str(error)) from None
        raise ValueError(f"{name}: expected numbers of shape {shape}") from None


def _described(value: Any) -> str:
    return f"{len(value)}" if isinstance(value, list) else f"{type(value).__name__}"

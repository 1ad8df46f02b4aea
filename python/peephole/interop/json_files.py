"""JSON files of models: reading them, with checks, and writing them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from peephole._checks import path_text


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

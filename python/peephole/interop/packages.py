"""Imports of packages that are not installed with peephole."""

from __future__ import annotations

import importlib
from typing import Any


def needed(module: str, package: str) -> Any:
    """The module, imported.

    Raises ImportError that says how to install `package`, the name for pip.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"this needs {module}: pip install {package} ({error})") from error

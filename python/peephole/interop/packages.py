"""Imports of foreign packages, which are not installed with peephole."""

from __future__ import annotations

import importlib
from typing import Any

from peephole._fork_gate import fork_gate


def needed(module: str, package: str) -> Any:
    """The module, imported.

    Raises ImportError that says how to install `package`, the name for pip.
    """
    with fork_gate:
        try:
            return importlib.import_module(module)
        except ImportError as error:
            raise ImportError(f"this needs {module}: pip install {package} ({error})") from error

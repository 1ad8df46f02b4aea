"""Imports of packages that are not installed with peephole."""

from __future__ import annotations

import importlib
from typing import Any

from peephole._fork_gate import fork_gate


def needed(module: str, package: str) -> Any:
    """The module, imported.

    Raises ImportError that says how to install `package`, the name for pip, or, if it is installed,
    why it cannot be imported.
    """
    with fork_gate:
        try:
            return importlib.import_module(module)
        except ImportError as error:
            if isinstance(error, ModuleNotFoundError) and error.name == module:
                raise ImportError(f"this needs {module}: pip install {package}") from error
            raise ImportError(f"this needs {module}, whose import failed: {error}") from error

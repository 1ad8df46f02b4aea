"""Whether the program runs in a Jupyter notebook."""

from __future__ import annotations

import sys


def in_notebook() -> bool:
    """Whether the program runs in a Jupyter kernel. Imports nothing: there IPython is imported."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config

"""The processor and the versions that the figures are of."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import peephole

from bench.implementations import Implementation


def cores() -> int:
    """The number of CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe(implementations: Sequence[Implementation]) -> dict[str, object]:
    """Processor, versions, and how our library was built."""
    return {
        "processor": processor(),
        "cores": cores(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "versions": {each.name: each.version() for each in implementations},
        "build": peephole.build_info(),
    }


def processor() -> str:
    """The processor's name."""
    return _information("model name") or platform.processor() or platform.machine()


def flags() -> str:
    """The extensions of the processor, as Linux names them; "" on other systems."""
    return _information("flags") or _information("Features")


def _information(name: str) -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith(name):
                return line.partition(":")[2].strip()
    return ""

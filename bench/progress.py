"""Progress on the standard error stream, so that the output has only tables."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """One line, overwritten by the next on a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    else:
        print(text, file=sys.stderr, flush=True)


def done() -> None:
    """Clears the line."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)

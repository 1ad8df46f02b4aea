"""Models in files. The core reads and writes them: its peephole/files.hpp says what they hold."""

from __future__ import annotations

import os

from peephole import _core as core
from peephole.lstm import LSTM
from peephole.network import Network


def load(path: str | os.PathLike[str]) -> LSTM | Network:
    """The model that `save` wrote to `path`.

    Raises:
        ValueError: For a file that is cut short, that something else wrote, or whose parts
            contradict each other: the message says what is wrong. This is found before the model is
            made. A file that cannot be read raises the usual OSError, FileNotFoundError among them.
    """
    model = core.load(os.fspath(path))
    if isinstance(model, (core.NetworkFloat32, core.NetworkFloat64)):
        return Network._over(model)
    return LSTM._over(model)

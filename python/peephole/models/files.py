"""Model files. The core reads and writes them; its header peephole/files.hpp gives the format."""

from __future__ import annotations

import os

from peephole import _core as core
from peephole._checks import path_text
from peephole.models.base import read_core
from peephole.models.lstm import LSTM
from peephole.models.network import Network


def load(path: str | os.PathLike[str]) -> LSTM | Network:
    """The model that `save` wrote to `path`.

    Raises:
        ValueError: If the file is incomplete, is not a model file, or contradicts itself. The
            message says what is wrong; nothing is returned before all of it is checked.
        OSError: If the file cannot be read, for example FileNotFoundError.
    """
    model, metadata = read_core(path)
    text = path_text(path, "path")
    if isinstance(model, (core.NetworkFloat32, core.NetworkFloat64)):
        return Network._from_file(model, metadata, text)
    return LSTM._from_file(model, metadata, text)

"""Model files. The core reads and writes them; its header peephole/files.hpp gives the format."""

from __future__ import annotations

import os

from peephole import _core as core
from peephole._checks import path_text
from peephole.models.lstm import LSTM
from peephole.models.network import Network
from peephole.training.entry import is_checkpoint


def load(path: str | os.PathLike[str]) -> LSTM | Network:
    """The model that `save` wrote to `path`.

    Raises:
        ValueError: If the file is incomplete, is not a model file, or contradicts itself. The
            message says what is wrong; nothing is built before all of it is checked.
        OSError: If the file cannot be read, for example FileNotFoundError.
    """
    text = path_text(path, "path")
    try:
        model = core.load(text)
    except ValueError:
        if is_checkpoint(text):
            raise ValueError(
                f"{text}: not a model file, but the checkpoint of a training, "
                "which peephole.training.load_checkpoint reads"
            ) from None
        raise
    if isinstance(model, (core.NetworkFloat32, core.NetworkFloat64)):
        return Network._over(model)
    return LSTM._over(model)

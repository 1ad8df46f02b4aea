"""What `Network.fit` takes and returns, and what can run during it."""

from peephole.training.callbacks import Callback, Run
from peephole.training.early_stopping import EarlyStopping
from peephole.training.interrupt import TrainingInterrupted
from peephole.training.keep.history import History
from peephole.training.keep.load import load_checkpoint

__all__ = ["Callback", "EarlyStopping", "History", "Run", "TrainingInterrupted", "load_checkpoint"]

# Pickles and messages use the public place of these names, not the module that defines them.
for _public in (Callback, EarlyStopping, History, Run, TrainingInterrupted, load_checkpoint):
    _public.__module__ = __name__


def __dir__() -> list[str]:
    return sorted(__all__)  # completion lists the public names only

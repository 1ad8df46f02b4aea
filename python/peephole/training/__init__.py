"""Training: what Network.fit does, and what it takes and returns."""

from peephole.training.callbacks import Callback, Run
from peephole.training.checkpoint import load_checkpoint
from peephole.training.history import History
from peephole.training.interrupt import TrainingInterrupted
from peephole.training.validation import EarlyStopping

__all__ = ["Callback", "EarlyStopping", "History", "Run", "TrainingInterrupted", "load_checkpoint"]

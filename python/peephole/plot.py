"""Plots of trainings and gates; need matplotlib: `pip install "peephole[plot]"`."""

from peephole.views.gates import gates
from peephole.views.history import history

__all__ = ["gates", "history"]

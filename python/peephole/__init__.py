"""LSTM networks with peephole connections on all four gates, over a C++ core."""

from peephole import datasets, inspection, losses, metrics, optim, plot, schedules, training
from peephole._core import __version__
from peephole.files import load
from peephole.lstm import LSTM, Gradients
from peephole.network import Network
from peephole.runtime import build_info, num_threads, set_isa, set_num_threads
from peephole.stream import Stream
from peephole.windows import windows

__all__ = [
    "LSTM",
    "Gradients",
    "Network",
    "Stream",
    "__version__",
    "build_info",
    "datasets",
    "inspection",
    "load",
    "losses",
    "metrics",
    "num_threads",
    "optim",
    "plot",
    "schedules",
    "set_isa",
    "set_num_threads",
    "training",
    "windows",
]

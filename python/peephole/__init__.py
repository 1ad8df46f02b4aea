"""LSTM networks with peephole connections on all four gates, over a C++ core."""

from peephole import datasets, optim
from peephole._core import __version__
from peephole.files import load
from peephole.lstm import LSTM, Gradients
from peephole.network import Network
from peephole.runtime import build_info, num_threads, set_isa, set_num_threads
from peephole.stream import Stream

__all__ = [
    "LSTM",
    "Gradients",
    "Network",
    "Stream",
    "__version__",
    "build_info",
    "datasets",
    "load",
    "num_threads",
    "optim",
    "set_isa",
    "set_num_threads",
]

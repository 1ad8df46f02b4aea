"""Ours and the peers, behind one interface: see `interface`."""

from bench.implementations.interface import Implementation, Opened
from bench.implementations.onednn import OneDNN
from bench.implementations.onnxruntime import OnnxRuntime
from bench.implementations.ours import Ours
from bench.implementations.torch import Torch

# In the order of the tables.
PEERS: dict[str, type[Implementation]] = {
    "torch": Torch,
    "onnxruntime": OnnxRuntime,
    "onednn": OneDNN,
}

__all__ = ["PEERS", "Implementation", "Opened", "Ours"]

"""Peephole LSTMs as modules of PyTorch.

    import peephole.torch

    lstm = peephole.torch.LSTM(12, 64, batch_first=True)
    model = peephole.torch.replace(model)   # every torch.nn.LSTM in it

Needs torch: `pip install peephole[torch]`. Nothing is compiled against it.
"""

from __future__ import annotations

from peephole.interop.packages import needed

needed("torch", '"peephole[torch]"')

from peephole.torch.lstm import LSTM as LSTM  # noqa: E402
from peephole.torch.replacement import replace as replace  # noqa: E402

__all__ = ["LSTM", "replace"]

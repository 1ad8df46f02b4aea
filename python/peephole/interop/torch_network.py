"""The `nn.Module` of a network. Imported only where torch is installed."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class TorchNetwork(nn.Module):
    """A `torch.nn.LSTM` with a dense head, as `peephole.Network` computes it.

    Attributes:
        lstm: `torch.nn.LSTM` with `batch_first=True`.
        head: `torch.nn.Linear`.
        activation: Of the head: "identity", "sigmoid", "tanh" or "softmax".
        readout: What the head reads: "all", "last", "mean" or "max", as in `peephole.Network`.
    """

    def __init__(self, lstm: nn.LSTM, head: nn.Linear, activation: str, readout: str) -> None:
        super().__init__()
        self.lstm = lstm
        self.head = head
        self.activation = activation
        self.readout = readout

    def forward(self, x: Any, lengths: Any = None) -> Any:
        """The outputs of the head.

        Args:
            x: (B, T, I), or (T, I) for a single sequence.
            lengths: (B,) integers in 1..T; None: all sequences have T steps.

        Returns:
            y: For readout "all" (B, T, O), 0 beyond a sequence's length; for the others (B, O).
                For a single sequence without the first axis.
        """
        if lengths is None:
            h, (h_n, _) = self.lstm(x)
            valid = torch.ones_like(h[..., :1], dtype=torch.bool)
        else:
            lengths = torch.as_tensor(lengths, device="cpu")
            packed = nn.utils.rnn.pack_padded_sequence(
                x, lengths, batch_first=True, enforce_sorted=False
            )
            out, (h_n, _) = self.lstm(packed)
            h, _ = nn.utils.rnn.pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])
            steps = torch.arange(x.shape[1])
            valid = (steps < lengths[:, None])[..., None].to(x.device)
        if self.readout == "all":
            return self._activated(self.head(h)) * valid
        return self._activated(self.head(self._read(h, h_n, valid)))

    def _read(self, h: Any, h_n: Any, valid: Any) -> Any:
        if self.readout == "last":
            count = 2 if self.lstm.bidirectional else 1
            return torch.cat(list(h_n[-count:]), dim=-1)
        if self.readout == "mean":
            return (h * valid).sum(-2) / valid.sum(-2)
        return h.masked_fill(~valid, -torch.inf).amax(-2)

    def _activated(self, logits: Any) -> Any:
        if self.activation == "softmax":
            return torch.softmax(logits, dim=-1)
        if self.activation == "sigmoid":
            return torch.sigmoid(logits)
        return torch.tanh(logits) if self.activation == "tanh" else logits

"""PackedSequence in and out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


def padded(packed: PackedSequence) -> tuple[Tensor, Tensor]:
    """X (T, B, I) and lengths (B,), the longest sequence first."""
    x, lengths = pad_packed_sequence(PackedSequence(packed.data, packed.batch_sizes))
    return x, lengths


def pack_again(
    y: Tensor, lengths: Tensor, state: tuple[Any, Any], like: PackedSequence
) -> tuple[PackedSequence, tuple[Any, Any]]:
    """Y (T, B, O) packed like the input, and the state in the input's order."""
    data = pack_padded_sequence(y, lengths).data
    output = PackedSequence(data, like.batch_sizes, like.sorted_indices, like.unsorted_indices)
    order = like.unsorted_indices
    if order is None:
        return output, state

    def restored(part: Any) -> Any:
        if isinstance(part, list):
            return [torch.index_select(tensor, 1, order) for tensor in part]
        return torch.index_select(part, 1, order)

    h, c = state
    return output, (restored(h), restored(c))

"""Checks of tensors, and views of them for the core."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from peephole.torch.models import sizes


def array(tensor: Tensor | None, name: str, options: str) -> Any:
    """A view for the core, which would convert other dtypes."""
    if tensor is None:
        return None
    expected = getattr(torch, sizes(options).dtype)
    if tensor.dtype != expected:
        raise TypeError(f"{name}: expected {expected}, got {tensor.dtype}")
    return tensor.detach().numpy()


def lengths_array(lengths: Tensor | None) -> Any:
    """A view for the core."""
    if lengths is None:
        return None
    if lengths.dtype != torch.int64:
        raise TypeError(f"lengths: expected torch.int64, got {lengths.dtype}")
    return lengths.numpy()


def seed_number(seed: Tensor | None) -> int | None:
    """The number for the core."""
    if seed is None:
        return None
    number = int(seed)
    if number < 0:
        raise ValueError(f"seed: expected 0 or more, got {number}")
    return number


def same_device(*tensors: Tensor | None) -> None:
    """For shapes of results alone: as PyTorch does, refuses to mix in tensors without values."""
    devices = {tensor.device for tensor in tensors if tensor is not None}
    if len(devices) > 1:
        names = " and ".join(sorted(map(str, devices)))
        raise ValueError(f"peephole::lstm: expected tensors on one device, got {names}")


def state_tensors(h: Any, c: Any, batch: int, options: str) -> tuple[Tensor, Tensor]:
    """H and c, from the core's flat arrays."""
    of_h, of_c = sizes(options).state_shapes(batch)
    return torch.from_numpy(h.reshape(of_h)), torch.from_numpy(c.reshape(of_c))


def refuse_transforms() -> None:
    """Raises NotImplementedError under forward-mode derivatives and the transforms of torch.func.

    Without this, PyTorch takes their derivatives for 0.
    """
    if torch._C._functorch.peek_interpreter_stack() is not None or (
        torch.autograd.forward_ad._current_level >= 0
    ):
        raise NotImplementedError(
            "peephole.torch.LSTM: torch.func transforms (grad, jvp, vmap) and forward-mode "
            "derivatives are not available; use backward() or torch.autograd.grad()"
        )

"""States between the forms of `torch.nn.LSTM` and the flat arrays of the operators."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def batched(hx: tuple[Any, Any] | None) -> tuple[Any, Any] | None:
    """The state of a single sequence as that of a batch of one."""
    if hx is None:
        return None
    h, c = _pair(hx)
    return _with_batch(h), _with_batch(c)


def single(state: tuple[Any, Any]) -> tuple[Any, Any]:
    """The state of a batch of one as that of a single sequence."""
    h, c = state
    return _without_batch(h), _without_batch(c)


def _without_batch(part: Any) -> Any:
    if isinstance(part, list):
        return [tensor.squeeze(1) for tensor in part]
    return part.squeeze(1)


def _with_batch(part: Any) -> Any:
    if isinstance(part, (list, tuple)):
        return [tensor.unsqueeze(1) for tensor in part]
    return part.unsqueeze(1)


def flat_state(
    hx: tuple[Any, Any] | None,
    sizes: tuple[list[int], list[int]],
    directions: int,
    batch: int,
    dtype: torch.dtype,
    order: Tensor | None,
) -> tuple[Tensor | None, Tensor | None]:
    """H and c as flat arrays, of the sequences in this order; None for the model's own.

    `sizes` are those of h and of c in each layer.
    """
    if hx is None:
        return None, None
    h, c = _pair(hx)
    arguments = (directions, batch, dtype, order)
    of_h, of_c = sizes
    if isinstance(h, Tensor) and len(set(of_c)) > 1:
        raise TypeError("hx[0]: expected a list of one tensor per layer, got a tensor")
    return _flat(h, "hx[0]", of_h, *arguments), _flat(c, "hx[1]", of_c, *arguments)


def _pair(hx: Any) -> tuple[Any, Any]:
    if not isinstance(hx, (tuple, list)) or len(hx) != 2:
        raise TypeError(f"hx: expected a pair (h_0, c_0), got {type(hx).__name__}")
    for name, part in zip(("hx[0]", "hx[1]"), hx, strict=True):
        tensors = part if isinstance(part, (list, tuple)) else [part]
        for tensor in tensors:
            if not isinstance(tensor, Tensor):
                raise TypeError(f"{name}: expected tensors, got {type(tensor).__name__}")
    return hx[0], hx[1]


def _flat(
    part: Any,
    name: str,
    sizes: list[int],
    directions: int,
    batch: int,
    dtype: torch.dtype,
    order: Tensor | None,
) -> Tensor:
    if isinstance(part, Tensor):
        tensors, names = [part], [name]
        shapes = [(directions * len(sizes), batch, sizes[0])]
        if len(set(sizes)) > 1:
            raise TypeError(f"{name}: expected a list of one tensor per layer, got a tensor")
    else:
        tensors, shapes = list(part), [(directions, batch, size) for size in sizes]
        names = [f"{name}[{k}]" for k in range(len(tensors))]
        if len(tensors) != len(shapes):
            raise ValueError(f"{name}: expected {len(shapes)} tensors, got {len(tensors)}")
    for tensor, shape, of_tensor in zip(tensors, shapes, names, strict=True):
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{of_tensor}: expected {shape}, got {tuple(tensor.shape)}")
        check_tensor(tensor, of_tensor, dtype)
    if order is not None:
        tensors = [tensor.index_select(1, order) for tensor in tensors]
    if len(tensors) == 1:
        return tensors[0].to(dtype)
    return torch.cat([tensor.reshape(-1).to(dtype) for tensor in tensors])


def check_tensor(tensor: Tensor, name: str, dtype: torch.dtype) -> None:
    """Raises where a tensor cannot be taken: with autocast, other dtypes are converted."""
    if tensor.device.type != "cpu":
        raise ValueError(f"{name}: expected a tensor on the CPU, got one on {tensor.device}")
    if tensor.dtype != dtype and not (
        torch.is_autocast_enabled("cpu") and tensor.is_floating_point()
    ):
        raise TypeError(f"{name}: expected {dtype}, got {tensor.dtype}")


def states(
    h: Tensor,
    c: Tensor,
    hidden_size: Any,
    sizes: tuple[list[int], list[int]],
    directions: int,
    batch: int,
) -> tuple[Any, Any]:
    """(h_n, c_n) as `torch.nn.LSTM` has them, or as lists where each layer has its own size."""
    if isinstance(hidden_size, int):
        return h, c

    def split(flat: Tensor, sizes: list[int]) -> list[Tensor]:
        parts = flat.reshape(-1).split([directions * batch * size for size in sizes])
        return [p.view(directions, batch, s) for p, s in zip(parts, sizes, strict=True)]

    return split(h, sizes[0]), split(c, sizes[1])

"""`peephole.torch.replace`."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import nn

from peephole.torch.lstm import LSTM

# What users have attached to a module; see torch/nn/modules/module.py.
_HOOKS = tuple(name for name in vars(nn.Module()) if name.endswith(("_hooks", "_with_kwargs")))


def replace(module: nn.Module) -> nn.Module:
    """Replaces every `torch.nn.LSTM` in a module by a `peephole.torch.LSTM` with its weights.

    The results are the same to about 1e-6. Hooks, training mode and `requires_grad` are kept. An
    LSTM that stands at several places is replaced by one. Optimisers that were made before hold the
    old parameters: make them afterwards.

    The two biases of torch become one, their sum. In training, two biases that both learn move
    twice as fast as one.

    Args:
        module: Any module; it is changed in place.

    Returns:
        `module`, or, where it is an `nn.LSTM` itself, its replacement.

    Raises:
        TypeError: If `module` is not a module.
        ValueError: For an LSTM that peephole cannot compute: on another device than the CPU, of a
            dtype other than float32 and float64, or with parametrised or pruned weights. The
            message names it, and nothing is replaced.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module: expected an nn.Module, got {type(module).__name__}")
    made: dict[int, LSTM] = {}
    for name, part in module.named_modules():
        if isinstance(part, nn.LSTM):
            made[id(part)] = _ours(part, name or "module")
    if id(module) in made:
        return made[id(module)]
    for parent in list(module.modules()):
        for name, child in list(parent._modules.items()):
            if id(child) in made:
                parent._modules[name] = made[id(child)]
    return module


def _ours(lstm: nn.LSTM, name: str) -> LSTM:
    """With the weights, mode and hooks of `lstm`."""
    if type(lstm) is not nn.LSTM:
        raise ValueError(f"{name}: expected a torch.nn.LSTM, got a subclass {type(lstm).__name__}")
    weights = lstm.all_weights
    own = {id(p) for p in lstm.parameters()}
    if any(id(weight) not in own for of_layer in weights for weight in of_layer):
        raise ValueError(f"{name}: expected plain parameters, got weights computed from others")
    first = weights[0][0]
    if first.device.type != "cpu":
        raise ValueError(f"{name}: expected parameters on the CPU, got {first.device}")
    if first.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name}: expected float32 or float64, got {first.dtype}")
    try:
        ours = LSTM(
            lstm.input_size,
            lstm.hidden_size,
            lstm.num_layers,
            lstm.bias,
            lstm.batch_first,
            float(lstm.dropout),
            lstm.bidirectional,
            lstm.proj_size,
            dtype=first.dtype,
            peephole="none",
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {error}") from error
    ours.load_state_dict(_plain_state(lstm))
    for of_ours, parameter in ours.named_parameters():
        parameter.requires_grad_(_learns(lstm, of_ours))
    ours.train(lstm.training)
    _copy_hooks(lstm, ours)
    return ours


def _plain_state(lstm: nn.LSTM) -> dict[str, Any]:
    return OrderedDict((name, value.detach()) for name, value in lstm.named_parameters())


def _learns(lstm: nn.LSTM, name: str) -> bool:
    names = [name, name.replace("bias_ih", "bias_hh")]
    return any(getattr(lstm, n).requires_grad for n in names)


def _copy_hooks(source: nn.Module, target: nn.Module) -> None:
    for name in _HOOKS:
        hooks = getattr(source, name)
        if isinstance(hooks, dict):
            getattr(target, name).update(hooks)

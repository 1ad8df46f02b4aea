"""The parameters of `peephole.torch.LSTM`, and their state dicts."""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from peephole._checks import integer
from peephole._types import Activations, Columns
from peephole.masks import input_mask
from peephole.models.build import layer_activations, layer_sizes
from peephole.torch.models import forget, new_slot, options_text, sizes

_DTYPES = {torch.float32: "float32", torch.float64: "float64"}


class Weights(nn.Module):
    """What `LSTM` has but for its calls; see there for the arguments."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int,
        device: Any,
        dtype: torch.dtype | None,
        masks: Mapping[str, Tensor] | None,
        gate_inputs: Mapping[str, Columns] | None,
        recurrent_init: str,
        *,
        noise: dict[str, float],
        activations: Activations | None,
        **options: Any,
    ) -> None:
        super().__init__()
        if recurrent_init not in ("uniform", "orthogonal"):
            raise ValueError(
                f'recurrent_init: expected "uniform" or "orthogonal", got {recurrent_init!r}'
            )
        hidden_sizes = layer_sizes(hidden_size, num_layers)
        self.input_size = integer(input_size, "input_size")
        self.hidden_size: int | list[int] = hidden_sizes
        if not isinstance(hidden_size, (Sequence, np.ndarray)):
            self.hidden_size = hidden_sizes[0]
        self.hidden_sizes, self.num_layers = hidden_sizes, len(hidden_sizes)
        # As numbers they are taken too, as by torch.nn.LSTM.
        self.proj_size: int = options["projection_size"] or 0
        self.bias, self.bidirectional = bool(options["bias"]), bool(options["bidirectional"])
        options.update(bias=self.bias, bidirectional=self.bidirectional)
        self.recurrent_init = recurrent_init
        self._noise = noise
        self._shared_options = {
            **options,
            "activations": layer_activations(activations, self.num_layers),
        }
        self._open_slot()
        self._write_texts()
        self._gaps = {dtype: sizes(self._texts[dtype, False]).gaps() for dtype in _DTYPES}
        dtype = torch.get_default_dtype() if dtype is None else dtype
        layout = sizes(self._options(dtype, noisy=True)).layout
        self._names = [name.replace("bias_", "bias_ih_") for name, _, _ in layout]
        for name, (_, shape, _) in zip(self._names, layout, strict=True):
            parameter = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
            self.register_parameter(name, parameter)
        self._add_masks(self._all_masks({} if masks is None else masks, gate_inputs))
        self.reset_parameters()

    @property
    def _state_sizes(self) -> tuple[list[int], list[int]]:
        """(P, H) of each layer: the values of h and of c."""
        return [self.proj_size or size for size in self.hidden_sizes], self.hidden_sizes

    def reset_parameters(self) -> None:
        """Draws new weights, by the rules of `peephole.LSTM`, from torch's random numbers."""
        with torch.no_grad():
            for name, parameter in self.named_parameters(recurse=False):
                layer = int(name.split("_l")[1].removesuffix("_reverse"))
                hidden = self.hidden_sizes[layer]
                bound = 1 / math.sqrt(hidden)
                if name.startswith(("h0", "c0")):
                    parameter.zero_()
                elif name.startswith("bias"):
                    parameter.zero_()
                    parameter[hidden : 2 * hidden] = 1
                elif name.startswith("gain"):
                    parameter.fill_(1)
                elif name.startswith("shift"):
                    parameter.zero_()
                elif name.startswith("weight_hh") and self.recurrent_init == "orthogonal":
                    for rows in parameter.chunk(4):
                        nn.init.orthogonal_(rows)
                else:
                    nn.init.uniform_(parameter, -bound, bound)
                if name.startswith("weight_ch"):
                    present = str(self._shared_options["peephole_gates"])
                    for gate, rows in zip("ifgo", parameter.chunk(4), strict=True):
                        if gate not in present:
                            rows.zero_()

    def _weights(self) -> list[Tensor]:
        """In the order of the core, 0 where masked."""
        weights = [getattr(self, name) for name in self._names]
        if not self._masked:
            return weights
        masks = [getattr(self, f"{name}_mask", None) for name in self._names]
        return [
            weight if mask is None else weight * mask
            for weight, mask in zip(weights, masks, strict=True)
        ]

    def _flat(self, weights: list[Tensor]) -> Tensor:
        """The weights in one array of the core's layout."""
        pieces = []
        for weight, gap in zip(weights, self._gaps[weights[0].dtype], strict=True):
            pieces.append(weight.reshape(-1))
            if gap > 0:
                pieces.append(weight.new_zeros(gap))
        return torch.cat(pieces)

    def _options(self, dtype: torch.dtype, noisy: bool) -> str:
        """The text of the core model's options; without noise, what evaluation computes."""
        if dtype not in _DTYPES:
            raise TypeError(f"dtype: expected torch.float32 or torch.float64, got {dtype}")
        return self._texts[dtype, noisy]

    @property
    def dropout(self) -> float:
        """The probability of dropout, which may be set."""
        return self._noise["dropout"]

    @dropout.setter
    def dropout(self, probability: float) -> None:
        before = self._noise
        self._noise = {**before, "dropout": probability}
        try:
            self._write_texts()
        except (TypeError, ValueError):
            self._noise = before
            raise

    def _write_texts(self) -> None:
        # All now, since `torch.compile` cannot trace how they are made.
        texts = {
            (dtype, noisy): self._options_text(dtype, noisy)
            for dtype in _DTYPES
            for noisy in (False, True)
        }
        for text in texts.values():
            sizes(text)  # raises where an option is wrong
        self._texts = texts

    def _options_text(self, dtype: torch.dtype, noisy: bool) -> str:
        noise = self._noise if noisy else dict.fromkeys(self._noise, 0.0)
        return options_text(
            self.input_size, self.hidden_sizes, _DTYPES[dtype], **self._shared_options, **noise
        )

    def _all_masks(
        self, masks: Mapping[str, Tensor], gate_inputs: Mapping[str, Columns] | None
    ) -> Mapping[str, Any]:
        """`masks` together with those of `gate_inputs`."""
        if gate_inputs is None:
            return masks
        mask = input_mask(gate_inputs, self.input_size, self.hidden_sizes[0], "gate_inputs")
        of_gates = torch.as_tensor(mask)
        both = dict(masks)
        for name in ["weight_ih_l0", "weight_ih_l0_reverse"][: 1 + self.bidirectional]:
            given = torch.as_tensor(both[name]) if name in both else of_gates
            if given.dtype == torch.bool and given.shape == of_gates.shape:  # others are refused
                both[name] = given.cpu() & of_gates
        return both

    def _add_masks(self, masks: Mapping[str, Tensor]) -> None:
        self._masked = bool(masks)
        for name, mask in masks.items():
            if name not in self._names:
                known = ", ".join(self._names)
                raise ValueError(f"masks: expected names among {known}, got {name!r}")
            mask = torch.as_tensor(mask)
            shape = getattr(self, name).shape
            if mask.dtype != torch.bool:
                raise TypeError(f"masks: {name}: expected bool, got {mask.dtype}")
            if mask.shape != shape:
                raise ValueError(f"masks: {name}: expected {tuple(shape)}, got {tuple(mask.shape)}")
            mask = mask.clone().to(getattr(self, name).device)
            self.register_buffer(f"{name}_mask", mask, persistent=False)

    def _open_slot(self) -> None:
        self._slot = new_slot()
        weakref.finalize(self, forget, self._slot)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_slot"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._open_slot()

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name in self._names:
            if name.startswith("bias_ih"):
                second = prefix + name.replace("bias_ih", "bias_hh")
                destination[second] = torch.zeros_like(getattr(self, name), requires_grad=False)

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        for name in self._names:
            if not name.startswith("bias_ih"):
                continue
            first, second = (prefix + n for n in (name, name.replace("bias_ih", "bias_hh")))
            added = state_dict.pop(second, None)
            if added is None or first not in state_dict:
                continue
            value = state_dict[first]
            if added.shape != value.shape:
                error_msgs.append(
                    f"size mismatch for {second}: expected {tuple(value.shape)}, "
                    f"got {tuple(added.shape)}"
                )
                continue
            # Not the sum where there is nothing to add: -0.0 stays -0.0.
            state_dict[first] = torch.where(added == 0, value, value + added)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )

    def __getattr__(self, name: str) -> Any:
        """`bias_hh_l{k}`, the second bias of `torch.nn.LSTM`, is zeros."""
        if name.startswith("bias_hh_l") and name.replace("_hh_", "_ih_") in self._parameters:
            return torch.zeros_like(getattr(self, name.replace("_hh_", "_ih_")).detach())
        return super().__getattr__(name)

"""`peephole.torch.LSTM`."""

from __future__ import annotations

import math
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

import peephole.torch.ops  # noqa: F401  (registers the operators)
from peephole._types import Activations
from peephole.models.build import layer_activations, layer_sizes
from peephole.torch.models import forget, new_slot, options_text, sizes
from peephole.torch.packed import pack_again, padded
from peephole.torch.states import batched, flat_state, states

_DTYPES = {torch.float32: "float32", torch.float64: "float64"}


class LSTM(nn.Module):
    """A stack of peephole LSTM layers as a module of PyTorch, computed by peephole on the CPU.

    Its arguments, calls and results are those of `torch.nn.LSTM`; with ``peephole="none"`` it
    computes the same function. It works with autograd, `torch.compile(fullgraph=True)`,
    `torch.export`, optimisers, `copy.deepcopy`, pickle and DistributedDataParallel. Second
    derivatives are not available: they raise NotImplementedError.

    Args:
        input_size, num_layers, bias, batch_first, dropout, bidirectional: As in `torch.nn.LSTM`.
        hidden_size: The units of each layer: an int, or one int per layer.
        proj_size: Must be 0.
        device: None or "cpu"; "meta" to create the parameters later.
        dtype: torch.float32 or torch.float64; None stands for `torch.get_default_dtype()`.
        masks: {parameter name: bool tensor of its shape}: weights are not connected where it is
            False.
        peephole, peephole_gates, output_peephole, activations, coupled_input_forget,
            recurrent_dropout, zoneout, recurrent_init: As in `peephole.LSTM`.

    Attributes:
        weight_ih_l{k} (4H, I), weight_hh_l{k} (4H, H), bias_ih_l{k} (4H,): As in `torch.nn.LSTM`,
            rows in the order i, f, g, o; with `_reverse` for the second direction. There is one
            bias: `state_dict()` adds a `bias_hh_l{k}` of zeros, and `load_state_dict()` adds the
            two.
        weight_ch_l{k} (4, H) or dense (4H, H): The peepholes; absent with peephole="none".

    The weights are initialised as in `peephole.LSTM`, from torch's random numbers.

    With `dropout`, `recurrent_dropout` or `zoneout`, each call in training mode takes a seed from
    torch's random numbers. In evaluation mode a module with zoneout computes the expected value,
    and its results have no gradient.

    Under `torch.autocast("cpu")` inputs are converted to float32. Otherwise inputs have the dtype
    of the parameters.

    Raises:
        ValueError, TypeError: If an argument is wrong; the message names it.

    Example:
        >>> lstm = peephole.torch.LSTM(12, 64, batch_first=True)
        >>> y, (h_n, c_n) = lstm(torch.zeros(8, 20, 12))
        >>> y.shape
        torch.Size([8, 20, 64])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        peephole: Literal["diagonal", "dense", "none"] = "diagonal",
        peephole_gates: str = "ifgo",
        output_peephole: Literal["previous", "current"] = "previous",
        activations: Activations | None = None,
        coupled_input_forget: bool = False,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        masks: Mapping[str, Tensor] | None = None,
        recurrent_init: Literal["uniform", "orthogonal"] = "uniform",
    ) -> None:
        super().__init__()
        if proj_size != 0:
            raise ValueError(f"proj_size: expected 0, projections are not supported; got {proj_size}")
        if recurrent_init not in ("uniform", "orthogonal"):
            raise ValueError(
                f'recurrent_init: expected "uniform" or "orthogonal", got {recurrent_init!r}'
            )
        hidden_sizes = layer_sizes(hidden_size, num_layers)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.hidden_sizes, self.num_layers = hidden_sizes, len(hidden_sizes)
        self.bias, self.batch_first, self.dropout = bias, batch_first, dropout
        self.bidirectional, self.proj_size = bidirectional, 0
        self.recurrent_init = recurrent_init
        self._noise = {
            "dropout": dropout,
            "recurrent_dropout": recurrent_dropout,
            "zoneout": zoneout,
        }
        self._shared_options = {
            "peephole": peephole,
            "peephole_gates": peephole_gates,
            "output_peephole": output_peephole,
            "bias": bias,
            "activations": layer_activations(activations, self.num_layers),
            "coupled_input_forget": coupled_input_forget,
            "bidirectional": bidirectional,
        }
        self._open_slot()
        # All now, since `torch.compile` cannot trace how they are made.
        self._texts = {
            (dtype, noisy): self._options_text(dtype, noisy)
            for dtype in _DTYPES
            for noisy in (False, True)
        }
        self._gaps = {dtype: sizes(self._texts[dtype, False]).gaps() for dtype in _DTYPES}
        dtype = torch.get_default_dtype() if dtype is None else dtype
        layout = sizes(self._options(dtype, noisy=True)).layout
        self._names = [name.replace("bias_", "bias_ih_") for name, _, _ in layout]
        for name, (_, shape, _) in zip(self._names, layout, strict=True):
            parameter = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
            self.register_parameter(name, parameter)
        self._add_masks({} if masks is None else masks)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new weights, by the rules of `peephole.LSTM`, from torch's random numbers."""
        with torch.no_grad():
            for name, parameter in self.named_parameters(recurse=False):
                layer = int(name.split("_l")[1].removesuffix("_reverse"))
                hidden = self.hidden_sizes[layer]
                bound = 1 / math.sqrt(hidden)
                if name.startswith("bias"):
                    parameter.zero_()
                    parameter[hidden : 2 * hidden] = 1
                elif name.startswith("weight_hh") and self.recurrent_init == "orthogonal":
                    for gate in parameter.chunk(4):
                        nn.init.orthogonal_(gate)
                else:
                    nn.init.uniform_(parameter, -bound, bound)
                if name.startswith("weight_ch"):
                    for gate, rows in zip("ifgo", parameter.chunk(4), strict=True):
                        if gate not in self._shared_options["peephole_gates"]:
                            rows.zero_()

    def flatten_parameters(self) -> None:
        """Does nothing; for programs that call it on every `torch.nn.LSTM`."""

    def forward(
        self, input: Tensor | PackedSequence, hx: tuple[Any, Any] | None = None
    ) -> tuple[Any, tuple[Any, Any]]:
        """Runs the stack.

        Args:
            input: (T, B, I), with `batch_first` (B, T, I); (T, I) for a single sequence; or a
                PackedSequence.
            hx: (h_0, c_0), each (L * D, B, H), or (L * D, H) for a single sequence; with a size
                for each layer, two lists of one tensor (D, B, H_k) per layer. None stands for
                zeros.

        Returns:
            output (T, B, D * H), in the form of `input`, and (h_n, c_n) in the form of `hx`.

        Raises:
            ValueError, TypeError: If an argument is wrong; the message names it.
        """
        if isinstance(input, PackedSequence):
            x, lengths = padded(input)
            y, state = self._run(x, hx, lengths, True, input.sorted_indices)
            output, state = pack_again(y, lengths, state, input)
            return output, state
        self._check(input)
        if input.dim() == 3:
            y, state = self._run(input, hx, None, not self.batch_first)
            return y, state
        y, state = self._run(input.unsqueeze(0), batched(hx), None, False)
        return y.squeeze(0), tuple(
            [s.squeeze(1) for s in part] if isinstance(part, list) else part.squeeze(1)
            for part in state
        )

    def _run(
        self,
        x: Tensor,
        hx: tuple[Any, Any] | None,
        lengths: Tensor | None,
        time_major: bool,
        order: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Any, Any]]:
        """y, and the final state; `order`: of the sequences of x among those of `hx`."""
        batch = x.shape[1] if time_major else x.shape[0]
        h, c = flat_state(hx, self.hidden_sizes, self._directions, batch, x.dtype, order)
        weights = self._weights()
        keeps = torch.is_grad_enabled() and any(
            t is not None and t.requires_grad for t in (x, h, c, *weights)
        )
        noisy = self.training and any(p > 0 for p in self._noise.values())
        expects = not self.training and self._noise["zoneout"] > 0
        dtype = weights[0].dtype
        if not self.training and torch.compiler.is_exporting():
            keeps = False
        if noisy or (keeps and not expects):
            options = self._options(dtype, noisy=noisy)
            seed = torch.randint(2**63 - 1, ()) if noisy else None
            flat = self._flat(weights)
            y, h, c, _ = torch.ops.peephole.lstm(
                x, flat, h, c, lengths, seed, options, self._slot, time_major
            )
        else:
            y, h, c = torch.ops.peephole.lstm_inference(
                x, weights, h, c, lengths, self._options(dtype, True), self._slot, time_major
            )
        return y, states(h, c, self.hidden_size, self.hidden_sizes, self._directions, batch)

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _check(self, x: Tensor) -> None:
        dim = x.dim()
        if dim not in (2, 3) or x.shape[-1] != self.input_size:
            expected = "(batch, time" if self.batch_first else "(time, batch"
            raise ValueError(
                f"input: expected {expected}, {self.input_size}) or (time, {self.input_size}), "
                f"got {tuple(x.shape)}"
            )
        weight = self.weight_ih_l0
        if x.device.type not in ("cpu", "meta"):
            raise ValueError(f"input: expected a tensor on the CPU, got one on {x.device}")
        if x.dtype != weight.dtype and not torch.is_autocast_enabled("cpu"):
            raise TypeError(f"input: expected {weight.dtype}, got {x.dtype}")

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

    def _options_text(self, dtype: torch.dtype, noisy: bool) -> str:
        noise = self._noise if noisy else dict.fromkeys(self._noise, 0.0)
        return options_text(
            self.input_size, self.hidden_sizes, _DTYPES[dtype], **self._shared_options, **noise
        )

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
                raise ValueError(
                    f"masks: {name}: expected {tuple(shape)}, got {tuple(mask.shape)}"
                )
            self.register_buffer(f"{name}_mask", mask.clone(), persistent=False)

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

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        for name in self._names:
            first = prefix + name
            second = state_dict.pop(prefix + name.replace("bias_ih", "bias_hh"), None) if (
                name.startswith("bias_ih")
            ) else None
            if second is not None and first in state_dict and bool((second != 0).any()):
                state_dict[first] = state_dict[first] + second
        super()._load_from_state_dict(state_dict, prefix, *args)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}"

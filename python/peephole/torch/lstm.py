"""`peephole.torch.LSTM`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

import peephole.torch.ops
import peephole.torch.second_order  # noqa: F401  (both register the operators)
from peephole._checks import at_least_zero
from peephole._types import Activations, Columns
from peephole.torch.packed import pack_again, padded
from peephole.torch.states import batched, check_tensor, flat_state, single, states
from peephole.torch.tensors import refuse_transforms
from peephole.torch.weights import Weights


class LSTM(Weights):
    """A stack of peephole LSTM layers as a module of PyTorch, computed by peephole on the CPU.

    Its arguments, calls and results are those of `torch.nn.LSTM`; with ``peephole="none"`` it
    computes the same function. It works with autograd, `torch.compile(fullgraph=True)`,
    `torch.export`, optimisers, `copy.deepcopy`, pickle and DistributedDataParallel. Second
    derivatives (`create_graph=True`, as for a penalty on the gradient) are exact too, but computed
    by a slower path; third ones raise NotImplementedError.

    Args:
        input_size, num_layers, bias, batch_first, dropout, bidirectional: As in `torch.nn.LSTM`.
        hidden_size: The units of each layer: an int, or one int per layer.
        proj_size: P, as in `torch.nn.LSTM`; 0: no projection.
        device: None or "cpu"; "meta" to create the parameters later.
        dtype: torch.float32 or torch.float64; None stands for `torch.get_default_dtype()`.
        masks: {parameter name: bool tensor of its shape}: weights are not connected where it is
            False.
        gate_inputs: As in `peephole.LSTM`.
        peephole, peephole_gates, output_peephole, activations, coupled_input_forget,
            recurrent_dropout, zoneout, initial_state, cell_clip, preactivation_clip, layer_norm,
            layer_norm_cell, layer_norm_epsilon, projection_clip,
            recurrent_init: As in `peephole.LSTM`.

    Attributes:
        weight_ih_l{k} (4H, I), weight_hh_l{k} (4H, H or P), bias_ih_l{k} (4H,), weight_hr_l{k} (P,
            H): As in `torch.nn.LSTM`, rows in the order i, f, g, o; with `_reverse` for the second
            direction. There is one bias: `state_dict()` adds a `bias_hh_l{k}` of zeros, and
            `load_state_dict()` adds the two.
        weight_ch_l{k} (4, H) or dense (4H, H): The peepholes; absent with peephole="none".
        h0_l{k}, c0_l{k} (H,): The initial state, with initial_state="learned" only.
        gain_l{k}, gain_ih_l{k}, gain_hh_l{k} (4H,), gain_c_l{k}, shift_c_l{k} (H,): Those of layer
            normalisation, as in `peephole.LSTM`.

    The weights are initialised as in `peephole.LSTM`, from torch's random numbers.

    With `dropout`, `recurrent_dropout` or `zoneout`, each call in training mode takes a seed from
    torch's random numbers. In evaluation mode a module with zoneout computes the expected values,
    which have no gradients.

    Inputs have the dtype of the parameters; under `torch.autocast("cpu")` they are converted to
    it. Forward-mode derivatives and the transforms of `torch.func` (grad, jvp, vmap) raise
    NotImplementedError. A change of the weights between a forward pass and its backward pass has no
    effect on the gradients, and is no error.

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
        initial_state: Literal["zeros", "learned"] = "zeros",
        cell_clip: float | None = None,
        preactivation_clip: float | None = None,
        layer_norm: Literal["gates", "products"] | None = None,
        layer_norm_cell: Literal["state", "output", "none"] = "state",
        layer_norm_epsilon: float = 1e-5,
        projection_clip: float | None = None,
        masks: Mapping[str, Tensor] | None = None,
        gate_inputs: Mapping[str, Columns] | None = None,
        recurrent_init: Literal["uniform", "orthogonal"] = "uniform",
    ) -> None:
        proj_size = at_least_zero(proj_size, "proj_size")
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            device,
            dtype,
            masks,
            gate_inputs,
            recurrent_init,
            noise={
                "dropout": dropout,
                "recurrent_dropout": recurrent_dropout,
                "zoneout": zoneout,
            },
            peephole=peephole,
            peephole_gates=peephole_gates,
            output_peephole=output_peephole,
            bias=bias,
            activations=activations,
            coupled_input_forget=coupled_input_forget,
            bidirectional=bidirectional,
            initial_state=initial_state,
            cell_clip=cell_clip,
            preactivation_clip=preactivation_clip,
            layer_norm=layer_norm,
            layer_norm_cell=layer_norm_cell,
            layer_norm_epsilon=layer_norm_epsilon,
            projection_size=proj_size or None,
            projection_clip=projection_clip,
        )
        self.batch_first = batch_first

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
                for each layer, two lists of one tensor (D, B, H_k) per layer. With `proj_size`, h_0
                has P values for H. None stands for zeros, or for the learned initial state.

        Returns:
            output (T, B, D * H), with `proj_size` (T, B, D * P), in the form of `input`, and (h_n,
            c_n) in the form of `hx`.

        Raises:
            ValueError, TypeError: If an argument is wrong; the message names it.
        """
        if isinstance(input, PackedSequence):
            self._check(input.data, "input.data", features_alone=True)
            x, lengths = padded(input)
            y, state = self._run(x, hx, lengths, True, input.sorted_indices)
            output, state = pack_again(y, lengths, state, input)
            return output, state
        self._check(input, "input")
        if input.dim() == 3:
            y, state = self._run(input, hx, None, not self.batch_first)
            return y, state
        y, state = self._run(input.unsqueeze(0), batched(hx), None, False)
        return y.squeeze(0), single(state)

    def _run(
        self,
        x: Tensor,
        hx: tuple[Any, Any] | None,
        lengths: Tensor | None,
        time_major: bool,
        order: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Any, Any]]:
        """y, and the final state; `order`: of the sequences of x among those of `hx`."""
        dtype = self.weight_ih_l0.dtype
        x = x.to(dtype)  # with autocast
        batch = x.shape[1] if time_major else x.shape[0]
        h, c = flat_state(hx, self._state_sizes, self._directions, batch, dtype, order)
        weights = self._weights()
        noisy = self.training and any(p > 0 for p in self._noise.values())
        if noisy or self._keeps([x, *weights, *([] if h is None or c is None else [h, c])]):
            seed = torch.randint(2**63 - 1, ()) if noisy else None
            options = self._options(dtype, noisy)
            y, h, c, _ = torch.ops.peephole.lstm(
                x, self._flat(weights), h, c, lengths, seed, options, self._slot, time_major
            )
        else:
            if self._noise["zoneout"] > 0:  # its expected values have no gradients
                x, weights = x.detach(), [weight.detach() for weight in weights]
                h, c = (None, None) if h is None or c is None else (h.detach(), c.detach())
            options = self._options(dtype, noisy=True)
            y, h, c = torch.ops.peephole.lstm_inference(
                x, weights, h, c, lengths, options, self._slot, time_major
            )
        return y, states(h, c, self.hidden_size, self._state_sizes, self._directions, batch)

    def _keeps(self, inputs: list[Tensor]) -> bool:
        """Whether a pass without noise keeps what backward needs."""
        if not torch.is_grad_enabled() or not any(tensor.requires_grad for tensor in inputs):
            return False
        return self.training or not self._noise["zoneout"] > 0

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _check(self, x: Tensor, name: str, features_alone: bool = False) -> None:
        """Raises where x, or with `features_alone` the data of a PackedSequence, does not fit."""
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{name}: expected a tensor or a PackedSequence, got {type(x).__name__}"
            )
        dims = (2,) if features_alone else (2, 3)
        if x.dim() not in dims or x.shape[-1] != self.input_size:
            batch = "(batch, time" if self.batch_first else "(time, batch"
            forms = f"{batch}, {self.input_size}) or (time, {self.input_size})"
            if features_alone:
                forms = f"(steps, {self.input_size})"
            raise ValueError(f"{name}: expected {forms}, got {tuple(x.shape)}")
        check_tensor(x, name, self.weight_ih_l0.dtype)
        if not torch.compiler.is_compiling():
            for of_weight in self._names:
                device = getattr(self, of_weight).device
                if device.type != "cpu":
                    raise ValueError(
                        f"{of_weight}: expected a tensor on the CPU, got one on {device}"
                    )
            refuse_transforms()

    def extra_repr(self) -> str:
        """The arguments, in the module's text."""
        options = {
            "num_layers": self.num_layers,
            "batch_first": self.batch_first,
            **self._shared_options,
            **self._noise,
            "proj_size": self.proj_size,
        }
        del options["activations"], options["projection_size"]
        named = ", ".join(f"{name}={value!r}" for name, value in options.items())
        return f"{self.input_size}, {self.hidden_size}, {named}"

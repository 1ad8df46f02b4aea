"""What the layer and the network have in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from peephole import _core as core
from peephole.options import DEFAULT_ACTIVATIONS
from peephole.parameters import Parameters

if TYPE_CHECKING:
    from typing_extensions import Self

_DEFAULTS = {
    "head": "identity",
    "readout": "all",
    "peephole": "diagonal",
    "peephole_gates": "ifgo",
    "output_peephole": "previous",
    "bias": True,
    "coupled_input_forget": False,
    "bidirectional": False,
    "dropout": 0.0,
    "recurrent_dropout": 0.0,
    "zoneout": 0.0,
    "dtype": "float32",
}


class Model:
    """A core model with its parameters; not for use by itself."""

    # Assigning any other attribute is an error: it would be lost in files and pickles.
    __slots__ = ("__weakref__", "_core", "_parameters")

    _core: core.LSTM | core.Network
    _parameters: Parameters

    def _adopt(self, core_model: Any) -> None:
        self._core = core_model
        self._parameters = Parameters(core_model.parameters)

    @classmethod
    def _over(cls, core_model: core.LSTM | core.Network) -> Self:
        """One over a core model that exists."""
        model = cls.__new__(cls)
        model._adopt(core_model)
        return model

    @property
    def parameters(self) -> Parameters:
        """A mapping: name -> writable view of the model's own memory."""
        return self._parameters

    def release_workspaces(self) -> None:
        """Frees the memory that calls keep for the next ones: workspaces and packed weights.

        The next calls take it again. A model keeps one workspace for each call that ran at the same
        time, but none of more than 128 MiB.
        """
        self._core.release_workspaces()

    @property
    def options(self) -> dict[str, Any]:
        """What the model is, ready for JSON.

        `type(model)(**model.options)` is one like it, with parameters of its own and no masks.
        `hidden_size` and `activations` are lists, one per layer.
        """
        options = dict(self._core.options, dtype=self.dtype.name)
        sizes = {
            "input_size": options.pop("input_size"),
            "hidden_size": options.pop("hidden_sizes"),
        }
        if "output_size" in options:
            sizes["output_size"] = options.pop("output_size")
        return sizes | options

    @property
    def masks(self) -> dict[str, NDArray[np.bool_]]:
        """{name: bool array of its shape} of the masked parameters; False = not connected."""
        masks = {name: self._core.parameters.mask(name) for name in self._parameters}
        return {name: np.array(mask) for name, mask in masks.items() if mask is not None}

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._core.dtype

    @property
    def input_size(self) -> int:
        """I, the features of a step of x."""
        return int(self._core.options["input_size"])

    @property
    def hidden_sizes(self) -> tuple[int, ...]:
        """(L,) units of each layer."""
        return tuple(self._core.options["hidden_sizes"])

    @property
    def num_layers(self) -> int:
        """L, the layers of the stack."""
        return len(self.hidden_sizes)

    @property
    def bidirectional(self) -> bool:
        """Whether each layer also reads backwards."""
        return bool(self._core.options["bidirectional"])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the model to a safetensors file, for `peephole.load`.

        The file at `path`, if there is one, is replaced as a whole or not at all.

        Raises:
            OSError: For a file that cannot be written.
            ValueError: For a model of some thousand layers, whose names a file has no room for.
        """
        self._core.save(os.fspath(path))

    def __repr__(self) -> str:
        options = self.options
        sizes = options.pop("hidden_size")
        arguments = [options.pop("input_size"), sizes[0] if len(sizes) == 1 else sizes]
        if "output_size" in options:
            arguments.append(options.pop("output_size"))
        activations = [_changed(of_layer) for of_layer in options.pop("activations")]
        texts = [repr(value) for value in arguments]
        texts += [f"{k}={v!r}" for k, v in options.items() if v != _DEFAULTS.get(k)]
        if any(activations):
            same = all(of_layer == activations[0] for of_layer in activations)
            texts.append(f"activations={activations[0] if same else activations!r}")
        note = f"{self._parameters.size:,} parameters"
        if masks := self.masks:
            note += f", of which {sum(int((~m).sum()) for m in masks.values()):,} are masked"
        return f"{type(self).__name__}({', '.join(texts)})  # {note}"

    def __reduce__(self) -> tuple[Any, ...]:
        # np.array copies, and the view is gone with the expression.
        values = {name: np.array(self._parameters[name]) for name in self._parameters}
        return restore, (type(self), self.options, self.masks, values)


_M = TypeVar("_M", bound=Model)


def restore(
    cls: Callable[..., _M],
    options: Mapping[str, Any],
    masks: Mapping[str, NDArray[np.bool_]],
    parameters: Mapping[str, NDArray[Any]],
) -> _M:
    """The model that had these options, masks and parameters."""
    model = cls(**options, masks=masks, seed=0)
    for name, value in parameters.items():
        model.parameters[name] = value
    return model


def _changed(activations: Mapping[str, str]) -> dict[str, str]:
    return {key: name for key, name in activations.items() if name != DEFAULT_ACTIVATIONS[key]}

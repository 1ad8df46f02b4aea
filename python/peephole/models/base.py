"""What `LSTM` and `Network` have in common."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from peephole import _core as core
from peephole._checks import path_text
from peephole.models.build import default_activations
from peephole.models.quantization import Quantizable
from peephole.parameters import Parameters
from peephole.training.entry import is_checkpoint

if TYPE_CHECKING:
    from typing_extensions import Self


class Model(Quantizable):
    """A core model with its parameters; not for use by itself."""

    # Other attributes cannot be set: files and pickles would lose them.
    __slots__ = ("__weakref__", "_core", "_metadata", "_parameters")

    _core: core.LSTM | core.Network
    _metadata: dict[str, str]
    _parameters: Parameters

    def _adopt(self, core_model: Any) -> None:
        self._core = core_model
        self._parameters = Parameters(core_model.parameters)
        self._metadata = {}

    @classmethod
    def _over(cls, core_model: core.LSTM | core.Network) -> Self:
        """An instance over an existing core model."""
        model = cls.__new__(cls)
        model._adopt(core_model)
        return model

    def _with_core(self, core_model: Any) -> Self:
        model = self._over(core_model)
        model._metadata = dict(self._metadata)
        return model

    @classmethod
    def _from_file(
        cls, core_model: core.LSTM | core.Network, metadata: dict[str, str], path: str
    ) -> Self:
        """An instance over the core model and with the metadata that were read from a file."""
        model = cls._over(core_model)
        model._metadata = metadata
        return model

    @classmethod
    def _restored(
        cls,
        options: Mapping[str, Any],
        masks: Mapping[str, NDArray[np.bool_]],
        parameters: Mapping[str, NDArray[Any]],
    ) -> Self:
        """An instance with these options, masks and parameter values."""
        make: Any = cls
        model: Self = make(**options, masks=masks, seed=0)
        for name, value in parameters.items():
            model.parameters[name] = value
        return model

    @staticmethod
    @abstractmethod
    def _option_defaults() -> dict[str, Any]:
        """{option: default}, from the signature of the constructor; `repr` leaves these out."""

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
        """The constructor's arguments, ready for JSON, without masks and seed.

        `type(model)(**model.options)` has the same structure, new parameters, and no masks.
        `hidden_size` and `activations` are lists, one item per layer.
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
    def projection_size(self) -> int | None:
        """P, the values of h of each layer; None without a projection: h has H values."""
        size: int | None = self._core.options["projection_size"]
        return size

    @property
    def bidirectional(self) -> bool:
        """Whether each layer also reads the sequence backwards."""
        return bool(self._core.options["bidirectional"])

    @property
    def metadata(self) -> dict[str, str]:
        """Texts that belong to the model, {name: text}, such as the sample rate of its sound.

        A dict that can be changed or set; {} at first. It is kept in the model's files, copies and
        pickles. Names and texts are strings that UTF-8 can encode, without zero characters; names
        are not empty, and there are at most 50.
        """
        return self._metadata

    @metadata.setter
    def metadata(self, metadata: Mapping[str, str]) -> None:
        self._metadata = checked_metadata(metadata)

    def save(
        self, path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Writes the model to a safetensors file, for `peephole.load`.

        An existing file at `path` is replaced only once the new one is complete.

        Args:
            path: The file.
            metadata: {name: text} in place of the model's own `metadata`, which None stands for.
                `load` gives it back as the `metadata` of the model.

        Raises:
            OSError: If the file cannot be written.
            ValueError: If the model has several thousand layers, too many names for a file, or if
                the metadata are too long (1 MiB) or not what `metadata` says.
            TypeError: If the metadata are not strings.
        """
        texts = checked_metadata(self.metadata if metadata is None else metadata)
        self._core.save(path_text(path, "path"), texts)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The model that `save` wrote to `path`: `peephole.load` for a known class.

        Raises:
            ValueError: If the file is no model file, or holds a model of the other class.
            OSError: If the file cannot be read.
        """
        core_model, metadata = read_core(path)
        if not isinstance(core_model, cls._core_classes()):
            has_head = "output_size" in core_model.options
            mine, other = ("LSTM", "Network") if has_head else ("Network", "LSTM")
            raise ValueError(f"path: expected the file of a model {mine}, got one of {other}")
        return cls._from_file(core_model, metadata, path_text(path, "path"))

    @classmethod
    @abstractmethod
    def _core_classes(cls) -> tuple[Any, ...]:
        """The core's classes, one for each dtype."""

    def __repr__(self) -> str:
        options, defaults = self.options, self._option_defaults()
        sizes = options.pop("hidden_size")
        arguments = [options.pop("input_size"), sizes[0] if len(sizes) == 1 else sizes]
        if "output_size" in options:
            arguments.append(options.pop("output_size"))
        activations = [_changed(of_layer) for of_layer in options.pop("activations")]
        texts = [repr(value) for value in arguments]
        texts += [f"{k}={v!r}" for k, v in options.items() if v != defaults.get(k)]
        if any(activations):
            same = all(of_layer == activations[0] for of_layer in activations)
            texts.append(f"activations={activations[0] if same else activations!r}")
        note = f"{self._parameters.size:,} parameters"
        if masks := self.masks:
            note += f", of which {sum(int((~m).sum()) for m in masks.values()):,} are masked"
        return f"{type(self).__name__}({', '.join(texts)})  # {note}"

    def __reduce__(self) -> tuple[Any, ...]:
        # np.array copies, so no view stays alive.
        values = {name: np.array(self._parameters[name]) for name in self._parameters}
        make = type(self)._restored, (self.options, self.masks, values)
        # Pickle and copy set the second part of a pair of states by setattr.
        return *make, (None, {"metadata": dict(self.metadata)})


def _changed(activations: Mapping[str, str]) -> dict[str, str]:
    defaults = default_activations()
    return {key: name for key, name in activations.items() if name != defaults[key]}


def checked_metadata(metadata: Any) -> dict[str, str]:
    """A copy of {name: text} as a file can hold it."""
    if not isinstance(metadata, Mapping):
        raise TypeError(
            f"metadata: expected a mapping of strings to strings, got {type(metadata).__name__}"
        )
    if len(metadata) > core.MOST_METADATA:
        raise ValueError(
            f"metadata: expected at most {core.MOST_METADATA} entries, got {len(metadata)}"
        )
    for name, text in metadata.items():
        _check_text(name, "metadata")
        _check_text(text, f"metadata[{name!r}]")
    if "" in metadata:
        raise ValueError("metadata: expected names, got an empty one")
    return dict(metadata)


def _check_text(text: Any, argument: str) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{argument}: expected a string, got {type(text).__name__}")
    if "\0" in text:
        raise ValueError(f"{argument}: expected text without zero characters, got {text[:60]!r}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{argument}: expected text that UTF-8 can encode, got {text[:60]!r}"
        ) from None


def read_core(path: str | os.PathLike[str]) -> Any:
    """The core model of a file, and its metadata.

    The error for the checkpoint of a training says what it is.
    """
    text = path_text(path, "path")
    try:
        return core.load(text)
    except ValueError:
        if is_checkpoint(text):
            raise ValueError(
                f"{text}: not a model file, but the checkpoint of a training, "
                "which peephole.training.load_checkpoint reads"
            ) from None
        raise

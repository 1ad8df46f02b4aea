"""The scalings of a network's data, which are kept with the network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from peephole import _core as core
from peephole._checks import path_text
from peephole.models.base import Model, checked_metadata
from peephole.models.scaling_files import METADATA, save_with_scalings
from peephole.scaling.standardiser import Standardiser
from peephole.scaling.texts import NAMES, scaling_texts, set_scalings

if TYPE_CHECKING:
    from typing_extensions import Self


class ModelWithScalings(Model):
    """A model that keeps the scalings of its inputs and targets; not for use by itself."""

    __slots__ = ("_input_scaling", "_target_scaling")

    _input_scaling: Standardiser | None
    _target_scaling: Standardiser | None

    def _adopt(self, core_model: Any) -> None:
        super()._adopt(core_model)
        self._input_scaling = self._target_scaling = None

    def _with_core(self, core_model: Any) -> Self:
        model = super()._with_core(core_model)
        for name in NAMES:
            setattr(model, name, getattr(self, name))
        return model

    @classmethod
    def _from_file(cls, core_model: Any, metadata: dict[str, str], path: str) -> Self:
        model = super()._from_file(core_model, metadata, path)
        try:
            set_scalings(model, core.TensorFile(path).metadata)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
        return model

    @property
    def input_scaling(self) -> Standardiser | None:
        """The scaling of x that the network was trained with, a fitted `Standardiser`; or None.

        It is kept in the network's files, checkpoints, copies and pickles, and can be set. No
        method applies it: pass `net.input_scaling.transform(x)` to `fit`, `predict`, `score` and
        streams.
        """
        return self._input_scaling

    @input_scaling.setter
    def input_scaling(self, scaling: Standardiser | None) -> None:
        self._input_scaling = check_scaling(scaling, "input_scaling", self.input_size)

    @property
    def target_scaling(self) -> Standardiser | None:
        """The same for the targets: `net.target_scaling.inverse_transform(y)` undoes it in y."""
        return self._target_scaling

    @target_scaling.setter
    def target_scaling(self, scaling: Standardiser | None) -> None:
        self._target_scaling = check_scaling(scaling, "target_scaling", None)

    def save(
        self, path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Writes the network, with its scalings, to a safetensors file, for `peephole.load`.

        An existing file at `path` is replaced only once the new one is complete. The scalings are
        JSON in the metadata "input_scaling" and "target_scaling": an object of "kind", which is
        "Standardiser", and lists of a number for each feature: "mean", "scale", "variance",
        "count"; and "missing" and "indicators" where they are not the default. Programs in C++ can
        read them by `peephole::TensorFile`; `peephole::load` ignores them.

        Args:
            path: The file.
            metadata: {name: text} in place of the network's own `metadata`, which None stands for.
                `load` gives it back as the `metadata` of the network.

        Raises:
            OSError: If the file cannot be written.
            ValueError: If there are too many layers (several thousand) or features of scalings
                (some ten thousand) for a file, or if the metadata are too long (1 MiB) or not what
                `metadata` says.
            TypeError: If the metadata are not strings.
        """
        check_scaling(self.input_scaling, "input_scaling", self.input_size)  # fitted again since
        texts = scaling_texts(self)
        if not texts:
            super().save(path, metadata=metadata)
            return
        added = checked_metadata(self.metadata if metadata is None else metadata)
        texts |= {METADATA + name: text for name, text in added.items()}
        place = path_text(path, "path")
        save_with_scalings(place, self.options, self.parameters, self.masks, texts)

    def __reduce__(self) -> tuple[Any, ...]:
        make, arguments, (_, attributes) = super().__reduce__()
        return make, arguments, (None, attributes | {name: getattr(self, name) for name in NAMES})


def check_scaling(scaling: Any, name: str, features: int | None) -> Standardiser | None:
    """`scaling`, a fitted Standardiser of `features` features, or None."""
    if scaling is None:
        return None
    if not isinstance(scaling, Standardiser):
        raise TypeError(f"{name}: expected a peephole.Standardiser or None, got {scaling!r}")
    if scaling.features is None:
        raise ValueError(f"{name}: expected a Standardiser that is fitted, got one that is not")
    if features not in (None, scaling.outputs):
        raise ValueError(
            f"{name}: expected a Standardiser of {features} features, got one of {scaling.outputs}"
        )
    if name == "target_scaling" and scaling.indicators:
        raise ValueError(f"{name}: expected a Standardiser without indicators, got {scaling!r}")
    return scaling

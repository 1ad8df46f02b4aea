"""What training needs of a network. `peephole.Network` has it; training does not import models."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole import _core as core
from peephole.losses import Loss
from peephole.parameters import Parameters
from peephole.scaling.standardiser import Standardiser


class NetworkLike(Protocol):
    """A `peephole.Network`, as training and callbacks see it."""

    @property
    def _core(self) -> core.Network: ...
    @property
    def parameters(self) -> Parameters:
        """See Network."""

    @property
    def options(self) -> dict[str, Any]:
        """See Network."""

    @property
    def masks(self) -> dict[str, NDArray[np.bool_]]:
        """See Network."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """See Network."""

    @property
    def input_size(self) -> int:
        """See Network."""

    @property
    def output_size(self) -> int:
        """See Network."""

    @property
    def head(self) -> str:
        """See Network."""

    @property
    def readout(self) -> str:
        """See Network."""

    @property
    def bidirectional(self) -> bool:
        """See Network."""

    @property
    def input_scaling(self) -> Standardiser | None:
        """See Network."""

    @property
    def target_scaling(self) -> Standardiser | None:
        """See Network."""

    def predict(self, x: Any, lengths: ArrayLike | None = None, *, batch_size: int = 1024) -> Any:
        """See Network."""

    def score(
        self,
        x: ArrayLike | Sequence[ArrayLike],
        y: ArrayLike | Sequence[ArrayLike],
        lengths: ArrayLike | None = None,
        *,
        loss: str | Loss | None = None,
        missing: Literal["error", "skip"] = "error",
        sample_weight: Any = None,
        ignore_label: int | None = None,
        batch_size: int = 1024,
    ) -> float:
        """See Network."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """See Network."""

"""load_checkpoint: the network in a checkpoint."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

from peephole._checks import flag, path_text
from peephole.scaling.texts import set_scalings
from peephole.training.keep.checkpoint import MASKS, Snapshot, not_valid, read_checkpoint, under
from peephole.training.keep.tensors import check_sizes, check_tensors, weights_of


def load_checkpoint(path: str | os.PathLike[str], *, best: bool = False) -> Any:
    """The `Network` in a training's checkpoint, with its scalings.

    Args:
        path: A file that `Network.fit` wrote as its `checkpoint`.
        best: Whether to take the weights of the epoch with the best validation rather than those
            of the last step. The best epoch is that of `early_stopping`, otherwise the one with
            the lowest validation loss.

    Raises:
        ValueError: If the file is not a checkpoint, has changed since it was written, or has no
            best weights: its training had no validation, or had not finished an epoch.
        OSError: If the file cannot be read.
    """
    flag(best, "best")
    place = Path(path_text(path, "path"))
    options, snapshot = read_checkpoint(place)
    try:
        net = _network(options, snapshot)
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise not_valid(place, error) from None
    weights = under("best/", snapshot.tensors) if best else weights_of(snapshot.tensors)
    if not weights:
        raise ValueError(
            f"best: expected a training with validation that has finished an epoch, got {path}"
        )
    for name, value in weights.items():
        net.parameters[name] = value
    return net


def _network(options: dict[str, Any], snapshot: Snapshot) -> Any:
    """A network with these options, after the rest of the snapshot has been checked against it."""
    smallest = {"input_size": 1, "hidden_size": [1], "output_size": 1}
    known = _network_class._restored(smallest, {}, {}).options
    options = {name: known[name] for name in _NEWER_OPTIONS} | options
    if options.keys() != known.keys():
        raise ValueError(f"options: expected {sorted(known)}, got {sorted(options)}")
    check_sizes(options, snapshot.tensors)
    net = _network_class._restored(options, under(MASKS, snapshot.tensors), {})
    if net.options != options:
        raise ValueError(f"options: expected {net.options}, got {options}")
    check_tensors(net, snapshot)
    set_scalings(net, snapshot.scalings)
    return net


# Of which checkpoints from before they existed have nothing: then they are the default.
_NEWER_OPTIONS = (
    "layer_norm",
    "layer_norm_cell",
    "layer_norm_epsilon",
    "projection_size",
    "projection_clip",
    "quantization",
    "input_dense_size",
    "input_activation",
)


class _NetworkClass(Protocol):
    """`peephole.Network`."""

    def _restored(
        self, options: dict[str, Any], masks: dict[str, Any], parameters: dict[str, Any]
    ) -> Any: ...


_network_class: _NetworkClass


def set_network_class(network_class: _NetworkClass) -> None:
    """Sets the class of which `load_checkpoint` makes an instance; training imports no models."""
    global _network_class
    _network_class = network_class

"""The description of a model in the metadata_props of our ONNX files.

- "peephole": JSON of "format_version", "kind" ("LSTM" or "Network"), "form" ("lstm" or "scan"),
  "options" (those of `model.options`) and "masks", {parameter: base64 of its packed bits}
- "input_scaling", "target_scaling": the scalings of a network, as in model files
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole import _core as core
from peephole.models.base import Model
from peephole.models.network import Network
from peephole.models.scaling_files import ALWAYS_WRITTEN
from peephole.scaling.texts import NAMES, scaling_texts

KEY = "peephole"
FORMS = ("lstm", "scan")
_FORMAT_VERSION = 1
_FIELDS = {"format_version", "kind", "form", "options", "masks"}
_OF_LSTM = core.LSTMFloat32(1, [1]).options.keys()
_LONGEST = 200  # characters of a wrong value in a message


@dataclass(frozen=True)
class Description:
    """A model without its parameters."""

    kind: str  # "LSTM" or "Network"
    form: str
    options: dict[str, Any]
    masks: dict[str, str]
    scalings: dict[str, str]


def metadata(model: Model, form: str) -> dict[str, str]:
    """The metadata of a file of this model."""
    masks = {name: _packed(mask) for name, mask in model.masks.items()}
    fields = {
        "format_version": _FORMAT_VERSION,
        "kind": "Network" if isinstance(model, Network) else "LSTM",
        "form": form,
        "options": _written(model.options),
        "masks": masks,
    }
    scalings = scaling_texts(model) if isinstance(model, Network) else {}
    return {KEY: json.dumps(fields), **scalings}


def _newer_defaults() -> dict[str, Any]:
    """{option: default} of those that are left out where they have it, as in model files."""
    defaults = core.option_defaults()
    return {name: value for name, value in defaults.items() if name not in ALWAYS_WRITTEN}


def _written(options: Mapping[str, Any]) -> dict[str, Any]:
    newer = _newer_defaults()
    return {k: v for k, v in options.items() if k not in newer or v != newer[k]}


def read_description(texts: Mapping[str, str]) -> Description:
    """The description that `metadata` wrote.

    Raises:
        ValueError: If it is something else. Whether the options have values that a model can have
            is only known when the model is made.
    """
    try:
        fields = json.loads(texts[KEY])
    except (ValueError, RecursionError):
        raise _wrong("JSON", texts[KEY]) from None
    if not isinstance(fields, dict) or fields.get("format_version") != _FORMAT_VERSION:
        raise _wrong(f"format_version {_FORMAT_VERSION}", texts[KEY])
    if fields.keys() != _FIELDS:
        raise _wrong(f"the fields {', '.join(sorted(_FIELDS))}", texts[KEY])
    if fields["kind"] not in ("LSTM", "Network") or fields["form"] not in FORMS:
        raise _wrong("a kind and a form that are known", texts[KEY])
    masks = fields["masks"]
    if not isinstance(masks, dict) or not all(isinstance(mask, str) for mask in masks.values()):
        raise _wrong("masks as texts", masks)
    if isinstance(fields["options"], dict):
        newer = _newer_defaults()
        if fields["kind"] == "LSTM":
            newer = {name: value for name, value in newer.items() if name in _OF_LSTM}
        fields["options"] = {**newer, **fields["options"]}
    _check_options(fields["options"], fields["kind"])
    scalings = {name: texts[name] for name in NAMES if name in texts}
    return Description(fields["kind"], fields["form"], fields["options"], masks, scalings)


def _check_options(options: Any, kind: str) -> None:
    """Checks the names and those types that are used before a model checks them all."""
    expected = {*core.option_defaults(), "input_size", "hidden_size", "dtype"}
    of_network = {"output_size", *(core.option_defaults().keys() - _OF_LSTM)}
    expected = expected | of_network if kind == "Network" else expected - of_network
    if not isinstance(options, dict) or options.keys() != expected:
        raise _wrong(f"the options {', '.join(sorted(expected))}", options)
    sizes, layers = options["hidden_size"], options["activations"]
    numbers = [options["input_size"], *(sizes if isinstance(sizes, list) and sizes else [None])]
    numbers += [options["output_size"]] if kind == "Network" else []
    optional = [options.get(name) for name in ("projection_size", "input_dense_size")]
    numbers += [size for size in optional if size is not None]
    if not all(type(size) is int and size > 0 for size in numbers):
        raise _wrong("sizes of 1 or more", options)
    if not isinstance(layers, list) or len(layers) != len(sizes):
        raise _wrong("activations of each layer", layers)
    complete = dict.fromkeys("ifgoc")
    if not all(isinstance(names, dict) and names.keys() == complete.keys() for names in layers):
        raise _wrong("activations of i, f, g, o, c", layers)


def unpacked(text: str, shape: tuple[int, ...], name: str) -> NDArray[np.bool_]:
    """A mask of this shape; raises ValueError for a text that is not a mask."""
    size = int(np.prod(shape))
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _wrong(f"the mask of {name} in base64", text) from None
    if len(data) != (size + 7) // 8:
        raise _wrong(f"{size} bits of the mask of {name}", text)
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=size)
    return bits.astype(bool).reshape(shape)


def _packed(mask: NDArray[np.bool_]) -> str:
    return base64.b64encode(np.packbits(mask).tobytes()).decode()


def _wrong(expected: str, given: Any) -> ValueError:
    text = given if isinstance(given, str) else repr(given)
    return ValueError(f"metadata {KEY!r}: expected {expected}, got {text[:_LONGEST]}")

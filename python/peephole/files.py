"""Models in safetensors files.

A file holds each parameter by its name, in the model's dtype, and the mask of each masked one as
`masks/{name}`, of bool. Its metadata are strings: "format" is "peephole", "format_version" the
version of what is described here, "kind" the class, and "options" its `options` as JSON.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole.lstm import LSTM
from peephole.model import Model, restore
from peephole.network import Network

_FORMAT = "peephole"
_VERSION = "1"
_MASKS = "masks/"
_KINDS: dict[str, type[LSTM] | type[Network]] = {"LSTM": LSTM, "Network": Network}
# Values by which a size is told to be absurd rather than large: no address space has 2**48 of them.
_LARGEST_SIZE = 2**48


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """See Model.save."""
    from safetensors.numpy import save as serialise

    kind = next(name for name, cls in _KINDS.items() if isinstance(model, cls))
    tensors = {name: np.array(model.parameters[name]) for name in model.parameters}
    tensors.update({_MASKS + name: mask for name, mask in model.masks.items()})
    metadata = {
        "format": _FORMAT,
        "format_version": _VERSION,
        "kind": kind,
        "options": json.dumps(model.options),
    }
    _replace(Path(os.path.realpath(path)), serialise(tensors, metadata))


def load(path: str | os.PathLike[str]) -> LSTM | Network:
    """The model that `save` wrote to `path`.

    Raises:
        ValueError: For a file that is cut short, that something else wrote, or whose parts
            contradict each other: the message says what is wrong. This is found from the file's
            header, before the model is made. A file that cannot be read raises the usual OSError,
            FileNotFoundError among them.
    """
    from safetensors import SafetensorError, safe_open

    # safe_open's own errors for a directory or a file without permission are less clear.
    with Path(path).open("rb"):
        pass
    try:
        with safe_open(path, framework="np") as file:
            cls, options = _read_metadata(file.metadata() or {})
            names = _check_tensors(file, options)
            values = {name: file.get_tensor(name) for name in names}
        return _assemble(cls, options, values)
    except SafetensorError as error:
        raise ValueError(f"{os.fspath(path)}: not a whole safetensors file: {error}") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from None


def parameter_shapes(options: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the parameters of a model with these options, by arithmetic alone."""
    directions = ["", "_reverse"] if options["bidirectional"] else [""]
    features = options["input_size"]
    for k, units in enumerate(options["hidden_size"]):
        for reverse in directions:
            yield f"weight_ih_l{k}{reverse}", (4 * units, features)
            yield f"weight_hh_l{k}{reverse}", (4 * units, units)
            if options["peephole"] == "diagonal":
                yield f"weight_ch_l{k}{reverse}", (4, units)
            if options["peephole"] == "dense":
                yield f"weight_ch_l{k}{reverse}", (4 * units, units)
            if options["bias"]:
                yield f"bias_l{k}{reverse}", (4 * units,)
        features = units * len(directions)
    if "output_size" in options:
        yield "head.weight", (options["output_size"], features)
        yield "head.bias", (options["output_size"],)


def _replace(path: Path, data: bytes) -> None:
    """Makes `data` the content of `path`: all of it or, whatever happens meanwhile, none.

    A file that was there passes its permissions on; a new one has those that the process gives.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "There is no such folder", str(path.parent))
    temporary = path.with_name(f".peephole-{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the new name is on the disk once its folder is
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _is_size(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _LARGEST_SIZE


def _is_sizes(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_size, value))


def _is_activations(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(of_layer, dict) and all(isinstance(name, str) for name in of_layer.values())
        for of_layer in value
    )


def _is_one_of(*known: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in known


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# Here are the types, and the values that shapes depend on; the core checks the rest.
_LSTM_OPTIONS: dict[str, Callable[[Any], bool]] = {
    "input_size": _is_size,
    "hidden_size": _is_sizes,
    "peephole": _is_one_of("diagonal", "dense", "none"),
    "peephole_gates": lambda value: isinstance(value, str),
    "output_peephole": lambda value: isinstance(value, str),
    "bias": _is_bool,
    "activations": _is_activations,
    "coupled_input_forget": _is_bool,
    "bidirectional": _is_bool,
    "dropout": _is_number,
    "recurrent_dropout": _is_number,
    "zoneout": _is_number,
    "dtype": _is_one_of("float32", "float64"),
}
_OPTIONS = {
    "LSTM": _LSTM_OPTIONS,
    "Network": {
        **_LSTM_OPTIONS,
        "output_size": _is_size,
        "head": lambda value: isinstance(value, str),
        "readout": lambda value: isinstance(value, str),
    },
}


def _read_metadata(
    metadata: Mapping[str, str],
) -> tuple[Callable[..., LSTM | Network], dict[str, Any]]:
    if metadata.get("format") != _FORMAT:
        raise ValueError("a safetensors file, but not one that peephole wrote")
    if metadata.get("format_version") != _VERSION:
        raise ValueError(
            f"format version {metadata.get('format_version')!r}; this release reads {_VERSION!r}"
        )
    kind = metadata.get("kind", "")
    if kind not in _KINDS:
        raise ValueError(f"kind: expected one of {', '.join(_KINDS)}, got {kind!r}")
    try:
        options = json.loads(metadata.get("options", ""))
    except (ValueError, RecursionError):
        raise ValueError("options: expected JSON, got something else") from None
    if not isinstance(options, dict):
        raise ValueError("options: expected a JSON object")
    known = _OPTIONS[kind]
    for what, names in (("unknown", options.keys() - known), ("missing", known.keys() - options)):
        if names:
            raise ValueError(f"options: {what}: {', '.join(map(repr, sorted(names)))}")
    for name, is_valid in known.items():
        if not is_valid(options[name]):
            raise ValueError(f"options: {name} cannot be {_short(options[name])}")
    return _KINDS[kind], options


def _check_tensors(file: Any, options: Mapping[str, Any]) -> list[str]:
    """The header's names; they, dtypes and shapes are checked to be what the options ask for."""
    dtype = {"float32": "F32", "float64": "F64"}[options["dtype"]]
    present = set(file.keys())
    expected: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, shape in parameter_shapes(options):
        if name not in present:
            raise ValueError(f"tensor {name!r} is missing")
        expected[name] = (dtype, shape)
        if _MASKS + name in present:
            expected[_MASKS + name] = ("BOOL", shape)
    if unknown := sorted(present - expected.keys()):
        raise ValueError(f"unknown tensor {unknown[0]!r}")
    for name, wanted in expected.items():
        tensor = file.get_slice(name)
        found = (tensor.get_dtype(), tuple(tensor.get_shape()))
        if found != wanted:
            raise ValueError(
                f"tensor {name!r}: expected {wanted[0]} {wanted[1]}, got {found[0]} {found[1]}"
            )
    return list(expected)


def _assemble(
    cls: Callable[..., LSTM | Network], options: dict[str, Any], values: dict[str, NDArray[Any]]
) -> LSTM | Network:
    # A byte of a forged file need not be 0 or 1, which is all that a bool may be.
    masks = {
        name.removeprefix(_MASKS): value.view(np.uint8) != 0
        for name, value in values.items()
        if name.startswith(_MASKS)
    }
    for name, mask in masks.items():
        if values[name][~mask].any():
            raise ValueError(f"tensor {name!r} is not 0 where its mask says so")
    parameters = {name: value for name, value in values.items() if not name.startswith(_MASKS)}
    return restore(cls, options, masks, parameters)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:60] + "..."

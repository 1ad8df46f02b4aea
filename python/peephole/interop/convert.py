"""`python -m peephole convert`: converts model files between formats."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from peephole._fork_gate import fork_gate
from peephole.interop.keras import from_keras, to_keras
from peephole.interop.litert import from_litert
from peephole.interop.nam import from_nam, to_nam
from peephole.interop.packages import needed
from peephole.interop.rtneural import from_rtneural, to_rtneural
from peephole.interop.tensorflow import from_tensorflow
from peephole.interop.torch import from_torch, to_torch
from peephole.models.files import load
from peephole.models.network import Network

_SUFFIXES = {
    ".safetensors": "peephole",
    ".pt": "torch",
    ".pth": "torch",
    ".keras": "keras",
    ".h5": "keras",
    ".hdf5": "keras",
    ".onnx": "onnx",
    ".tflite": "litert",
    ".nam": "nam",
    ".json": "rtneural",
    ".npz": "tensorflow",
    ".ckpt": "tensorflow",
    ".index": "tensorflow",
}
# Formats in which sequences begin at zeros.
_WITHOUT_INITIAL_STATE = ("torch", "keras", "rtneural")
# The options of each reader.
_OPTIONS = {
    "torch": ("lstm", "head", "activation", "readout"),
    "tensorflow": ("head", "activation", "readout", "forget_bias", "cell_clip"),
    "litert": ("ignore_cell_clip",),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("input", metavar="IN", help="the file to read")
    parser.add_argument("output", metavar="OUT", help="the file to write; it is replaced")
    parser.add_argument(
        "--from", dest="source", choices=sorted(_readers()), help="the format of IN"
    )
    parser.add_argument("--to", dest="target", choices=sorted(_writers()), help="the format of OUT")
    parser.add_argument(
        "--lstm", nargs="+", metavar="NAME", help="torch: names of the nn.LSTM in a state dict"
    )
    parser.add_argument("--head", metavar="NAME", help="torch, tensorflow: name of the dense layer")
    parser.add_argument(
        "--activation",
        choices=("identity", "sigmoid", "tanh", "softmax"),
        help="torch, tensorflow: activation of the head",
    )
    parser.add_argument(
        "--readout",
        choices=("all", "last", "mean", "max"),
        help="torch, tensorflow: what the head reads",
    )
    parser.add_argument("--forget-bias", type=float, help="tensorflow: forget_bias of the cells")
    parser.add_argument(
        "--cell-clip", type=float, help="tensorflow: cell_clip of the cells, which had one"
    )
    parser.add_argument(
        "--ignore-cell-clip",
        action="store_true",
        default=None,
        help="litert: leave out the bound of the cell states, which TensorFlow's converter writes",
    )


def convert(arguments: argparse.Namespace) -> str:
    """Converts a file as the parsed arguments say.

    Returns:
        What was read and written, in a few lines.

    Raises:
        ValueError: If a format is unknown or cannot express the model, or if the file is broken.
        OSError: If a file cannot be read or written.
        ImportError: If a package is needed that is not installed.
    """
    source = arguments.source or _format(arguments.input, "--from", _readers())
    target = arguments.target or _format(arguments.output, "--to", _writers())
    given = {
        name: value
        for name in sorted({name for names in _OPTIONS.values() for name in names})
        if (value := getattr(arguments, name)) is not None
    }
    for name in given:
        if name not in _OPTIONS.get(source, ()):
            raise ValueError(f"--{name.replace('_', '-')}: not an option for files of {source}")
    model = _readers()[source](arguments.input, given)
    lines = [f"read {arguments.input} ({source}): {model!r}"]
    if source == "nam" and target in _WITHOUT_INITIAL_STATE:
        if any(np.any(model.parameters[n]) for n in model.parameters if n[:3] in ("h0_", "c0_")):
            lines.append(f"the initial state in {arguments.input} is not kept in this format")
        model = _without_initial_state(model)
    _writers()[target](model, arguments.output)
    lines.append(f"wrote {arguments.output} ({target})")
    return "\n".join(lines)


def _format(path: str, option: str, known: Mapping[str, Any]) -> str:
    suffix = re.sub(r"^\.ckpt-\d+$", ".ckpt", Path(path).suffix.lower())  # with the step
    format_name = _SUFFIXES.get(suffix, "")
    if format_name not in known:
        raise ValueError(
            f"{path}: the suffix {suffix!r} does not identify a format; give {option}, "
            f"one of {', '.join(sorted(known))}"
        )
    return format_name


def _readers() -> dict[str, Callable[[str, dict[str, Any]], Any]]:
    """Functions of a path and options that return a model."""
    return {
        "peephole": lambda path, _: load(path),
        "torch": lambda path, options: from_torch(_state_dict(path), **options),
        "keras": lambda path, _: from_keras(path),
        "onnx": lambda path, _: _onnx().from_onnx(path),
        "litert": lambda path, options: from_litert(path, **options),
        "nam": lambda path, _: from_nam(path),
        "rtneural": lambda path, _: from_rtneural(path),
        "tensorflow": lambda path, options: from_tensorflow(path, **options),
    }


def _without_initial_state(model: Network) -> Network:
    """The same network with sequences that begin at zeros."""
    options: dict[str, Any] = model.options | {"initial_state": "zeros"}
    plain = Network(**options, seed=0)
    for name in plain.parameters:
        plain.parameters[name] = model.parameters[name]
    return plain


def _writers() -> dict[str, Callable[[Any, str], Any]]:
    """Functions of a model and a path."""
    return {
        "peephole": lambda model, path: model.save(path),
        "torch": lambda model, path: _save_state_dict(model, path),
        "keras": lambda model, path: to_keras(model).save(path),
        "onnx": lambda model, path: _onnx().to_onnx(model, path),
        "nam": to_nam,
        "rtneural": to_rtneural,
    }


def _onnx() -> Any:
    with fork_gate:
        return importlib.import_module("peephole.interop.onnx")


def _state_dict(path: str) -> Any:
    torch = needed("torch", "torch")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # of pickles with other things, of broken archives
        first = str(error).partition("\n")[0]
        raise ValueError(f"{path}: expected a state dict, got: {first}") from None
    return content.get("state_dict", content) if isinstance(content, dict) else content


def _save_state_dict(model: Any, path: str) -> None:
    module = to_torch(model)
    needed("torch", "torch").save(module.state_dict(), path)

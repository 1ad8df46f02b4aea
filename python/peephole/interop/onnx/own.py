"""Reads the files that `to_onnx` wrote: their metadata has the model's options and masks.

The metadata are not trusted: the graph of a model with these options is built again and compared
with that of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole.interop.onnx import initial, operator
from peephole.interop.onnx.exporting import graph_of, opsets
from peephole.interop.onnx.layers import is_dense, parameter_shapes
from peephole.interop.onnx.metadata import KEY, Description, read_description, unpacked
from peephole.interop.onnx.tensors import array_of
from peephole.models.lstm import LSTM
from peephole.models.network import Network
from peephole.scaling.texts import set_scalings


def is_own(proto: Any) -> bool:
    """Whether the metadata of a file are those of this package."""
    return any(entry.key == KEY for entry in proto.metadata_props)


def read_own(proto: Any) -> LSTM | Network:
    """The model of a file that `to_onnx` wrote.

    Raises:
        ValueError: If the metadata and the graph contradict each other.
    """
    about = read_description({entry.key: entry.value for entry in proto.metadata_props})
    arrays = _arrays(proto.graph, about)
    model = _model(about, arrays)
    _compare(proto, about, model.options)
    return model


def _arrays(graph: Any, about: Description) -> dict[str, NDArray[Any]]:
    """The initialisers that hold the parameters, with the shapes that the options ask for."""
    shapes = _tensor_shapes(about.options, about.form)
    held = {tensor.name: tensor for tensor in graph.initializer}
    if len(held) != len(graph.initializer):
        raise ValueError("the file has two tensors of one name")
    arrays = {}
    for name, shape in shapes.items():
        if name not in held:
            raise ValueError(f"metadata {KEY!r}: the file has no tensor {name!r}")
        if tuple(held[name].dims) != shape:
            found = tuple(held[name].dims)
            raise ValueError(f"tensor {name!r}: the metadata ask for shape {shape}, got {found}")
        arrays[name] = array_of(held[name], name)
        if arrays[name].dtype.name != about.options["dtype"]:
            raise ValueError(
                f"tensor {name!r}: the metadata ask for {about.options['dtype']!r}, "
                f"got {arrays[name].dtype}"
            )
    return arrays


def _tensor_shapes(options: Mapping[str, Any], form: str) -> dict[str, tuple[int, ...]]:
    """{name: shape} of the initialisers that hold the parameters."""
    shapes = parameter_shapes(options)
    of_weights = {k: s for k, s in shapes.items() if not initial.is_initial(k)}
    if form == "lstm":
        dense = {name: shape for name, shape in shapes.items() if is_dense(name)}
        of_weights = operator.tensor_shapes(options) | dense
    return of_weights | initial.tensor_shapes(shapes)


def _model(about: Description, arrays: Mapping[str, NDArray[Any]]) -> LSTM | Network:
    shapes = parameter_shapes(about.options)
    for name in about.masks:
        if name not in shapes:
            raise ValueError(f"metadata {KEY!r}: there is no parameter {name!r} to mask")
    masks = {name: unpacked(text, shapes[name], name) for name, text in about.masks.items()}
    make: Any = Network if about.kind == "Network" else LSTM
    states = initial.parameters_of(shapes, arrays)
    parameters = {name: value for name, value in arrays.items() if name in shapes} | states
    try:
        if about.form == "lstm":
            if reason := operator.why_not(about.options):
                raise ValueError(f"the LSTM operator cannot express {reason}")
            dense = {name: value for name, value in arrays.items() if is_dense(name)}
            parameters = operator.parameters_of(about.options, arrays) | states | dense
        model: LSTM | Network = make._restored(about.options, masks, parameters)
        if about.scalings:
            set_scalings(model, about.scalings)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise ValueError(f"metadata {KEY!r}: {error}") from None
    for name, value in parameters.items():
        if not np.array_equal(model.parameters[name], value, equal_nan=True):
            raise ValueError(f"tensor {name!r}: it has values where the metadata allow only zeros")
    return model


def _compare(proto: Any, about: Description, options: Mapping[str, Any]) -> None:
    """Raises ValueError where the file's graph is not the one that the options make."""
    zeros = {tensor.name: np.zeros(0) for tensor in proto.graph.initializer}
    shapes = _tensor_shapes(options, about.form)
    arrays = {name: zeros[name] for name in shapes}
    graph, functions = graph_of(options, about.form, arrays, len(proto.graph.input) != 1)
    for what, given, expected in (
        ("node", proto.graph.node, graph.node),
        ("input", proto.graph.input, graph.input),
        ("output", proto.graph.output, graph.output),
        ("function", proto.functions, functions),
        ("opset", proto.opset_import, opsets(about.form)),
    ):
        _compare_lists(what, given, expected)
    held = {tensor.name: tensor for tensor in proto.graph.initializer}
    for tensor in graph.initializer:
        if tensor.name not in shapes and held.pop(tensor.name, None) != tensor:
            raise _other(f"the default of input {tensor.name!r}")
        held.pop(tensor.name, None)
    if held or proto.graph.sparse_initializer:
        raise _other("a tensor", next(iter(held), "sparse"))


def _compare_lists(what: str, given: Any, expected: Any) -> None:
    serialised = [item.SerializeToString(deterministic=True) for item in given]
    if len(serialised) == len(expected):
        for item, text, own in zip(given, serialised, expected, strict=True):
            if text != own.SerializeToString(deterministic=True):
                raise _other(what, getattr(item, "name", "") or getattr(item, "domain", ""))
        return
    raise _other(f"the number of {what}s", f"{len(serialised)} instead of {len(expected)}")


def _other(what: str, name: str = "") -> ValueError:
    detail = f"{what} {name!r}" if name else what
    return ValueError(
        f"metadata {KEY!r}: the graph is not that of its options: {detail} differs. "
        "The file was changed after peephole wrote it"
    )


def check_functions(proto: Any) -> None:
    """Raises ValueError for a file with our functions that lost its metadata."""
    for function in proto.functions:
        if function.domain == KEY:
            raise ValueError(
                f"the file has the function {function.name!r} of peephole, but its metadata "
                f"{KEY!r}, which describe the model, are missing"
            )

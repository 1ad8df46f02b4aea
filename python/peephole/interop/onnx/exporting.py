"""Writes ONNX files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from peephole._checks import flag, path_text
from peephole.interop.layers import in_floating_point
from peephole.interop.onnx import initial, operator, scan
from peephole.interop.onnx.dense_input import write_dense_input
from peephole.interop.onnx.layers import ALL_STEPS, Layer, Sequences, is_dense, layers
from peephole.interop.onnx.metadata import metadata
from peephole.interop.onnx.nodes import DOMAIN, Nodes
from peephole.interop.onnx.package import onnx_package
from peephole.interop.onnx.readout import batch_first, write_head
from peephole.models.base import Model

_OPSET = 17
_IR_VERSION = 8  # the first with functions
_MOST_BYTES = 2**31 - 1  # of a message of Protocol Buffers


def to_onnx(
    model: Model,
    path: str | os.PathLike[str],
    form: Literal["auto", "lstm", "scan"] = "auto",
    *,
    optional_inputs: bool = True,
) -> None:
    """Writes a model, for inference, as an ONNX file: opset 17, IR version 8.

    An existing file at `path` is replaced only once the new one is complete.

    Args:
        model: An `LSTM` or a `Network`.
        path: Of the file.
        form: "lstm" writes the operator LSTM, which many runtimes have fast kernels for; it takes
            only some models: float32, no zoneout, projection or cell_clip, diagonal peepholes on
            i, f and o alone with `output_peephole="current"` or none, the same activation of i, f
            and o, no softplus. "scan" writes a function of the domain "peephole" over the operator
            Scan, for every model. "auto" chooses "lstm" where the model allows it.
        optional_inputs: Whether the graph has the inputs for lengths and initial states. They have
            default values, and ONNX Runtime writes a warning for each input with a default value
            when it loads a file. False: x is the only input, and no warnings are written.

    The graph's inputs and outputs are those of a call of the model, with dynamic B and T. All
    inputs but x may be omitted.

    ============================  ==================  ===========================================
    input                         shape
    ============================  ==================  ===========================================
    ``x``                         (B, T, I)
    ``lengths``                   (B,) or (1,) int64  each in 0..T; default: T
    ``initial_h_l{k}``            (B, H) or (1, H)    of layer k; default: zeros, or what is learned
    ``initial_c_l{k}``            (B, H) or (1, H)
    ============================  ==================  ===========================================

    ============================  ==================  ===========================================
    output                        shape
    ============================  ==================  ===========================================
    ``y``                         (B, T, O)           (B, O) for readouts other than "all"
    ``final_h_l{k}``              (B, H)              after each sequence's last valid step
    ``final_c_l{k}``              (B, H)
    ============================  ==================  ===========================================

    Of a quantized model, the file has the rounded weights in float32, as `dequantize` has them,
    and there is a UserWarning. With a projection the states h have P values for H. The states of
    the reverse direction end in ``_reverse``. `from_onnx` reads such a file back with all options,
    masks and scalings.

    Raises:
        ValueError: If `form` is unknown or does not fit the model, or if the model is larger than
            the 2 GiB that an ONNX file can hold.
        TypeError: If `model` is not an LSTM or a Network, or `optional_inputs` is not a bool.
        ImportError: If the package onnx is not installed.
        OSError: If the file cannot be written.

    Example:
        >>> peephole.interop.to_onnx(net, "net.onnx")
        >>> session = onnxruntime.InferenceSession("net.onnx")
        >>> y = session.run(["y"], {"x": x})[0]
    """
    if not isinstance(model, Model):
        raise TypeError(f"model: expected an LSTM or a Network, got {type(model).__name__}")
    place = path_text(path, "path")
    model = in_floating_point(model, "the file", stacklevel=3)
    size = sum(value.nbytes for value in dict(model.parameters).values())
    if size > _MOST_BYTES:
        raise ValueError(f"model: expected at most 2 GiB, which ONNX files can hold, got {size}")
    proto = model_proto(model, choose(model, form), flag(optional_inputs, "optional_inputs"))
    _write(place, proto.SerializeToString(deterministic=True))


def choose(model: Model, form: str) -> str:
    """Returns "lstm" or "scan"; raises ValueError if `form` is not possible."""
    if form not in ("auto", "lstm", "scan"):
        raise ValueError(f'form: expected "auto", "lstm" or "scan", got {form!r}')
    reason = operator.why_not(model.options)
    if form == "lstm" and reason:
        raise ValueError(f'form="lstm": the LSTM operator cannot express {reason}; use form="scan"')
    if form == "auto":
        return "scan" if reason else "lstm"
    return form


def model_proto(model: Model, form: str, optional_inputs: bool = True) -> Any:
    """The onnx.ModelProto of a model in one of the two forms."""
    helper = onnx_package().helper
    options = model.options
    arrays = {name: np.array(value) for name, value in dict(model.parameters).items()}
    graph, functions = graph_of(options, form, tensors(options, form, arrays), optional_inputs)
    proto = helper.make_model(
        graph,
        functions=functions,
        opset_imports=opsets(form),
        ir_version=_IR_VERSION,
        producer_name="peephole",
    )
    helper.set_model_props(proto, metadata(model, form))
    return proto


def opsets(form: str) -> list[Any]:
    """The opset imports of a file of this form."""
    helper = onnx_package().helper
    own = [helper.make_opsetid(DOMAIN, 1)] if form == "scan" else []
    return [helper.make_opsetid("", _OPSET), *own]


def tensors(
    options: Mapping[str, Any], form: str, parameters: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """{name: array} of the initialisers that hold the parameters."""
    states = initial.tensors(parameters)
    if form == "scan":
        others = {k: v for k, v in parameters.items() if not initial.is_initial(k)}
        return others | states
    dense = {name: value for name, value in parameters.items() if is_dense(name)}
    return operator.tensors(options, parameters) | states | dense


def graph_of(
    options: Mapping[str, Any],
    form: str,
    arrays: Mapping[str, NDArray[Any]],
    optional_inputs: bool = True,
) -> tuple[Any, list[Any]]:
    """The graph of a model with these options, and its functions.

    Without the optional inputs their default values remain, as constants.
    """
    helper = onnx_package().helper
    dtype = np.dtype(options["dtype"])
    nodes = Nodes()
    for name, value in arrays.items():
        nodes.initialiser(name, value)
    kind = helper.np_dtype_to_tensor_dtype(dtype)
    inputs = [
        helper.make_tensor_value_info("x", kind, ["batch", "time", options["input_size"]]),
        helper.make_tensor_value_info("lengths", 7, ["batch_of_lengths"]),  # INT64
    ]
    nodes.initialiser("lengths", np.array([ALL_STEPS]))
    sequences, y = _sequences(nodes, dtype)
    if options.get("input_dense_size"):
        y = write_dense_input(nodes, options, y, dtype)
    write = writer(form)
    outputs, final_h = [], [""]
    for layer in layers(options):
        state = [_initial(nodes, layer, s, sequences, inputs, kind) for s in layer.suffixes]
        y, final = write(nodes, layer, sequences, y, state)
        final_h = [h for h, _ in final]
        for suffix, pair in zip(layer.suffixes, final, strict=True):
            sizes = (layer.outputs, layer.units)
            for letter, value, size in zip("hc", pair, sizes, strict=True):
                name = nodes.add("Identity", value, output=f"final_{letter}{suffix}")
                shape = ["batch", size]
                outputs.append(helper.make_tensor_value_info(name, kind, shape))
    if "output_size" in options:
        write_head(nodes, options, sequences, y, final_h)
        shape = ["batch", *(["time"] * (options["readout"] == "all")), options["output_size"]]
    else:
        batch_first(nodes, sequences, y)
        shape = ["batch", "time", layers(options)[-1].outputs * len(final_h)]
    outputs.insert(0, helper.make_tensor_value_info("y", kind, shape))
    inputs = inputs if optional_inputs else inputs[:1]
    graph = helper.make_graph(nodes.nodes, "peephole", inputs, outputs, nodes.initialisers)
    return graph, list(_functions(options, form, dtype).values())


def writer(form: str) -> Any:
    """`write_layer` of a form."""
    return scan.write_layer if form == "scan" else operator.write_layer


def _functions(options: Mapping[str, Any], form: str, dtype: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if form == "scan":
        for layer in layers(options):
            for name, function in scan.functions(layer, dtype).items():
                found.setdefault(name, function)
    return found


def _sequences(nodes: Nodes, dtype: Any) -> tuple[Sequences, str]:
    """What all layers use, and x (T, B, I).

    T is at least 1 from here on, since ONNX Runtime's Scan needs a step: an input without steps
    gets one that is beyond all lengths.
    """
    batch, time, _ = nodes.add_many("Split", nodes.add("Shape", "x"), outputs=3, axis=0)
    lengths = nodes.add("Expand", "lengths", batch)
    lengths = nodes.add("Max", nodes.add("Min", lengths, time), nodes.constant(0))
    padded = nodes.add("Max", time, nodes.constant([1]))
    added = nodes.add("Sub", padded, time)
    pads = nodes.add("Concat", nodes.constant([0, 0, 0]), added, nodes.constant([0, 0]), axis=0)
    x = nodes.add("Pad", nodes.add("Transpose", "x", perm=[1, 0, 2]), pads)
    last = nodes.add("Squeeze", padded, nodes.constant([0]))
    t = nodes.add("Range", nodes.constant(0), last, nodes.constant(1))
    t = nodes.add("Unsqueeze", t, nodes.constant([1, 2]))
    steps = nodes.add("Less", t, nodes.add("Unsqueeze", lengths, nodes.constant([0, 2])))
    return Sequences(batch, time, lengths, steps, dtype), x


def _initial(
    nodes: Nodes, layer: Layer, suffix: str, sequences: Sequences, inputs: list[Any], kind: int
) -> tuple[str, str]:
    """The initial h (B, P) and c (B, H), from inputs of the graph.

    By default they are zeros, unless the graph has a learned initial state already.
    """
    pair = []
    for letter, size in (("h", layer.outputs), ("c", layer.units)):
        name = f"initial_{letter}{suffix}"
        info = onnx_package().helper.make_tensor_value_info
        inputs.append(info(name, kind, ["batch_of_states", size]))
        if layer.options["initial_state"] == "zeros":
            nodes.initialiser(name, np.zeros((1, size), sequences.dtype))
        values = nodes.constant([size])
        shape = nodes.add("Concat", sequences.batch, values, axis=0)
        pair.append(nodes.add("Expand", name, shape))
    return pair[0], pair[1]


def _write(path: str, data: bytes) -> None:
    """Writes a file atomically: it replaces the one at `path` only when it is complete."""
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files for the user alone
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

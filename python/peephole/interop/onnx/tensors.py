"""Reads ONNX files and their tensors without trusting them. Nothing in a file is executed."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._checks import path_text
from peephole._fork_gate import fork_gate
from peephole.interop.onnx.package import onnx_package

_ITEM_BYTES = {"float32": 4, "float64": 8, "float16": 2, "int64": 8, "int32": 4, "bool": 1}


def read_model(source: str | os.PathLike[str] | bytes) -> Any:
    """The onnx.ModelProto in a file or in bytes.

    Raises:
        ValueError: If it is not an ONNX model.
        OSError: If the file cannot be read.
    """
    onnx = onnx_package()
    if isinstance(source, (bytes, bytearray, memoryview)):
        name, data, folder = "path_or_bytes", bytes(source), None
    else:
        name = path_text(source, "path_or_bytes")
        data, folder = Path(name).read_bytes(), str(Path(name).parent)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # Protocol Buffers have several kinds of errors for broken data
        raise ValueError(f"{name}: not an ONNX model, or a part of one: {error}") from None
    if not model.HasField("graph") or model.ir_version <= 0 or not model.opset_import:
        raise ValueError(f"{name}: not an ONNX model: it has no graph, IR version or opset")
    _check_texts(model, name)
    _load_external_data(model, name, folder)
    return model


def _check_texts(message: Any, name: str) -> None:
    """Raises ValueError for texts that are not UTF-8, which Protocol Buffers give as bytes."""
    for field, value in message.ListFields():
        if field.type not in (field.TYPE_STRING, field.TYPE_MESSAGE):
            continue
        single = isinstance(value, (str, bytes)) or hasattr(value, "ListFields")
        for item in [value] if single else value:
            if isinstance(item, bytes):
                raise ValueError(f"{name}: not an ONNX model: a {field.name} is not UTF-8")
            if field.type == field.TYPE_MESSAGE:
                _check_texts(item, name)


def _load_external_data(model: Any, name: str, folder: str | None) -> None:
    """Reads tensors that are stored in separate files beside the model."""
    onnx = onnx_package()
    external = [t for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    if not external:
        return
    if folder is None:
        raise ValueError(
            f"{name}: the tensor {external[0].name!r} is in a separate file (external data), "
            "which needs the path of the model"
        )
    with fork_gate:
        from onnx.external_data_helper import load_external_data_for_tensor

    for tensor in external:
        try:
            # Refuses files outside of the folder.
            load_external_data_for_tensor(tensor, folder)
        except Exception as error:  # onnx has several kinds, also of files that are missing
            raise ValueError(
                f"{name}: the external data of tensor {tensor.name!r} cannot be read: {error}"
            ) from None
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]


def array_of(tensor: Any, name: str) -> NDArray[Any]:
    """The values of a TensorProto.

    Raises:
        ValueError: If its type is not supported, or if it holds fewer or more values than its shape
            has.
    """
    onnx = onnx_package()
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)).name
    except (KeyError, TypeError, ValueError):
        dtype = f"unknown ({tensor.data_type})"
    if dtype not in _ITEM_BYTES:
        raise ValueError(f"tensor {name!r}: expected float32 or float64 values, got {dtype}")
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.HasField("segment"):
        raise ValueError(f"tensor {name!r}: its values are stored elsewhere (external data)")
    shape = tuple(tensor.dims)
    if any(size < 0 for size in shape):
        raise ValueError(f"tensor {name!r}: expected sizes of 0 or more, got {shape}")
    count, held = math.prod(shape), _values_held(tensor, dtype)
    if count != held:
        raise ValueError(f"tensor {name!r}: expected {count} values for {shape}, got {held}")
    try:
        return np.array(onnx.numpy_helper.to_array(tensor))
    except Exception as error:  # onnx raises several kinds
        raise ValueError(f"tensor {name!r}: its values cannot be read: {error}") from None


def _values_held(tensor: Any, dtype: str) -> int:
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data) // _ITEM_BYTES[dtype]
    fields = {"float32": "float_data", "float64": "double_data", "int64": "int64_data"}
    return len(getattr(tensor, fields.get(dtype, "int32_data")))

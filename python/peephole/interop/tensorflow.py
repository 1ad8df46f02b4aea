"""Checkpoints of TensorFlow 1 cells and of TensorFlow Addons' PeepholeLSTMCell.

tf.compat.v1.nn.rnn_cell.LSTMCell (also BasicLSTMCell, LSTMBlockCell, LSTMBlockFusedCell):
https://www.tensorflow.org/api_docs/python/tf/compat/v1/nn/rnn_cell/LSTMCell. One kernel
(I + H, 4H), the rows of x first, columns i, j (the cell input), f, o; diagonal peepholes w_i_diag,
w_f_diag, w_o_diag (H,); forget_bias is added to f when the cell runs. With num_proj=P there is a
projection/kernel (H, P), and the kernel is (I + P, 4H).

tfa.rnn.PeepholeLSTMCell:
https://www.tensorflow.org/addons/api_docs/python/tfa/rnn/PeepholeLSTMCell. Keras' kernel (I, 4H)
and recurrent_kernel (H, 4H), columns i, f, c, o, and {input,forget,output}_gate_peephole_weights.

In both, o reads c_t (H. Sak, A. Senior, F. Beaufays, 2014, arXiv:1402.1128).

Those with layer normalisation: see tensorflow_norms.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._checks import path_text, positive, real
from peephole.interop.layers import Direction, Head, Layers, common_dtype, gate_rows, weight
from peephole.interop.packages import needed
from peephole.interop.tensorflow_norms import (
    layer_norm_options,
    norms_of_gates,
    norms_of_products,
)
from peephole.models.lstm import LSTM
from peephole.models.network import Network

_OF_CHECKPOINT = re.compile(r"\.(index|data-\d+-of-\d+)$")  # its files; a prefix names them all
_SUFFIXES = re.compile(r"(/\.ATTRIBUTES/VARIABLE_VALUE|:0)$")
_PEEPHOLES = {
    "i": ("w_i_diag", "input_gate_peephole_weights"),
    "f": ("w_f_diag", "forget_gate_peephole_weights"),
    "o": ("w_o_diag", "output_gate_peephole_weights"),
}
_BACKWARD = re.compile(r"(^|/)(bw|backward\w*)(/|$)")


def from_tensorflow(
    source: Any,
    layers: Sequence[str] | None = None,
    head: str | None = None,
    *,
    forget_bias: float = 1.0,
    cell_clip: float | None = None,
    layer_norm_epsilon: float | None = None,
    recurrent_activation: str = "sigmoid",
    proj_clip: float | None = None,
    activation: str = "identity",
    readout: str = "all",
) -> LSTM | Network:
    """The model of LSTM cells in a checkpoint of TensorFlow 1 or TensorFlow Addons.

    A checkpoint contains only weights. Options of the cells must be given where they are not the
    default. A checkpoint does not show whether its cells had cell_clip or proj_clip.

    Args:
        source: A mapping of names to arrays, the path of an `.npz` file of them, or the prefix,
            a file or the folder of a checkpoint, for which tensorflow must be installed.
        layers: The scopes of the cells, such as "rnn/multi_rnn_cell/cell_0/lstm_cell", first layer
            first; in a bidirectional stack the forward and the backward cell of each layer. None:
            all scopes that have the names of such a cell, in the order of the numbers in them;
            those with a part "bw" or "backward..." are backward.
        head: The scope of the dense layer. None: the result is an `LSTM`. Other variables of the
            checkpoint are not used.
        forget_bias: Of TensorFlow 1's cells, which add it when they run. Addons' have none.
        cell_clip: Of the cells, the bound of their states; None: they have none.
        layer_norm_epsilon: Of cells with layer normalisation: TensorFlow 1's LayerNormBasicLSTMCell
            and Addons' LayerNormLSTMCell. None: their default, 1e-12 and 1e-3.
        recurrent_activation: Of Addons' cells: "sigmoid" or "hard_sigmoid".
        proj_clip: Of TensorFlow 1's cells with num_proj; None: they have none.
        activation: Of the head: "identity", "sigmoid", "tanh" or "softmax".
        readout: What the head reads: "all", "last", "mean" or "max"; see `Network`.

    Returns:
        An `LSTM`, or with a head a `Network`, of the arrays' dtype, float32 or float64. Cells with
        peepholes give `peephole_gates="ifo", output_peephole="current"`; those with layer
        normalisation `layer_norm="gates"`, and Addons' `layer_norm="products"`.

    Raises:
        ValueError: For a name or shape that does not fit, and for a file that is broken.
        TypeError: If `source` is neither a mapping nor a path.
        OSError: If a file cannot be read.
        ImportError: If a checkpoint is given and tensorflow is not installed.
    """
    forget_bias = real(forget_bias, "forget_bias")
    arrays = _arrays(source)
    scopes = _scopes(arrays) if layers is None else list(layers)
    if not scopes:
        raise ValueError("source: expected the variables of an LSTM cell, got none")
    taken: dict[str, NDArray[Any]] = {}
    cells = [_cell(arrays, scope, forget_bias, taken) for scope in scopes]
    backward = [bool(_BACKWARD.search(scope)) for scope in scopes]
    directions = _paired(cells, backward, scopes)
    dense = None if head is None else _dense(arrays, head, activation, readout, taken)
    kinds = {frozenset(cell.gains) for cell in cells}
    if len(kinds) > 1:
        raise ValueError(
            "layers: expected layer normalisation of one kind in all cells or in none, got "
            f"{dict(zip(scopes, ([*cell.gains] for cell in cells), strict=True))}"
        )
    with_peepholes = [cell.weight_ch is not None for cell in cells]
    if len(set(with_peepholes)) > 1:
        raise ValueError(
            "layers: expected peepholes in all cells or in none, got "
            f"{dict(zip(scopes, with_peepholes, strict=True))}"
        )
    options: dict[str, Any] = {}
    if with_peepholes[0]:
        options = {
            "peephole": "diagonal",
            "peephole_gates": "ifo",
            "output_peephole": "current",
        }
    options["cell_clip"] = cell_clip
    options |= layer_norm_options(cells[0].gains, layer_norm_epsilon)
    options["activations"] = dict.fromkeys("ifo", recurrent_activation)
    if proj_clip is not None:
        options["projection_clip"] = positive(proj_clip, "proj_clip")
    return Layers(directions, dense, options).model(common_dtype(taken))


def _arrays(source: Any) -> dict[str, Any]:
    if not isinstance(source, Mapping):
        source = _read(path_text(source, "source"))
    arrays = {}
    for name, value in source.items():
        if not isinstance(name, str):
            raise TypeError(f"source: expected names of arrays, got {name!r}")
        arrays[_SUFFIXES.sub("", name)] = value
    return arrays


def _read(path: str) -> dict[str, Any]:
    if path.endswith(".npz"):
        try:
            with Path(path).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except FileNotFoundError:
            raise
        except Exception as error:  # of the zip archive, of its arrays, of pickles
            raise ValueError(f"{path}: expected an .npz file of arrays, got: {error}") from None
    return _read_checkpoint(path)


def _read_checkpoint(path: str) -> dict[str, Any]:
    tensorflow = needed("tensorflow", "tensorflow")
    prefix = _OF_CHECKPOINT.sub("", path)
    if not (Path(prefix).exists() or Path(f"{prefix}.index").exists()):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    try:
        reader = tensorflow.train.load_checkpoint(prefix)
        return {
            name: reader.get_tensor(name)
            for name in reader.get_variable_to_shape_map()
            if name != "_CHECKPOINTABLE_OBJECT_GRAPH"
        }
    except Exception as error:  # TensorFlow raises many kinds
        raise ValueError(f"{path}: expected a checkpoint of TensorFlow, got: {error}") from None


def _scopes(arrays: Mapping[str, Any]) -> list[str]:
    """The scopes of all cells, in the order of the numbers in their names."""
    found = []
    for name in arrays:
        scope, _, last = name.rpartition("/")
        peephole = any(f"{scope}/{n}" in arrays for names in _PEEPHOLES.values() for n in names)
        if last == "recurrent_kernel" or (
            last == "kernel"
            and f"{scope}/recurrent_kernel" not in arrays
            and (
                peephole
                or "lstm" in scope.rpartition("/")[2]
                or f"{scope}/transform/gamma" in arrays
            )
        ):
            found.append(scope)

    def order(scope: str) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", _BACKWARD.sub("/fx/", scope.replace("/fw/", "/fx/")))
        return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]

    return sorted(found, key=lambda scope: (order(scope), bool(_BACKWARD.search(scope))))


def _paired(
    cells: Sequence[Direction], backward: Sequence[bool], scopes: Sequence[str]
) -> list[list[Direction]]:
    """One cell for each layer, or two if there are backward cells."""
    if not any(backward):
        return [[cell] for cell in cells]
    if list(backward) != [False, True] * (len(cells) // 2):
        raise ValueError(
            "layers: expected a forward and a backward cell of each layer, got "
            f"{', '.join(scopes)}; give them in this order"
        )
    return [list(cells[k : k + 2]) for k in range(0, len(cells), 2)]


def _cell(
    arrays: Mapping[str, Any], scope: str, forget_bias: float, taken: dict[str, NDArray[Any]]
) -> Direction:
    def take(name: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
        full = f"{scope}/{name}"
        if full not in arrays:
            raise ValueError(f"source: there is no {full}")
        taken[full] = weight(arrays[full], full, shape)
        return taken[full]

    keras_layout = f"{scope}/recurrent_kernel" in arrays
    projection = None
    if keras_layout:
        recurrent = take("recurrent_kernel", (None, None))
        units = len(recurrent)
        weight(recurrent, f"{scope}/recurrent_kernel", (units, 4 * units))
        kernel = take("kernel", (None, 4 * units))
    else:
        both = take("kernel", (None, None))
        units, rest = divmod(both.shape[1], 4)
        outputs, form = units, "(I + H, 4H)"
        if f"{scope}/projection/kernel" in arrays:
            projection = take("projection/kernel", (units, None)).T
            outputs, form = len(projection), f"(I + {len(projection)}, 4H)"
        if rest or not 0 < outputs < len(both):
            raise ValueError(
                f"{scope}/kernel: expected the shape {form} of an LSTM, got {both.shape}"
            )
        kernel, recurrent = both[:-outputs], both[-outputs:]
    normalises = f"{scope}/input/gamma" in arrays
    needs_bias = not (keras_layout or normalises)
    bias = take("bias", (4 * units,)) if f"{scope}/bias" in arrays or needs_bias else None
    peepholes = _peepholes(arrays, scope, units, take)
    if keras_layout:  # i, f, c, o, as here
        gains, shift = norms_of_products(arrays, scope, units, take)
        if shift is not None:
            bias = shift if bias is None else bias + shift
        return Direction(kernel.T, recurrent.T, bias, peepholes, gains)
    gains, shift = norms_of_gates(units, take) if normalises else ({}, None)
    if bias is not None:
        bias = gate_rows(bias, "igfo")
    if shift is not None:
        bias = shift if bias is None else bias + shift
    assert bias is not None
    bias[units : 2 * units] += bias.dtype.type(forget_bias)
    matrices = gate_rows(kernel.T, "igfo"), gate_rows(recurrent.T, "igfo")
    return Direction(*matrices, bias, peepholes, gains, projection)


def _peepholes(arrays: Mapping[str, Any], scope: str, units: int, take: Any) -> Any:
    """(4, H), rows i, f, g, o, or None without peepholes."""
    found = {
        gate: name
        for gate, names in _PEEPHOLES.items()
        for name in names
        if f"{scope}/{name}" in arrays
    }
    if not found:
        return None
    rows = {gate: take(_name(found, gate, scope), (units,)) for gate in _PEEPHOLES}
    return np.stack([rows.get(gate, np.zeros_like(rows["i"])) for gate in "ifgo"])


def _name(found: Mapping[str, str], gate: str, scope: str) -> str:
    if gate not in found:
        raise ValueError(f"{scope}: there are peepholes of {', '.join(found)} but none of {gate}")
    return found[gate]


def _dense(
    arrays: Mapping[str, Any],
    scope: str,
    activation: str,
    readout: str,
    taken: dict[str, NDArray[Any]],
) -> Head:
    if (name := f"{scope}/kernel") not in arrays:
        raise ValueError(f"head: expected the scope of a dense layer, got {scope!r}")
    taken[name] = weight(arrays[name], name, (None, None))
    bias = None
    if (bias_name := f"{scope}/bias") in arrays:
        bias = taken[bias_name] = weight(arrays[bias_name], bias_name, (taken[name].shape[1],))
    return Head(taken[name].T, bias, activation, readout)

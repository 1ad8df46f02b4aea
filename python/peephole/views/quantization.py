"""How far a quantized model is from the one that it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import input_array
from peephole._sequences import Sequences, is_ragged, read_sequences, real_steps
from peephole.models.lstm import LSTM
from peephole.models.network import Network
from peephole.views.inspection import stack_of

# Options in which a model and its quantized form may differ.
_OF_THE_FORMAT = ("quantization", "dtype")
# Traces keep six values for each unit and step. Batches are cut so that they stay within this.
_TRACED = 6
_BATCH_BYTES = 1 << 26


@dataclass(frozen=True)
class QuantizationReport:
    """The errors of a quantized model on some data; `print` shows it as a table.

    An error is the difference from the model in floating point. The root mean square (RMS) and the
    maximum are over all values of all valid steps, or of all sequences for a readout that gives one
    y per sequence.
    """

    format: str
    """"int16", "int8" or "int8_fast"."""
    rms: float
    """RMS of y of the model in floating point."""
    rms_error: float
    """RMS of the error of y."""
    max_error: float
    """The largest error of y."""
    changed: int | None
    """For a softmax head, how many predictions (the most probable class) differ; else None."""
    predictions: int | None
    """For a softmax head, the number of predictions; else None."""
    layers: tuple[float, ...]
    """(L,) For each layer RMS of the error of h over RMS of h, of both directions together.

    0 where there is no error, and inf where only h of the model in floating point is 0 everywhere.
    """
    model_bytes: int
    """Bytes of the parameters of the model in floating point."""
    quantized_bytes: int
    """Bytes of the parameters of the quantized model."""

    @property
    def relative_error(self) -> float:
        """`rms_error` over `rms`."""
        return _ratio(self.rms_error, self.rms)

    def __str__(self) -> str:
        rows = [
            ("RMS of y", f"{self.rms:.3g}"),
            ("RMS error of y", f"{self.rms_error:.1e}"),
            ("RMS error / RMS of y", f"{self.relative_error:.1e}"),
            ("largest error of y", f"{self.max_error:.1e}"),
        ]
        if self.predictions is not None:
            rows.append(("changed predictions", f"{self.changed:,} of {self.predictions:,}"))
        rows += [
            (f"RMS error / RMS of h, layer {k}", f"{error:.1e}")
            for k, error in enumerate(self.layers)
        ]
        part = self.quantized_bytes / self.model_bytes
        rows.append(
            (
                "bytes of the parameters",
                f"{self.quantized_bytes:,} of {self.model_bytes:,} ({part:.0%})",
            )
        )
        width = max(len(name) for name, _ in rows)
        return "\n".join([self.format, *(f"  {name.ljust(width)}  {text}" for name, text in rows)])


def quantization_report(
    model: LSTM | Network,
    quantized: LSTM | Network,
    x: Any,
    *,
    lengths: ArrayLike | None = None,
) -> QuantizationReport:
    """Compares a quantized model with the model in floating point that it was made of.

    Args:
        model: An `LSTM` or a `Network` in floating point.
        quantized: What `model.quantize` returned.
        x: (n, T, I), or (T, I) for a single sequence, or a list of (T_i, I) arrays; finite in all
            valid steps. The report is about these data: use some that the model will meet.
        lengths: (n,) integers in 0..T; allowed only with x (n, T, I).

    Raises:
        ValueError, TypeError: If an argument is wrong, or if the models differ in more than the
            format of their numbers; the message names the argument.

    Example:
        >>> net = peephole.Network(12, 100, 9, head="softmax", readout="last", seed=0)
        >>> print(peephole.quantization_report(net, net.quantize("int8"), test_x))
    """
    _check_models(model, quantized)
    inputs = _read(model, x, lengths)
    errors, changed, predictions = _Sums(), 0, 0
    of_layers = [_Sums() for _ in range(model.num_layers)]
    classes = isinstance(model, Network) and model.head == "softmax"
    for values, valid in _batches(model, inputs):
        lengths_of = valid.sum(axis=1)
        y, q = (_outputs(each, values, lengths_of, valid) for each in (model, quantized))
        errors.add(y, q)
        if classes:
            changed += int((y.argmax(axis=-1) != q.argmax(axis=-1)).sum())
            predictions += len(y)
        tapes = [each._core.trace(values, None, lengths_of)[-1] for each in (model, quantized)]
        for k, sums in enumerate(of_layers):
            for direction in range(2 if model.bidirectional else 1):
                h, h_q = (tape.gates(k, direction)["h"][valid] for tape in tapes)
                sums.add(h, h_q)
    return QuantizationReport(
        format=str(quantized.quantization),
        rms=errors.rms,
        rms_error=errors.rms_error,
        max_error=errors.largest,
        changed=changed if classes else None,
        predictions=predictions if classes else None,
        layers=tuple(_ratio(sums.rms_error, sums.rms) for sums in of_layers),
        model_bytes=_bytes(model),
        quantized_bytes=_bytes(quantized),
    )


class _Sums:
    """Squares of values and of their errors, summed in float64."""

    def __init__(self) -> None:
        self.count = 0
        self.squares = self.squares_of_errors = self.largest = 0.0

    def add(self, exact: NDArray[Any], actual: NDArray[Any]) -> None:
        if not exact.size:
            return
        values = exact.astype(np.float64)
        error = actual.astype(np.float64) - values
        self.count += values.size
        self.squares += float(np.square(values).sum())
        self.squares_of_errors += float(np.square(error).sum())
        self.largest = max(self.largest, float(np.abs(error).max()))

    @property
    def rms(self) -> float:
        return float(np.sqrt(self.squares / self.count))

    @property
    def rms_error(self) -> float:
        return float(np.sqrt(self.squares_of_errors / self.count))


def _ratio(error: float, value: float) -> float:
    if error == 0:
        return 0.0
    return error / value if value else float("inf")


def _check_models(model: Any, quantized: Any) -> None:
    stack_of(model)
    if model.quantization is not None:
        raise ValueError(f"model: expected one in floating point, got one in {model.quantization}")
    if type(quantized) is not type(model):
        kind = type(model).__name__
        raise TypeError(
            f"quantized: expected a {kind}, as model is, got {type(quantized).__name__}"
        )
    if quantized.quantization is None:
        raise ValueError(
            "quantized: expected a model that `quantize` returned, got one in floating point"
        )
    options = quantized.options
    for name, value in model.options.items():
        if name not in _OF_THE_FORMAT and options[name] != value:
            raise ValueError(
                f"quantized: expected {name} {value!r}, as of model, got {options[name]!r}"
            )


def _read(model: LSTM | Network, x: Any, lengths: ArrayLike | None) -> Sequences:
    if not is_ragged(x):
        x = input_array(x)
        if x.ndim == 2:
            if lengths is not None:
                raise ValueError("lengths: allowed only with x (n, T, I), not a single sequence")
            x = x[None]
    inputs = read_sequences(x, lengths, model.input_size, model.dtype)
    if not inputs.lengths.any():
        raise ValueError("x: expected at least one step, got none")
    for row, length in enumerate(inputs.lengths.tolist()):
        if not np.isfinite(inputs.values[row][:length]).all():
            raise ValueError(
                f"x: expected finite values, got NaN or infinity in sequence {row}, "
                "of which a quantized model makes NaN"
            )
    return inputs


def _batches(
    model: LSTM | Network, inputs: Sequences
) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_]]]:
    """(x, valid steps) of sequences of similar lengths."""
    directions = 2 if model.bidirectional else 1
    of_step = _TRACED * directions * sum(model.hidden_sizes) * model.dtype.itemsize
    order = np.argsort(inputs.lengths, kind="stable")
    order = order[inputs.lengths[order] > 0]
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and (
            (end + 1 - start) * int(inputs.lengths[order[end]]) * of_step <= _BATCH_BYTES
        ):
            end += 1
        rows = order[start:end]
        values = inputs.take(rows)
        yield values, real_steps(inputs.lengths[rows], values.shape[1])
        start = end


def _outputs(
    model: LSTM | Network, x: NDArray[Any], lengths: NDArray[Any], valid: NDArray[np.bool_]
) -> NDArray[Any]:
    """(valid steps, O), or (B, O) for a readout that gives one y per sequence."""
    y = model(x, lengths=lengths)[0]
    return y[valid] if y.ndim == 3 else y


def _bytes(model: LSTM | Network) -> int:
    return sum(model.parameters[name].nbytes for name in model.parameters)

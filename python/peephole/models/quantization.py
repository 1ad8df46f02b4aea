"""Models of integers, for inference."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal

from peephole._checks import text

if TYPE_CHECKING:
    from typing_extensions import Self


class Quantizable(ABC):
    """The methods of `LSTM` and `Network` that round matrices; not for use by itself."""

    __slots__ = ()

    _core: Any

    @property
    def quantization(self) -> str | None:
        """The integers of a quantized model, "int16", "int8" or "int8_fast"; or None."""
        chosen: str | None = self._core.options["quantization"]
        return chosen

    def quantize(
        self,
        format: Literal["int16", "int8"],
        *,
        input_format: Literal["int16", "int8"] | None = None,
    ) -> Self:
        """A copy for inference that computes with integers: smaller and faster.

        The matrices of the layers become integers, with a scale for each row. At each step, x, h
        and, with dense peepholes, c are rounded to integers, too, each with a scale for its row of
        the batch. Sums of products are exact, so the outputs of the LSTM layers have the same bits
        on every instruction set. Projections, layer normalisation and, with
        output_peephole="current", dense peepholes are the exceptions: they are computed in float32.
        W of the first layer and its x stay float32 if it has at most 16 inputs. So do biases,
        diagonal peepholes, initial states and the dense layers of a network.

        A quantized model can be called, streamed, saved, loaded and pickled as any other.
        `forward`, and so training, raises ValueError. If a value of x is NaN or infinite, all later
        results of its sequence are NaN; other sequences are not affected. (With at most 16 inputs
        an infinity acts as in any model.)

        Args:
            format: "int16": matrices of 16 bits; x, h and c of 14 bits. Half the bytes; the error
                of y is some 1e-4 of y. "int8": matrices and h of 8 bits; x and c of 14 bits. A
                quarter of the bytes; the error is below 1e-2 of y for most models.
            input_format: What x of each layer is rounded to with format "int8": None or "int16" for
                14 bits; or "int8", the fastest, with about twice the error.

        Returns:
            A model of this class, with dtype float32. Parameters of float64 are rounded to float32
            first.

        Raises:
            ValueError: For other formats, for a model that is quantized already, for parameters
                that are not finite, and for layer_norm with dense peepholes, a projection, clips or
                zoneout.
        """
        return self._with_core(self._core.quantize(quantization_of(format, input_format)))

    def dequantize(self) -> Self:
        """A model in float32 with the rounded matrices of a quantized one.

        It can be trained and exported as any other. Its results differ a little from those of the
        quantized model, which also rounds x and h.

        Raises:
            ValueError: For a model that is not quantized.
        """
        if self.quantization is None:
            raise ValueError("model: expected a quantized one, got one in floating point")
        return self._with_core(self._core.dequantize())

    @abstractmethod
    def _with_core(self, core_model: Any) -> Self:
        """A copy of this model over another core model."""


def quantization_of(format: str, input_format: str | None) -> str:
    """The option `quantization` for the arguments of `quantize`."""
    text(format, "format")
    if format not in ("int16", "int8"):
        raise ValueError(f"format: expected int16 or int8, got {format!r}")
    if input_format is None or (input_format == format == "int16"):
        return format
    text(input_format, "input_format")
    if input_format not in ("int16", "int8"):
        raise ValueError(f"input_format: expected int16 or int8, got {input_format!r}")
    if format == "int16":
        raise ValueError('input_format: expected int16 with format "int16", got int8')
    return "int8_fast" if input_format == "int8" else "int8"

"""The numbers of a configuration. Each array has a generator of its own, by its name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.bits.configurations import Configuration

Array = NDArray[Any]
State = tuple[tuple[Array, Array], ...]


class Arrays:
    """Masks, parameters, inputs and gradients of one configuration, in its dtype."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration

    def masks(self) -> dict[str, Array] | None:
        """{name: bool array}, or None where nothing is masked."""
        shapes = self.configuration.shapes()
        masked = self.configuration.masked.items()
        masks = {name: self._random(f"mask {name}").random(shapes[name]) < s for name, s in masked}
        return masks or None

    def parameters(self) -> dict[str, Array]:
        """Uniform in ±1/sqrt(columns), but at most ±0.6; biases in ±0.6."""
        values = {}
        for name, shape in self.configuration.shapes().items():
            largest = min(0.6, shape[1] ** -0.5) if len(shape) == 2 else 0.6
            values[name] = self._uniform(name, shape, largest)
        return values

    def x(self) -> Array:
        """(B, T, I) or (T, I) without padding: standard normal times the scale; some are ±0."""
        shape = self._shape(self.configuration.time, self.configuration.options["input_size"])
        x = self._normal("x", shape, self.configuration.call["scale"])
        zeros = self._random("zeros").random(shape)
        x[zeros < 0.1] = 0.0
        x[zeros < 0.05] = -0.0
        return x

    def padded(self, array: Array) -> Array:
        """A copy in the configuration's memory layout, with NaN as padding where it asks for it."""
        array = array.copy()
        lengths = self.configuration.lengths
        if lengths is not None and self.configuration.call["nan_padding"]:
            for sequence, length in zip(array, lengths, strict=True):
                sequence[length:] = np.nan
        return laid_out(array, self.configuration.call["layout"])

    def dy(self) -> Array:
        """The gradient of y (or of the logits), of its shape, padded like x."""
        configuration = self.configuration
        scale = configuration.call["dy_scale"]
        if configuration.last:
            return laid_out(
                self._normal("dy", self._shape(configuration.output_size), scale),
                configuration.call["layout"],
            )
        shape = self._shape(configuration.time, configuration.output_size)
        return self.padded(self._normal("dy", shape, scale))

    def state(self) -> State | None:
        """The initial state, or None for zeros."""
        return self._state("state") if self.configuration.call["state"] else None

    def dstate(self) -> State | None:
        """The gradient of the final state, or None for zeros."""
        return self._state("dstate") if self.configuration.call["dstate"] else None

    def _state(self, name: str) -> State:
        configuration = self.configuration
        return tuple(
            (
                self._uniform(f"{name} h{k}", self._shape(P), 1.0),
                self._uniform(f"{name} c{k}", self._shape(H), 2.0),
            )
            for k, (P, H) in enumerate(configuration.state_sizes)
        )

    def _shape(self, *sizes: int) -> tuple[int, ...]:
        return sizes if self.configuration.single else (self.configuration.batch, *sizes)

    def _random(self, name: str) -> np.random.Generator:
        configuration = self.configuration
        return np.random.default_rng([configuration.seed, configuration.number, *name.encode()])

    def _uniform(self, name: str, shape: tuple[int, ...], largest: float) -> Array:
        values = self._random(name).uniform(-largest, largest, shape)
        return values.astype(self.configuration.options["dtype"])

    def _normal(self, name: str, shape: tuple[int, ...], scale: float) -> Array:
        values = scale * self._random(name).standard_normal(shape)
        return values.astype(self.configuration.options["dtype"])


def laid_out(array: Array, layout: str) -> Array:
    """The same values in memory of another layout; "single precision" rounds to float32."""
    if layout == "negative":
        return np.flip(np.flip(array).copy())
    if layout == "strided":
        wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), np.nan, array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    if layout == "transposed" and array.ndim > 1:
        return np.swapaxes(np.swapaxes(array, 0, 1).copy(), 0, 1)
    if layout == "byteswapped":
        return array.astype(array.dtype.newbyteorder())
    if layout == "single precision":
        return array.astype(np.float32)
    return array

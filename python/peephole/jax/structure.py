"""What is static in a call: the sizes and options of a model, and the models that compute it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any

import numpy as np

from peephole._checks import dtype_name
from peephole._keywords import unexpected
from peephole.models.build import keyword_defaults
from peephole.models.lstm import LSTM

_NOISE = ("dropout", "recurrent_dropout", "zoneout")
_KEPT = 64  # structures, of which a program has a few


class Structure:
    """The sizes and options of an `LSTM`, with models of it for the calls that run at a time.

    Equal structures compare equal: `jit` finds by them what it has compiled.

    Attributes:
        shapes: {parameter name: shape}.
        states: (h, c) sizes for each layer and direction.
        noisy: Whether training has dropout, recurrent dropout or zoneout.
    """

    def __init__(self, model: LSTM, key: Hashable) -> None:
        self._key = key
        self._hash = hash(key)
        self.options = model.options
        self.masks = model.masks
        self.dtype = model.dtype
        self.input_size = model.input_size
        self.output_size = model.output_size
        self.shapes = {name: model.parameters.shape(name) for name in model.parameters}
        _, state = model(np.zeros((1, 0, self.input_size), self.dtype))
        self.states = [(h.shape[1], c.shape[1]) for h, c in state]
        self.noisy = any(self.options[name] > 0 for name in _NOISE)
        self._free = [model]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Structure) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    @contextmanager
    def model(self, values: Mapping[str, Any] | None = None) -> Iterator[LSTM]:
        """A model with these parameters that no other call uses meanwhile.

        Threads and devices may call at the same time. There are as many models as calls that did.
        """
        try:
            model = self._free.pop()  # one step for other threads, like append
        except IndexError:
            model = LSTM(**self.options, masks=self.masks, seed=0)
        try:
            for name, value in (values or {}).items():
                model.parameters[name] = value
            yield model
        finally:
            self._free.append(model)


_structures: OrderedDict[Hashable, Structure] = OrderedDict()
_lock = Lock()


def structure_of(
    shapes: Mapping[str, tuple[int, ...]], dtype: str, options: Mapping[str, Any]
) -> Structure:
    """The structure of a model with parameters of these shapes and with these options of `LSTM`.

    Raises:
        ValueError, TypeError: If options are wrong, or parameters do not fit together or to the
            options; the message names the option or the parameter.
    """
    key: Hashable = (tuple(sorted(shapes.items())), dtype, _frozen(options))
    try:
        with _lock:
            if key in _structures:
                _structures.move_to_end(key)
                return _structures[key]
    except TypeError:  # an unhashable value: the model refuses it, or it is not found again
        key = object()
    made = Structure(_model(shapes, dtype, options), key)
    with _lock:
        _structures[key] = made
        while len(_structures) > _KEPT:
            _structures.popitem(last=False)
    return made


def _frozen(value: Any) -> Hashable:
    """A hashable key of an option's value, which tells values of different types apart."""
    if isinstance(value, Mapping):
        return tuple((_frozen(k), _frozen(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(map(_frozen, value))
    if isinstance(value, slice):
        return (slice, value.start, value.stop, value.step)
    if isinstance(value, np.ndarray):
        return (value.shape, value.dtype.str, value.tobytes())
    return (type(value), value)


def _model(shapes: Mapping[str, tuple[int, ...]], dtype: str, options: Mapping[str, Any]) -> LSTM:
    """A model of `options`; those that the parameters show need not be given."""
    known = [name for name in keyword_defaults(LSTM.__init__) if name != "seed"]
    for name in options:
        if name not in known:
            raise unexpected("lstm", name, known)
    layers = 0
    while f"weight_ih_l{layers}" in shapes:
        layers += 1
    if layers == 0:
        raise ValueError(
            f"parameters: expected names such as weight_ih_l0, got {', '.join(shapes) or 'none'}"
        )
    for k in range(layers):
        name = f"weight_ih_l{k}"
        if len(shapes[name]) != 2:
            raise ValueError(f"parameters: {name}: expected (4H, I), got {shapes[name]}")
    units = [shapes[f"weight_ih_l{k}"][0] // 4 for k in range(layers)]
    given = dict(options)
    if (count := given.pop("num_layers", layers)) != layers:
        raise ValueError(f"num_layers: expected {layers}, as in parameters, got {count!r}")
    if "dtype" in given and dtype_name(given["dtype"]) != dtype:
        raise ValueError(f"dtype: expected {dtype}, as in parameters, got {given['dtype']!r}")
    shown: dict[str, Any] = {
        "bias": "bias_l0" in shapes,
        "bidirectional": "weight_ih_l0_reverse" in shapes,
        "peephole": _peephole(shapes, units[0]),
        "initial_state": "learned" if "h0_l0" in shapes else "zeros",
        "layer_norm": _layer_norm(shapes),
        "projection_size": _projection(shapes),
        "dtype": dtype,
    }
    if shown["layer_norm"] is not None and "gain_c_l0" not in shapes:
        shown["layer_norm_cell"] = "none"
    if layers == 1 and given.get("dropout"):
        LSTM(1, 1, dropout=given["dropout"])  # checks it and warns
        given["dropout"] = 0.0  # has no effect; every further model would warn
    model = LSTM(shapes["weight_ih_l0"][1], units, **{**shown, **given})
    _check_shapes(shapes, {name: model.parameters.shape(name) for name in model.parameters})
    return model


def _peephole(shapes: Mapping[str, tuple[int, ...]], units: int) -> str:
    shape = shapes.get("weight_ch_l0")
    if shape is None:
        return "none"
    return "diagonal" if shape == (4, units) else "dense"


def _layer_norm(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    if "gain_ih_l0" in shapes:
        return "products"
    return "gates" if "gain_l0" in shapes else None


def _projection(shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    shape = shapes.get("weight_hr_l0")
    if shape is not None and len(shape) != 2:
        raise ValueError(f"parameters: weight_hr_l0: expected (P, H), got {shape}")
    return None if shape is None else shape[0]


def _check_shapes(
    shapes: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]
) -> None:
    for name, shape in expected.items():
        if name not in shapes:
            raise ValueError(f"parameters: expected {name} of {shape}, got none of this name")
        if shapes[name] != shape:
            raise ValueError(f"parameters: {name}: expected {shape}, got {shapes[name]}")
    for name in shapes:
        if name not in expected:
            raise ValueError(f"parameters: expected one of {', '.join(expected)}, got {name!r}")

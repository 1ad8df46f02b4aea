"""Checks of single arguments. Each raises ValueError or TypeError that names the argument."""

from __future__ import annotations

import math
import operator
import os
import sys
from types import ModuleType
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

# Looked up once: a call of a small model takes microseconds.
_ndarray = np.ndarray


def integer(value: SupportsIndex, name: str) -> int:
    """`value` as an int. True and False are refused, although they are ints in Python."""
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected an int, got {value!r}")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: expected an int, got {value!r}") from None


def at_least_one(value: SupportsIndex, name: str) -> int:
    """`value` as an int of 1 or more."""
    number = integer(value, name)
    if number < 1:
        raise ValueError(f"{name}: expected at least 1, got {number}")
    return number


def at_least_zero(value: SupportsIndex, name: str) -> int:
    """`value` as an int of 0 or more."""
    number = integer(value, name)
    if number < 0:
        raise ValueError(f"{name}: expected 0 or more, got {number}")
    return number


def positive(value: Any, name: str) -> float:
    """`value` as a finite float above 0."""
    number = real(value, name)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name}: expected a finite number above 0, got {value}")
    return number


def not_negative(value: Any, name: str) -> float:
    """`value` as a finite float of 0 or more."""
    number = real(value, name)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name}: expected a finite number of 0 or more, got {value}")
    return number


def fraction(value: Any, name: str) -> float:
    """`value` as a float in 0..1."""
    number = real(value, name)
    if not 0 <= number <= 1:
        raise ValueError(f"{name}: expected a number in 0..1, got {value}")
    return number


def flag(value: Any, name: str) -> bool:
    """`value`, which must be True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: expected True or False, got {value!r}")
    return bool(value)


def text(value: Any, name: str) -> str:
    """`value`, which must be a str that can be encoded as UTF-8."""
    if not isinstance(value, str):
        raise TypeError(f"{name}: expected a string, got {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name}: expected a string without surrogates, got {value!r}") from None
    return value


def array(value: Any, name: str, instead: str = "fill them first") -> NDArray[Any]:
    """`value` as an array, without copying it where possible.

    Raises TypeError for a tensor that requires gradients and for masked values (`without_mask`),
    and ValueError for nested lists of unequal lengths.
    """
    if type(value) is _ndarray:
        return value
    without_mask(value, name, instead)
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name}: expected an array, got {_first_line(error)}") from None
    except (TypeError, RuntimeError) as error:  # torch raises RuntimeError
        kind = type(value).__name__
        raise TypeError(f"{name}: expected an array, got {kind}: {_first_line(error)}") from None


def input_array(x: Any, name: str = "x") -> NDArray[Any]:
    """`array` of the input of a model."""
    return array(x, name, "fill them, or make `lengths` of them if they are at the end")


def call_arrays(x: Any, state: Any, lengths: Any) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """The arrays x and lengths of a call of a model; `state` is only checked for masks."""
    if state is not None:
        without_mask(state, "state")
    return input_array(x), given(lengths, "lengths")


def given(value: Any, name: str) -> NDArray[Any] | None:
    """`value` as an array; None where it is None."""
    return None if value is None else array(value, name)


def transposed_hint(shape: tuple[int, ...], features: int) -> str:
    """A hint for messages if x seems to be (n, features, time); otherwise ""."""
    if len(shape) == 3 and shape[1] == features != shape[2]:
        return "; features come last, perhaps x.transpose(0, 2, 1)"
    return ""


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def path_text(path: Any, name: str) -> str:
    """A path as the operating system takes it."""
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise TypeError(f"{name}: expected a path, a str or os.PathLike, got {path!r}") from None
    if not text or "\0" in text:
        raise ValueError(f"{name}: expected the path of a file, got {path!r}")
    try:
        os.fsencode(text)
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        raise ValueError(f"{name}: expected a path that can be encoded, got {path!r}") from None
    return text


def without_mask(value: Any, name: str, instead: str = "fill them first") -> None:
    """Raises TypeError for a `numpy.ma` array, or a list of some, with masked values.

    NumPy's conversions drop the mask: masked values would be used as if they were not masked.
    `instead` is what the message suggests.
    """
    ma = sys.modules.get("numpy.ma")
    # Without numpy.ma, or while a thread imports it, there are no masks.
    if ma is not None and hasattr(ma, "MaskedArray") and type(value) is not np.ndarray:
        _refuse_mask(value, name, ma, instead, depth=2)


def _refuse_mask(value: Any, name: str, ma: ModuleType, instead: str, depth: int) -> None:
    if isinstance(value, ma.MaskedArray):
        if ma.is_masked(value):
            raise TypeError(
                f"{name}: expected an array without masked values, got a masked array with "
                f"{ma.count_masked(value)} of them; {instead}"
            )
    elif isinstance(value, (list, tuple)) and depth > 0:
        for k, item in enumerate(value):
            if type(item) is not np.ndarray:
                _refuse_mask(item, f"{name}[{k}]", ma, instead, depth - 1)


def dtype_name(dtype: Any) -> str:
    """The name of a dtype, from anything that NumPy reads as float32 or float64."""
    try:
        # NumPy reads None as float64; here it is more likely a mistake.
        name = "" if dtype is None else str(np.dtype(dtype).name)
    except (TypeError, ValueError):
        name = ""
    if name not in ("float32", "float64"):
        raise ValueError(f'dtype: expected "float32" or "float64", got {dtype!r}')
    return name


def seed_number(seed: Any) -> int:
    """A 64-bit seed: the int itself, a draw of a `numpy.random.Generator`, or random for None."""
    if seed is None:
        seed = np.random.default_rng()
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**64 - 1, dtype=np.uint64, endpoint=True))
    try:
        value = integer(seed, "seed")
    except TypeError:
        raise TypeError(
            f"seed: expected an int, a numpy.random.Generator or None, got {seed!r}"
        ) from None
    if not 0 <= value < 2**64:
        raise ValueError(f"seed: expected an int in 0..2**64 - 1, got {value}")
    return value


def generator(seed: Any) -> np.random.Generator:
    """The `numpy.random.Generator` itself, or a new one of an int, or of a random seed for None."""
    return (
        seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed_number(seed))
    )


def seed_number_or_none(seed: Any) -> int | None:
    """The same for a forward pass, which needs no seed where nothing is random."""
    return None if seed is None else seed_number(seed)


def real(value: Any, name: str) -> float:
    """`value` as a float. True and False are refused."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name}: expected a number that a float can hold, got {value}") from None

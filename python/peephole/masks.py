"""Masks for `LSTM(masks=...)` and `Network(masks=...)`: which weights a layer does not have.

Each function returns {parameter name: bool array of its shape}, for one layer; `combined` puts
several of them together. A weight that is cut is 0, has gradient 0, and stays 0 in training. It
costs what any other weight costs: the kernels multiply whole matrices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array, at_least_one, at_least_zero, flag
from peephole._types import Columns

Masks: TypeAlias = dict[str, NDArray[np.bool_]]

_GATES = "ifgo"


def gate_inputs(
    input_size: int,
    hidden_size: int,
    inputs: Mapping[str, Columns],
    *,
    layer: int = 0,
    bidirectional: bool = False,
) -> Masks:
    """Each gate sees inputs of its own. For the first layer, `LSTM(gate_inputs=...)` does the same.

    Args:
        input_size: I, the inputs of the layer: for layers above the first one, the outputs of the
            layer below.
        hidden_size: H, the units of the layer.
        inputs: {gates: the columns of x that they see}: gates are letters of "ifgo", such as "fgo";
            gates that are not named see all columns. Columns are a sequence of ints, a slice, or
            bools (I,).
        layer: The number of the layer.
        bidirectional: Whether the model is bidirectional: the masks are then for both directions.

    Returns:
        {"weight_ih_l{layer}": (4H, I)}, and with `_reverse` if bidirectional.

    Raises:
        ValueError, TypeError: If an argument is wrong; the message names it.

    Example:
        >>> masks = peephole.masks.gate_inputs(8, 32, {"i": slice(5, None), "fgo": slice(5)})
        >>> lstm = peephole.LSTM(8, 32, masks=masks)
    """
    size, units = at_least_one(input_size, "input_size"), at_least_one(hidden_size, "hidden_size")
    return _named("weight_ih", input_mask(inputs, size, units, "inputs"), layer, bidirectional)


def without_recurrence(
    hidden_size: int, gates: str, *, layer: int = 0, bidirectional: bool = False
) -> Masks:
    """The named gates do not see h_{t-1}.

    Args:
        hidden_size: H, the units of the layer.
        gates: Letters of "ifgo".
        layer, bidirectional: As in `gate_inputs`.

    Returns:
        {"weight_hh_l{layer}": (4H, H)}, and with `_reverse` if bidirectional.

    Raises:
        ValueError, TypeError: If an argument is wrong; the message names it.

    Example:
        >>> lstm = peephole.LSTM(8, 32, masks=peephole.masks.without_recurrence(32, "i"))
    """
    units = at_least_one(hidden_size, "hidden_size")
    mask = np.ones((4, units, units), bool)
    for gate in _letters(gates, "gates"):
        mask[_GATES.index(gate)] = False
    return _named("weight_hh", mask.reshape(4 * units, units), layer, bidirectional)


def blocks(
    sizes: Sequence[int],
    *,
    recurrence: bool = True,
    peephole: bool = False,
    layer: int = 0,
    bidirectional: bool = False,
) -> Masks:
    """Blocks of cells that see each other, and no cells of other blocks.

    Args:
        sizes: The cells of each block; H is their sum. Blocks are consecutive units.
        recurrence: Whether cells see h_{t-1} of their own block only.
        peephole: Whether gates see c of their own block only, for a model with peephole="dense".
        layer, bidirectional: As in `gate_inputs`.

    Returns:
        {"weight_hh_l{layer}": (4H, H)} and, with `peephole`, {"weight_ch_l{layer}": (4H, H)}, and
        with `_reverse` if bidirectional.

    Raises:
        ValueError, TypeError: If an argument is wrong; the message names it.

    Example:
        >>> masks = peephole.masks.blocks([8, 8, 16], peephole=True)
        >>> lstm = peephole.LSTM(4, 32, peephole="dense", masks=masks)
    """
    if isinstance(sizes, (str, bytes)) or not isinstance(sizes, (Sequence, np.ndarray)):
        raise TypeError(f"sizes: expected a sequence of ints, got {sizes!r}")
    counts = [at_least_one(size, f"sizes[{k}]") for k, size in enumerate(sizes)]
    if not counts:
        raise ValueError("sizes: expected at least one block, got none")
    block = np.repeat(np.arange(len(counts)), counts)
    same = np.tile(block[:, None] == block, (4, 1))
    masks: Masks = {}
    if flag(recurrence, "recurrence"):
        masks |= _named("weight_hh", same, layer, bidirectional)
    if flag(peephole, "peephole"):
        masks |= _named("weight_ch", same, layer, bidirectional)
    return masks


def combined(*masks: Mapping[str, ArrayLike]) -> Masks:
    """One mapping of several: a weight is connected where all masks of its parameter connect it.

    Raises:
        ValueError, TypeError: If masks of one parameter differ in shape, or one is not of bools.

    Example:
        >>> masks = peephole.masks.combined(
        ...     peephole.masks.without_recurrence(32, "i"), peephole.masks.blocks([16, 16])
        ... )
    """
    result: Masks = {}
    for k, mapping in enumerate(masks):
        if not isinstance(mapping, Mapping):
            raise TypeError(
                f"masks[{k}]: expected a mapping of names to bool arrays, got {mapping!r}"
            )
        for name, value in mapping.items():
            mask = array(value, f"masks[{k}]: {name}")
            if mask.dtype != bool:
                raise TypeError(f"masks[{k}]: {name}: expected bools, got {mask.dtype}")
            before = result.get(name)
            if before is not None and before.shape != mask.shape:
                raise ValueError(f"masks[{k}]: {name}: expected {before.shape}, got {mask.shape}")
            result[name] = mask.copy() if before is None else before & mask
    return result


def input_mask(inputs: Any, input_size: int, hidden_size: int, name: str) -> NDArray[np.bool_]:
    """(4H, I), of the argument `inputs` of `gate_inputs`, whose name in messages is `name`."""
    if not isinstance(inputs, Mapping):
        raise TypeError(f"{name}: expected a mapping of gates to columns, got {inputs!r}")
    mask = np.ones((4, hidden_size, input_size), bool)
    named = ""
    for letters, columns in inputs.items():
        for gate in _letters(letters, name):
            if gate in named:
                raise ValueError(f"{name}: expected each gate once, got {gate!r} twice")
            mask[_GATES.index(gate)] = _connected(columns, input_size, f"{name}[{letters!r}]")
            named += gate
    return mask.reshape(4 * hidden_size, input_size)


def _letters(gates: Any, name: str) -> str:
    if not isinstance(gates, str):
        raise TypeError(f"{name}: expected gates as a string, got {gates!r}")
    if not gates or set(gates) - set(_GATES) or len(set(gates)) < len(gates):
        raise ValueError(
            f"{name}: expected some of the letters i, f, g, o, each once, got {gates!r}"
        )
    return gates


def _connected(columns: Any, size: int, name: str) -> NDArray[np.bool_]:
    """(I,): True for the columns."""
    mask = np.zeros(size, bool)
    if isinstance(columns, slice):
        try:
            mask[columns] = True
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from None
        return mask
    if isinstance(columns, str):
        raise TypeError(f"{name}: expected ints, bools or a slice, got {columns!r}")
    chosen = array(columns, name)
    if chosen.ndim != 1:
        raise ValueError(
            f"{name}: expected ints (n,), bools ({size},) or a slice, got {chosen.shape}"
        )
    if chosen.dtype == bool:
        if chosen.shape != (size,):
            raise ValueError(f"{name}: expected bools ({size},), got {chosen.shape}")
        return np.array(chosen, bool)
    if chosen.size == 0:
        return mask
    if chosen.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected ints, bools or a slice, got {chosen.dtype}")
    wrong = chosen[(chosen < -size) | (chosen >= size)]
    if wrong.size:
        raise ValueError(f"{name}: expected columns in {-size}..{size - 1}, got {wrong[0]}")
    mask[chosen] = True
    return mask


def _named(name: str, mask: NDArray[np.bool_], layer: int, bidirectional: bool) -> Masks:
    number = at_least_zero(layer, "layer")
    ends = ["", "_reverse"] if flag(bidirectional, "bidirectional") else [""]
    return {f"{name}_l{number}{end}": mask.copy() for end in ends}

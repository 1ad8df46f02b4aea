"""Reshape: the atoms of a value, grouped into other axes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from peephole.interop.onnx.values import Atom, Axes, NotUnderstood

Entry = int | tuple[Atom, ...]


def regroup(axes: Axes, target: Sequence[Entry], allow_zero: bool) -> Axes:
    """The axes after a Reshape to `target`.

    An entry of the target is a size, the size of some atoms, 0 for the axis at the same place
    (unless `allow_zero`), or -1 for what is left.
    """
    atoms = deque(atom for axis in axes for atom in axis)
    open_places = [k for k, entry in enumerate(target) if entry == -1]
    if len(open_places) > 1:
        raise NotUnderstood(f"a target shape with {len(open_places)} sizes of -1")
    middle = open_places[0] if open_places else len(target)
    front = [_take(atoms, _entry(axes, target, k, allow_zero), True) for k in range(middle)]
    behind = range(len(target) - 1, middle, -1)
    back = [_take(atoms, _entry(axes, target, k, allow_zero), False) for k in behind]
    if open_places:
        return (*front, tuple(atoms), *reversed(back))
    if any(atom.size != 1 for atom in atoms):
        raise NotUnderstood("a target shape that is smaller than the value")
    return tuple(front)


def _entry(axes: Axes, target: Sequence[Entry], k: int, allow_zero: bool) -> Entry:
    if target[k] == 0 and not allow_zero:
        if k >= len(axes):
            raise NotUnderstood("a size of 0 where there is no axis to copy")
        return axes[k]
    return target[k]


def _take(atoms: deque[Atom], entry: Entry, front: bool) -> tuple[Atom, ...]:
    """Removes the atoms of one new axis from one end."""
    taken: list[Atom] = []

    def take() -> Atom:
        if not atoms:
            raise NotUnderstood("a target shape that is larger than the value")
        atom = atoms.popleft() if front else atoms.pop()
        taken.insert(len(taken) if front else 0, atom)
        return atom

    if isinstance(entry, tuple):
        for _ in entry:
            take()
        if tuple(taken) != entry:
            raise NotUnderstood("a target shape that mixes axes")
        return entry
    if entry == 1 and atoms and (atoms[0] if front else atoms[-1]).size == 1:
        take()
    product = 1
    while product < entry:
        size = take().size
        if size is None or size < 1:
            raise NotUnderstood("a fixed size in place of one that is known at run time")
        product *= size
    if product != entry:
        raise NotUnderstood("a target shape that cuts an axis in parts")
    return tuple(taken)

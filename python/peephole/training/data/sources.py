"""Sources of batches: data in memory, or an iterable of the user."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from peephole._sequences import batches_of
from peephole._sequences import gives_batches as gives_batches
from peephole.losses import Loss
from peephole.training.data.batches import Batch, Data, read_data
from peephole.training.data.fingerprint import fingerprint
from peephole.training.data.steps import pieces_with_terms
from peephole.training.loss import Custom
from peephole.training.protocol import NetworkLike

# Sequences are sorted by length within groups of this many batches: large enough that the lengths
# in a batch differ by a few per cent, small enough that batches differ from epoch to epoch.
_BATCHES_PER_BUCKET = 50


class Source(Protocol):
    """The batches of each epoch."""

    batches: int | None  # in an epoch; None: not known

    def describe(self) -> dict[str, Any]:
        """{argument of fit: description}, to compare sources by."""

    def steps(
        self, random: np.random.Generator, epochs: int, loss: Loss | Custom, tbptt: int | None
    ) -> int | None:
        """The steps of the optimiser in all epochs, drawn from `random`; None: not known."""

    def epoch(self, random: np.random.Generator, start: int) -> Iterator[Batch]:
        """The batches of one epoch, from number `start` on."""


def batch_text(source: Source, number: int) -> str:
    """A batch's number, counted from 1, for messages: "batch 2 of 5"."""
    return f"batch {number}" + ("" if source.batches is None else f" of {source.batches}")


class MemorySource:
    """Batches of data in memory."""

    def __init__(
        self,
        data: Data,
        rows: NDArray[np.intp],
        batch_size: int,
        *,
        shuffle: bool,
        bucketing: bool,
    ) -> None:
        self._data, self._rows, self._batch_size = data, rows, batch_size
        self._shuffle, self._bucketing = shuffle, bucketing
        self.batches: int | None = -(-len(rows) // batch_size)

    def describe(self) -> dict[str, Any]:
        """See Source."""
        return dict(fingerprint(self._data, self._rows))

    def steps(
        self, random: np.random.Generator, epochs: int, loss: Loss | Custom, tbptt: int | None
    ) -> int | None:
        """See Source. A batch has as many pieces as the longest of its sequences."""
        pieces = pieces_with_terms(self._data, self._rows, loss, tbptt)
        if (pieces == pieces[0]).all():
            return epochs * -(-len(pieces) // self._batch_size) * int(pieces[0].sum())
        of_row = np.zeros((int(self._rows.max()) + 1, pieces.shape[1]), np.bool_)
        of_row[self._rows] = pieces

        def drawn() -> int:
            batches = self._draw(random)
            starts = np.cumsum([0, *(len(rows) for rows in batches[:-1])])
            return int(np.logical_or.reduceat(of_row[np.concatenate(batches)], starts).sum())

        if not (self._shuffle or self._bucketing):
            return epochs * drawn()
        return sum(drawn() for _ in range(epochs))

    def epoch(self, random: np.random.Generator, start: int) -> Iterator[Batch]:
        """See Source."""
        for rows in self._draw(random)[start:]:
            yield self._data.take(rows)

    def _draw(self, random: np.random.Generator) -> list[NDArray[np.intp]]:
        """The rows of each batch of an epoch."""
        size = self._batch_size
        order = random.permutation(self._rows) if self._shuffle else self._rows
        if self._bucketing:
            return bucketed(order, self._data.lengths, size, random)
        return [order[at : at + size] for at in range(0, len(order), size)]


def bucketed(
    order: NDArray[np.intp], lengths: NDArray[np.intp], size: int, random: np.random.Generator
) -> list[NDArray[np.intp]]:
    """Batches of sequences of similar lengths, in random order; `order` is random, too."""
    bucket = size * _BATCHES_PER_BUCKET
    batches = []
    for at in range(0, len(order), bucket):
        rows = order[at : at + bucket]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches += [rows[k : k + size] for k in range(0, len(rows), size)]
    return [batches[k] for k in random.permutation(len(batches))]


class IterableSource:
    """Batches from an iterable of (x, y) and optionally lengths, sample_weight and reset."""

    def __init__(
        self,
        batches: Iterable[Any] | Callable[[], Iterable[Any]],
        net: NetworkLike,
        loss: Loss | Custom,
        missing: str,
        epochs: int,
        stateful: bool,
        name: str = "x",
    ) -> None:
        if not callable(batches) and iter(batches) is batches and epochs > 1:
            raise ValueError(
                f"{name}: expected an iterable that can be iterated once per epoch, or a function "
                "that returns one, or epochs=1, got an iterator, which can be iterated only once"
            )
        self._batches, self._net, self._loss, self._missing = batches, net, loss, missing
        self._stateful, self._name = stateful, name
        self.batches: int | None = len(batches) if isinstance(batches, Sized) else None

    def describe(self) -> dict[str, Any]:
        """See Source."""
        return {"x": "batches" if self.batches is None else f"{self.batches} batches"}

    def steps(
        self, random: np.random.Generator, epochs: int, loss: Loss | Custom, tbptt: int | None
    ) -> int | None:
        """See Source. Assumes a term in each batch; the lengths are not known before."""
        if self.batches is None or (tbptt is not None and self._net.readout == "all"):
            return None
        return epochs * self.batches

    def epoch(self, random: np.random.Generator, start: int) -> Iterator[Batch]:
        """See Source."""
        empty = True
        for number, item in enumerate(batches_of(self._batches, self._name)):
            empty = False
            if number >= start:
                yield self._read(item, number)
        if empty:
            raise ValueError(f"{self._name}: expected at least one batch per epoch, got none")

    def _read(self, item: Any, number: int) -> Batch:
        if not isinstance(item, (tuple, list)) or not 2 <= len(item) <= 5:
            raise TypeError(
                f"{self._name}: expected batches (x, y), (x, y, lengths), "
                "(x, y, lengths, sample_weight) or (x, y, lengths, sample_weight, reset), "
                f"got {type(item).__name__} as batch {number + 1}"
            )
        x, y, lengths, weights, reset = (*item, None, None, None)[:5]
        try:
            data = read_data(self._net, self._loss, x, y, lengths, weights, self._missing)
            if reset is not None:
                reset = _read_reset(reset, len(data), self._stateful)
        except (TypeError, ValueError) as error:
            prefix = "" if self._name == "x" else f"{self._name}: "
            raise type(error)(f"{prefix}{error} (in batch {number + 1})") from None
        return data.take(np.arange(len(data)))._replace(reset=reset)


def _read_reset(reset: Any, n: int, stateful: bool) -> NDArray[np.bool_]:
    """(B,): True for the sequences that start with the model's initial state."""
    array = np.asarray(reset)
    if not stateful:
        raise ValueError("reset: allowed only with stateful=True")
    if array.shape != (n,) or array.dtype != bool:
        raise ValueError(f"reset: expected bool ({n},), got {array.dtype} {array.shape}")
    return array

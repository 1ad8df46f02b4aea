"""Sequences with their targets, in memory, and batches of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array, input_array
from peephole._sequences import Sequences, is_ragged, read_sequences, real_steps
from peephole.losses import CTC, Loss
from peephole.losses.base import Value
from peephole.training.data.targets import Targets, read_as_array, read_targets
from peephole.training.loss import Custom
from peephole.training.protocol import NetworkLike


class Batch(NamedTuple):
    """Some sequences, padded to the longest of them."""

    x: NDArray[Any]  # (B, T, I)
    lengths: NDArray[np.intp]  # (B,)
    y: NDArray[Any]  # (B, ...) or, per step, (B, T, ...)
    weights: NDArray[Any] | None  # (B,) or, per step, (B,) or (B, T)
    rows: NDArray[np.intp]  # (B,): their numbers in the data, for messages
    per_step: bool
    reset: NDArray[np.bool_] | None = None  # (B,): sequences that do not continue the previous ones

    def evaluate(self, loss: Loss | Custom, y: NDArray[Any], logits: NDArray[Any]) -> Value:
        """The loss of a network's output for x, and its gradient, with the shape of y."""
        if isinstance(loss, Custom):
            return loss(y, self.y, self.lengths)
        if isinstance(loss, CTC):
            return loss(y, logits, self.y, self.weights, self.lengths)
        if len(self.lengths) == 0 or (real := self._real()) is None:
            return _evaluate_all(loss, y, logits, self.y, self._of_steps(self.weights, y))
        weights = self._of_steps(self.weights, y)
        rows = None if weights is None else weights[real]
        value = loss(y[real], logits[real], self.y[real], rows)
        gradient = np.zeros_like(y)
        gradient[real] = value.gradient
        return value._replace(gradient=gradient)

    def terms(self, y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """The predictions (N, O) in y without padding, and their targets (N,) or (N, O)."""
        real = self._real()
        if real is None:
            n = int(np.prod(y.shape[:-1]))
            return y.reshape(n, -1), self.y.reshape(n, *self.y.shape[y.ndim - 1 :])
        return y[real], self.y[real]

    def label_sequences(self, y: NDArray[Any]) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """The outputs (T_i, O) of each sequence, and its labels (S_i,), of the loss CTC."""
        outputs = [values[:length] for values, length in zip(y, self.lengths, strict=True)]
        return outputs, [labels[labels >= 0] for labels in self.y]

    def term_weights(self, y: NDArray[Any]) -> NDArray[Any]:
        """(N,): the weight of each of the `terms`."""
        weights = self._of_steps(self.weights, y)
        if weights is None:
            weights = np.ones(y.shape[:-1])
        real = self._real()
        return weights.ravel() if real is None else weights[real]

    def _real(self) -> NDArray[np.bool_] | None:
        """(B, T): True for steps with a target; None: all steps have one."""
        time = self.x.shape[1]
        if not self.per_step or (self.lengths == time).all():
            return None
        return real_steps(self.lengths, time)

    def _of_steps(self, weights: NDArray[Any] | None, y: NDArray[Any]) -> NDArray[Any] | None:
        if weights is None or not self.per_step:
            return weights
        return np.broadcast_to(weights[:, None] if weights.ndim == 1 else weights, y.shape[:2])

    def steps(self, start: int, stop: int) -> Batch:
        """The batch from step `start` to `stop`, if there is a target per step."""
        lengths = (self.lengths - start).clip(0, stop - start)
        weights = self.weights
        if weights is not None and weights.ndim == 2:
            weights = weights[:, start:stop]
        return self._replace(
            x=self.x[:, start:stop], lengths=lengths, y=self.y[:, start:stop], weights=weights
        )

    def split_last(self, k: int) -> tuple[Batch, Batch]:
        """All but the last `k` steps of each sequence, and the last `k`, for one target each."""
        before = (self.lengths - k).clip(0)
        longest = int(before.max(initial=0))
        at = (before[:, None] + np.arange(min(k, self.x.shape[1]))).clip(max=self.x.shape[1] - 1)
        tail = self.x[np.arange(len(at))[:, None], at]
        return (
            self._replace(x=self.x[:, :longest], lengths=before),
            self._replace(x=tail, lengths=self.lengths - before),
        )


def _evaluate_all(
    loss: Loss,
    y: NDArray[Any],
    logits: NDArray[Any],
    targets: NDArray[Any],
    weights: NDArray[Any] | None,
) -> Value:
    """The loss where nothing is padding, without copying."""
    n = int(np.prod(y.shape[:-1]))
    flat = (n, y.shape[-1])
    value = loss(
        y.reshape(flat),
        logits.reshape(flat),
        targets.reshape(n, *targets.shape[y.ndim - 1 :]),
        None if weights is None else weights.reshape(n),
    )
    return value._replace(gradient=value.gradient.reshape(y.shape))


class Data(NamedTuple):
    """Sequences with their targets, checked. Only batches are copied."""

    inputs: Sequences
    targets: Targets
    weights: NDArray[Any] | Sequences | None

    def __len__(self) -> int:
        return len(self.inputs.lengths)

    @property
    def lengths(self) -> NDArray[np.intp]:
        """(n,) steps of each sequence."""
        return self.inputs.lengths

    def take(self, rows: NDArray[np.intp]) -> Batch:
        """A batch of some of the sequences."""
        weights = self.weights
        if weights is not None:
            weights = weights.take(rows) if isinstance(weights, Sequences) else weights[rows]
        targets = self.targets.take(rows)
        x, lengths = self.inputs.take(rows), self.lengths[rows]
        return Batch(x, lengths, targets, weights, rows, self.targets.per_step)

    def steps(self, start: int, stop: int) -> Data:
        """Steps `start` to `stop` of each sequence, if there is a target per step."""

        def cut(sequences: Sequences) -> Sequences:
            lengths = (sequences.lengths - start).clip(0, stop - start)
            values = sequences.values
            if isinstance(values, list):
                return sequences._replace(values=[v[start:stop] for v in values], lengths=lengths)
            return sequences._replace(values=values[:, start:stop], lengths=lengths)

        targets = self.targets.values
        assert isinstance(targets, Sequences)
        weights = cut(self.weights) if isinstance(self.weights, Sequences) else self.weights
        return Data(cut(self.inputs), self.targets._replace(values=cut(targets)), weights)


def read_data(
    net: NetworkLike,
    loss: Loss | Custom,
    x: Any,
    y: Any,
    lengths: ArrayLike | None = None,
    sample_weight: Any = None,
    missing: str = "error",
) -> Data:
    """The arguments of `Network.fit` and `score`, checked; raises ValueError or TypeError."""
    if not is_ragged(x):
        x = input_array(x)
        if x.ndim == 2:
            return _read_single(net, loss, x, y, lengths, sample_weight, missing)
    inputs = read_sequences(x, lengths, net.input_size, net.dtype)
    if not inputs.lengths.any():
        raise ValueError("x: expected at least one sequence with at least one step, got none")
    targets = read_targets(y, inputs, net._core.options, net.dtype, loss, missing)
    return Data(inputs, targets, _read_weights(sample_weight, inputs, targets.per_step, loss))


def _read_single(
    net: NetworkLike,
    loss: Loss | Custom,
    x: NDArray[Any],
    y: Any,
    lengths: ArrayLike | None,
    sample_weight: Any,
    missing: str,
) -> Data:
    """The data of x (T, I), a single sequence: nothing has a batch axis."""
    if x.shape[1] != net.input_size:
        raise ValueError(
            f"x: expected (n, time, {net.input_size}), a list of (time, {net.input_size}), or "
            f"(time, {net.input_size}) for a single sequence, got {x.shape}"
        )
    if lengths is not None:
        raise ValueError("lengths: expected None for a single sequence (time, features), got some")
    if sample_weight is not None:
        sample_weight = _weights(sample_weight, "sample_weight")[None]
    try:
        targets = read_as_array(y, "y", loss)[None]
        return read_data(net, loss, x[None], targets, None, sample_weight, missing)
    except ValueError as error:
        raise ValueError(f"{error} (with a first axis for the single sequence x)") from None


def _read_weights(
    weights: Any, inputs: Sequences, per_step: bool, loss: Loss | Custom
) -> NDArray[Any] | Sequences | None:
    """(n,), or for one target per step also (n, T) or a list of (T_i,)."""
    if weights is None:
        return None
    if isinstance(loss, Custom):
        raise ValueError(
            "sample_weight: allowed only with a loss by name or object, not with a function"
        )
    n, name = len(inputs.lengths), "sample_weight"
    by_sequence = per_step and is_ragged(weights) and len(weights) == n
    if by_sequence and _weights(weights[0], f"{name}[0]").ndim == 1:
        items = [_numbers(item, f"{name}[{k}]") for k, item in enumerate(weights)]
        for k, (item, length) in enumerate(zip(items, inputs.lengths, strict=True)):
            if item.shape != (length,):
                raise ValueError(f"{name}[{k}]: expected ({length},), got {item.shape}")
        return Sequences(items, inputs.lengths, np.dtype(np.float64))
    read = _numbers(weights, name)
    if per_step and read.ndim == 2 and not isinstance(inputs.values, list):
        if read.shape != inputs.values.shape[:2]:
            raise ValueError(f"{name}: expected {inputs.values.shape[:2]}, got {read.shape}")
        return Sequences(read, inputs.lengths, read.dtype)
    if read.shape != (n,):
        raise ValueError(f"{name}: expected ({n},), got {read.shape}")
    return read


def _numbers(values: ArrayLike, name: str) -> NDArray[np.float64]:
    read = _weights(values, name)
    if read.dtype.kind not in "fiub":
        raise TypeError(f"{name}: expected numbers, got {read.dtype}")
    read = read.astype(np.float64)
    if not (np.isfinite(read) & (read >= 0)).all():
        raise ValueError(f"{name}: expected finite numbers of 0 or more, got others")
    return read


def _weights(values: Any, name: str) -> NDArray[Any]:
    return array(values, name, "use filled(0) to leave them out")

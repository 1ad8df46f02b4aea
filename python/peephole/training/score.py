"""Network.score."""

from __future__ import annotations

from typing import Any

import numpy as np

from peephole._checks import at_least_one, integer
from peephole._sequences import inference_batches
from peephole.losses import CTC, CrossEntropy, Loss
from peephole.metrics import accuracy, label_error_rate, r2
from peephole.training.data.batches import Data, read_data
from peephole.training.data.checks import require_finite, require_missing, require_weight
from peephole.training.loss import loss_of
from peephole.training.protocol import NetworkLike


def score(
    net: NetworkLike,
    x: Any,
    y: Any,
    lengths: Any,
    *,
    loss: str | Loss | None,
    missing: str,
    sample_weight: Any,
    ignore_label: int | None,
    batch_size: int,
) -> float:
    """See Network.score."""
    batch_size = at_least_one(batch_size, "batch_size")
    require_missing(missing)
    loss = _loss(net, loss, ignore_label)
    data = read_data(net, loss, x, y, lengths, sample_weight, missing)
    rows = np.arange(len(data))
    require_finite(data.inputs, rows, "x")
    require_weight(data.weights, rows, "the data")
    if isinstance(loss, CTC):
        return _score_of_labels(net, loss, data, batch_size)
    predicted, wanted, counted = [], [], []
    for rows, outputs in inference_batches(net._core, data.inputs, batch_size):
        batch = data.take(rows)
        y_pred, y_true = batch.terms(outputs)
        weights = batch.term_weights(outputs)
        if loss.labels:
            weights = weights * loss.present(y_true)
        predicted.append(loss.points(y_pred))
        wanted.append(y_true)
        counted.append(weights)
    measure = accuracy if loss.labels else r2
    return measure(np.concatenate(predicted), np.concatenate(wanted), np.concatenate(counted))


def _score_of_labels(net: NetworkLike, loss: CTC, data: Data, batch_size: int) -> float:
    """1 - the label error rate of greedy decoding."""
    predicted, wanted, weights = [], [], []
    for rows, outputs in inference_batches(net._core, data.inputs, batch_size):
        batch = data.take(rows)
        y, labels = batch.label_sequences(outputs)
        predicted += loss.decode(y)
        wanted += labels
        weights += [np.ones(len(rows)) if batch.weights is None else batch.weights]
    return 1 - label_error_rate(predicted, wanted, np.concatenate(weights))


def _loss(net: NetworkLike, loss: str | Loss | None, ignore_label: int | None) -> Loss:
    """The loss that knows which targets are valid: labels for a softmax head."""
    if ignore_label is None:
        if loss is not None and not isinstance(loss, (str, Loss)):
            raise TypeError(f"loss: expected a name or a Loss, got {loss!r}")
        known = loss_of(loss, net.head, net.output_size)
        assert isinstance(known, Loss)
        return known
    if loss is not None:
        raise ValueError("ignore_label: allowed only without a loss, which has its own")
    ignore_label = integer(ignore_label, "ignore_label")
    if net.head != "softmax":
        raise ValueError("ignore_label: allowed only with a softmax head, whose targets are labels")
    return CrossEntropy(ignore_label=ignore_label)

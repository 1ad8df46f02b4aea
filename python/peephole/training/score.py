"""Network.score."""

from __future__ import annotations

from typing import Any

import numpy as np

from peephole._checks import at_least_one
from peephole._sequences import inference_batches
from peephole.metrics import accuracy, r2
from peephole.training.data.batches import read_data
from peephole.training.loss import loss_of
from peephole.training.protocol import NetworkLike


def score(net: NetworkLike, x: Any, y: Any, lengths: Any, batch_size: int) -> float:
    """See Network.score."""
    batch_size = at_least_one(batch_size, "batch_size")
    data = read_data(net, loss_of(None, net.head, net.output_size), x, y, lengths)
    predicted, wanted = [], []
    for rows, outputs in inference_batches(net._core, data.inputs, batch_size):
        y_pred, y_true = data.take(rows).terms(outputs)
        predicted.append(y_pred)
        wanted.append(y_true)
    measure = accuracy if net.head == "softmax" else r2
    return measure(np.concatenate(predicted), np.concatenate(wanted))

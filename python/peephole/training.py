"""Network.fit and Network.score."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from peephole import _core as core
from peephole.batches import Sequences, inference_batches, read_sequences
from peephole.losses import Loss, Targets, loss_of, read_targets
from peephole.optim import Adam
from peephole.options import Seed, at_least_one, draw_seed

if TYPE_CHECKING:
    from peephole.network import Network


@dataclass(slots=True)
class History:
    """What a training went through, one entry an epoch."""

    loss: list[float] = field(default_factory=list)
    """The mean loss over the epoch's targets, each under the weights of its step."""
    gradient_norm: list[float] = field(default_factory=list)
    """The mean over the epoch's steps of the gradient's norm, before clipping."""

    def __len__(self) -> int:
        return len(self.loss)


def fit(
    net: Network,
    x: Any,
    y: Any,
    *,
    lengths: Any,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    clip_norm: float | None,
    seed: Seed,
    progress: bool,
) -> History:
    """See Network.fit."""
    model = net._core
    epochs = at_least_one(epochs, "epochs")
    batch_size = at_least_one(batch_size, "batch_size")
    learning_rate = _positive(learning_rate, "learning_rate")
    # An infinite bound still measures the norm, and never clips.
    max_norm = math.inf if clip_norm is None else _positive(clip_norm, "clip_norm")
    inputs, targets = _read_data(net, x, y, lengths)
    random = np.random.default_rng(draw_seed(seed))
    loss = loss_of(model.options["head"])
    optimiser = Adam(net.parameters, learning_rate)

    history = History()
    batches = -(-len(inputs.lengths) // batch_size)
    with _bar(epochs * batches, progress) as bar:
        for epoch in range(1, epochs + 1):
            bar.set_description(f"epoch {epoch}/{epochs}", refresh=False)
            total, count, norms = 0.0, 0, 0.0
            for batch, rows in enumerate(_shuffled(len(inputs.lengths), batch_size, random), 1):
                place = f"epoch {epoch}, batch {batch} of {batches}"
                mean, n, gradients = _loss_and_gradients(model, loss, inputs, targets, rows)
                norm = core.clip_norm(gradients, max_norm)
                _require_finite(mean, norm, optimiser.steps + 1, place)
                optimiser.step(gradients)
                total, count, norms = total + mean * n, count + n, norms + norm
                bar.set_postfix_str(f"loss {total / max(count, 1):.4g}", refresh=False)
                bar.update()
            history.loss.append(total / max(count, 1))
            history.gradient_norm.append(norms / batches)
    return history


def score(net: Network, x: Any, y: Any, lengths: Any, batch_size: int) -> float:
    """See Network.score."""
    batch_size = at_least_one(batch_size, "batch_size")
    inputs, targets = _read_data(net, x, y, lengths)
    predicted, wanted = [], []
    for rows, outputs in inference_batches(net._core, inputs, batch_size):
        real, values = targets.take(rows)
        predicted.append(outputs[real])
        wanted.append(values)
    outputs, values = np.concatenate(predicted), np.concatenate(wanted)
    if net._core.options["head"] == "softmax":
        return float(np.mean(outputs.argmax(axis=1) == values))
    return _r_squared(outputs.astype(np.float64), values.astype(np.float64))


def _r_squared(outputs: NDArray[np.float64], values: NDArray[np.float64]) -> float:
    """Mean over the O outputs; for one whose targets are all equal 1 if all are met, else 0."""
    residual = np.square(values - outputs).sum(axis=0)
    total = np.square(values - values.mean(axis=0)).sum(axis=0)
    constant = total == 0
    explained = 1 - residual / np.where(constant, 1, total)
    return float(np.where(constant, residual == 0, explained).mean())


def _read_data(net: Network, x: Any, y: Any, lengths: Any) -> tuple[Sequences, Targets]:
    inputs = read_sequences(x, lengths, net.input_size, net.dtype)
    targets = read_targets(y, inputs, net._core.options, net.dtype)
    if targets.total() == 0:
        raise ValueError("x: expected at least one sequence with at least one step, got none")
    return inputs, targets


def _shuffled(n: int, batch_size: int, random: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    order = random.permutation(n)
    for start in range(0, n, batch_size):
        yield order[start : start + batch_size]


def _loss_and_gradients(
    model: core.Network, loss: Loss, inputs: Sequences, targets: Targets, rows: NDArray[np.intp]
) -> tuple[float, int, dict[str, NDArray[Any]]]:
    """The mean loss of a batch, how many targets it is over, and the parameters' gradients."""
    y, logits, _, tape = model.forward(inputs.take(rows), None, inputs.lengths[rows])
    real, wanted = targets.take(rows)
    gradient = np.zeros_like(y)
    mean = 0.0
    if len(wanted):
        # What is not finite here is reported by fit, with the step.
        with np.errstate(over="ignore", invalid="ignore"):
            mean, gradient[real] = loss.function(y[real], logits[real], wanted)
    if loss.of_logits:
        backward = model.backward(tape, dlogits=gradient)
    else:
        backward = model.backward(tape, gradient)
    return mean, len(wanted), backward[2]


def _require_finite(loss: float, norm: float, step: int, place: str) -> None:
    if math.isfinite(loss) and math.isfinite(norm):
        return
    what = f"the loss is {loss}" if not math.isfinite(loss) else f"the gradient's norm is {norm}"
    raise FloatingPointError(
        f"{what} at step {step} ({place}); the weights are those from before this step"
    )


def _bar(total: int, progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, disable=not progress, unit="step", dynamic_ncols=True)


def _positive(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name}: expected a finite number above 0, got {value}")
    return float(value)

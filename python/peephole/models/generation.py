"""Network.generate: forecasts of several steps, by outputs that are fed back as inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array, at_least_one, flag, input_array, integer, seed_number
from peephole._keywords import explains_keywords
from peephole._sequences import Sequences, is_ragged, read_sequences
from peephole._types import Seed, State, StateArrays
from peephole.losses import Distribution
from peephole.models.prediction import predict
from peephole.models.scalings import ModelWithScalings
from peephole.models.stream import Stream

_BATCH_SIZE = 1024

# (scale, shift), each (D,), from the units of targets to those of inputs, value * scale + shift;
# None: they are the same.
_Conversion: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]] | None


class Generative(ModelWithScalings):
    """The method of `Network` that generates sequences; not for use by itself."""

    __slots__ = ()

    @explains_keywords
    def generate(
        self,
        x: Any,
        steps: int,
        *,
        lengths: ArrayLike | None = None,
        future: ArrayLike | None = None,
        columns: Sequence[int] | None = None,
        loss: Distribution | None = None,
        samples: int | None = None,
        seed: Seed = None,
        state: State | None = None,
        return_state: bool = False,
    ) -> Any:
        """Predicts several steps, each from the values that were predicted before it.

        The network reads x, and its output at the last step is the first value predicted. This
        value is an input of the next step, whose output is the second one, and so on. The bits are
        those of a `Stream` that is fed in this way. The network has readout "all" or "last" and is
        not bidirectional.

        A value has D entries: the O outputs; with `loss`, the mean or median of the predicted
        distribution; for a softmax head, 1 for the most probable label and 0 for the others.

        Args:
            x: (n, T, I), a list of (T_i, I) arrays, or (T, I) for a single sequence, of at least
                one step each.
            steps: S, the number of values to predict.
            lengths: (n,) integers in 1..T, only with x (n, T, I).
            future: (n, S - 1, I - D), or (S - 1, I - D) for a single sequence: the other features
                of the inputs after x, which are known in advance. Needed if I > D and S > 1.
            columns: The D columns of x that hold the values; None: the first D. `future` has the
                others, in their order.
            loss: The `peephole.losses.Distribution` that the network was trained with.
            samples: K, to draw K random sequences for each x: values of the distributions of
                `loss`, or labels of a softmax head. None: none are drawn.
            seed: The seed of the samples: an int, a `numpy.random.Generator`, or None for a random
                seed.
            state: Where x continues, as in `predict`, for example the final state of an encoder.
            return_state: Whether to return (values, state): the state after the last input. To
                continue from it, give the last value as an x of one step.

        Scalings: x, `future` and the values are scaled, as in `fit` and `predict`. If the network
        keeps a `target_scaling` or an `input_scaling`, a value is converted from the one to the
        other before it is fed back.

        Returns:
            (n, S, D) values, for a softmax head (n, S) labels; without the first axis for a single
            sequence. With `samples` they have one more axis before these: (K, n, S, D). The state
            then has K n rows, in the same order.

        Raises:
            ValueError, TypeError: If an argument is wrong; the message names it.
        """
        steps = at_least_one(steps, "steps")
        return_state = flag(return_state, "return_state")
        _check_network(self.options)
        single = not is_ragged(x) and (x := input_array(x)).ndim == 2
        inputs = _read(self, x, lengths, single)
        feedback = _feedback(self, columns, loss, samples, seed)
        count = 1 if samples is None else at_least_one(samples, "samples")
        known = _read_future(self, feedback, future, len(inputs.lengths), steps, single)
        if single and state is not None:
            state = _with_batch_axis(state)
        outputs, carried = predict(self._core, inputs, _BATCH_SIZE, state)
        last = [
            y if y.ndim == 1 else y[n - 1] for y, n in zip(outputs, inputs.lengths, strict=True)
        ]
        y = np.tile(np.stack(last), (count, 1))
        stream = Stream(self, len(y))
        stream.state = tuple((np.tile(h, (count, 1)), np.tile(c, (count, 1))) for h, c in carried)
        values = [feedback.value(y)]
        fed = np.zeros((len(y), self.input_size), self.dtype)
        for t in range(steps - 1):
            fed[:, feedback.columns] = feedback.scaled(values[-1])
            fed[:, feedback.others] = np.tile(known[:, t], (count, 1))
            values.append(feedback.value(stream.step(fed)))
        generated = feedback.labels(np.stack(values, axis=1))
        generated = generated.reshape(count, len(inputs.lengths), *generated.shape[1:])
        if single:
            generated = generated[:, 0]
        if samples is None:
            generated = generated[0]
        return (
            (generated, _state(stream, single and samples is None)) if return_state else generated
        )


@dataclass(frozen=True)
class _Feedback:
    """What is fed back, and where to."""

    columns: NDArray[np.intp]  # (D,) of x
    others: NDArray[np.intp]  # (I - D,)
    loss: Distribution | None
    softmax: bool
    random: np.random.Generator | None  # None: nothing is drawn
    conversion: _Conversion  # of values to inputs

    def value(self, y: NDArray[Any]) -> NDArray[Any]:
        """(n, D) of outputs (n, O)."""
        if self.softmax:
            return self._one_hot(y)
        if self.loss is None:
            return y.copy()
        return self.loss.points(y) if self.random is None else self.loss.sample(y, seed=self.random)

    def _one_hot(self, y: NDArray[Any]) -> NDArray[Any]:
        if self.random is None:
            labels = y.argmax(axis=1)
        else:
            ends = y.astype(np.float64).cumsum(axis=1)
            drawn = self.random.uniform(size=(len(y), 1)) * ends[:, -1:]
            labels = np.minimum((drawn >= ends).sum(axis=1), y.shape[1] - 1)
        one_hot: NDArray[Any] = np.eye(y.shape[1], dtype=y.dtype)[labels]
        return one_hot

    def scaled(self, value: NDArray[Any]) -> NDArray[Any]:
        """A value (n, D) as an input."""
        if self.conversion is None:
            return value
        scale, shift = self.conversion
        return value * scale + shift

    def labels(self, values: NDArray[Any]) -> NDArray[Any]:
        """(n, S) labels of one-hot values (n, S, O); other values as they are."""
        if not self.softmax:
            return values
        labels: NDArray[Any] = values.argmax(axis=2)
        return labels


def _check_network(options: dict[str, Any]) -> None:
    if options["bidirectional"]:
        raise ValueError(
            "generate: expected a network that reads in one direction, got a bidirectional one"
        )
    if options["readout"] not in ("all", "last"):
        raise ValueError(
            f'generate: expected a network of readout "all" or "last", got "{options["readout"]}"'
        )


def _read(net: ModelWithScalings, x: Any, lengths: ArrayLike | None, single: bool) -> Sequences:
    if single and lengths is not None:
        raise ValueError("lengths: expected None for a single sequence (time, features), got some")
    inputs = read_sequences(x[None] if single else x, lengths, net.input_size, net.dtype)
    if not len(inputs.lengths) or not inputs.lengths.all():
        raise ValueError("x: expected sequences of at least one step, got none or an empty one")
    return inputs


def _with_batch_axis(state: State) -> StateArrays:
    """The state of a single sequence, (H,) each, as (1, H)."""
    try:
        return tuple((array(h, "state")[None], array(c, "state")[None]) for h, c in state)
    except (TypeError, ValueError):
        raise TypeError("state: expected pairs (h, c), one per layer, got others") from None


def _feedback(
    net: ModelWithScalings,
    columns: Sequence[int] | None,
    loss: Distribution | None,
    samples: int | None,
    seed: Seed,
) -> _Feedback:
    outputs, softmax = int(net.options["output_size"]), net.options["head"] == "softmax"
    if loss is not None:
        if not isinstance(loss, Distribution):
            raise TypeError(f"loss: expected a peephole.losses.Distribution or None, got {loss!r}")
        if net.options["head"] not in loss.heads:
            raise ValueError(f"loss: expected None for a {net.options['head']} head, got {loss!r}")
        loss.check(outputs)
    elif samples is not None and not softmax:
        raise ValueError(
            "samples: allowed only with a loss that is a distribution, or a softmax head"
        )
    width = outputs if loss is None else loss.width(outputs)
    chosen = _read_columns(columns, width, net.input_size)
    others = np.setdiff1d(np.arange(net.input_size), chosen)
    random = None
    if samples is not None:
        is_generator = isinstance(seed, np.random.Generator)
        random = np.random.default_rng(seed if is_generator else seed_number(seed))
    return _Feedback(chosen, others, loss, softmax, random, _conversion(net, chosen))


def _read_columns(columns: Sequence[int] | None, width: int, features: int) -> NDArray[np.intp]:
    if width > features:
        raise ValueError(
            f"x: expected at least {width} features, one for each value that is fed back, "
            f"got input_size={features}"
        )
    if columns is None:
        return np.arange(width)
    if isinstance(columns, (str, bytes)) or not np.iterable(columns):
        raise TypeError(f"columns: expected {width} columns of x, got {columns!r}")
    chosen = [integer(column, "columns") for column in columns]
    if len(chosen) != width or len({*chosen}) != width:
        raise ValueError(f"columns: expected {width} different columns of x, got {columns!r}")
    if min(chosen) < 0 or max(chosen) >= features:
        raise ValueError(f"columns: expected columns in 0..{features - 1}, got {columns!r}")
    return np.array(chosen, np.intp)


def _conversion(net: ModelWithScalings, columns: NDArray[np.intp]) -> _Conversion:
    scale, shift = np.ones(len(columns)), np.zeros(len(columns))
    if net.target_scaling is not None:
        if net.target_scaling.features != len(columns):
            raise ValueError(
                f"target_scaling: expected a Standardiser of {len(columns)} features, the values "
                f"that are fed back, got one of {net.target_scaling.features}"
            )
        scale, shift = net.target_scaling.scale_, net.target_scaling.mean_
    if net.input_scaling is not None:
        mean, deviation = net.input_scaling.mean_[columns], net.input_scaling.scale_[columns]
        if np.array_equal(scale, deviation) and np.array_equal(shift, mean):
            return None
        scale, shift = scale / deviation, (shift - mean) / deviation
    return None if (scale == 1).all() and (shift == 0).all() else (scale, shift)


def _read_future(
    net: ModelWithScalings,
    feedback: _Feedback,
    future: ArrayLike | None,
    n: int,
    steps: int,
    single: bool,
) -> NDArray[Any]:
    """(n, S - 1, I - D)."""
    shape = (n, steps - 1, len(feedback.others))
    if future is None:
        if 0 not in shape:
            raise ValueError(
                f"future: expected the other {shape[2]} features of the next {shape[1]} steps, "
                "got None"
            )
        return np.zeros(shape, net.dtype)
    values = array(future, "future")
    if not np.can_cast(values.dtype, net.dtype, "same_kind"):
        raise TypeError(f"future: expected values castable to {net.dtype}, got {values.dtype}")
    if values.shape != (shape[1:] if single else shape):
        raise ValueError(f"future: expected {shape[1:] if single else shape}, got {values.shape}")
    return values.reshape(shape)


def _state(stream: Stream, single: bool) -> StateArrays:
    if not single:
        return stream.state
    return tuple((h[0], c[0]) for h, c in stream.state)

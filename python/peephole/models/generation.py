"""Network.generate: forecasts of several steps, by outputs that are fed back as inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole._checks import array, at_least_one, flag, input_array
from peephole._frames import are_frames, frame_of, index_after, is_frame, sampled_frame
from peephole._keywords import explains_keywords
from peephole._sequences import Sequences, is_ragged, read_sequences
from peephole._types import Seed, State, StateArrays
from peephole.losses import Distribution
from peephole.models.feedback import Feedback, read_feedback
from peephole.models.prediction import predict
from peephole.models.scalings import ModelWithScalings
from peephole.models.stream import Stream

_BATCH_SIZE = 1024


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
            then has K n rows, in the same order. If x is a pandas DataFrame, or a list of them, so
            is the result, with the S times after the index of x, which must be at equal distances;
            with `samples` the number of the sample stands before the time. The index of a `future`
            that is one, too, must be the first S - 1 of these times.

        Raises:
            ValueError, TypeError: If an argument is wrong; the message names it.
        """
        steps = at_least_one(steps, "steps")
        return_state = flag(return_state, "return_state")
        _check_network(self.options)
        frames = _Frames.of(x, future, steps)
        single = not is_ragged(x) and (x := input_array(x)).ndim == 2
        inputs = _read(self, x, lengths, single)
        feedback = read_feedback(self, columns, loss, samples, seed)
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
        result = generated[:, 0] if single else generated
        result = result if samples is not None else result[0]
        if frames is not None:
            result = frames.framed(generated, feedback, samples is not None)
        return (result, _state(stream, single and samples is None)) if return_state else result


@dataclass(frozen=True)
class _Frames:
    """DataFrames that x is, for the results."""

    columns: list[Any]  # of x, one item for each frame
    indices: list[Any]  # of the values predicted
    single: bool

    @classmethod
    def of(cls, x: Any, future: Any, steps: int) -> _Frames | None:
        """None if x has no DataFrames."""
        if not (is_frame(x) or are_frames(x)):
            return None
        items = [x] if is_frame(x) else x
        if any(not len(item) for item in items):
            raise ValueError("x: expected sequences of at least one step, got none or an empty one")
        indices = [index_after(item.index, steps, "x") for item in items]
        if is_frame(future) and not future.index.equals(indices[0][:-1]):
            raise ValueError(
                f"future: expected the index {indices[0][:1].tolist()} to "
                f"{indices[0][-2:-1].tolist()}, got {future.index[:1].tolist()} to "
                f"{future.index[-1:].tolist()}"
            )
        return cls([item.columns for item in items], indices, is_frame(x))

    def framed(self, values: NDArray[Any], feedback: Feedback, sampled: bool) -> Any:
        """Values (K, n, S, D), or labels (K, n, S), as one DataFrame for each sequence."""
        results = []
        for k, (columns, index) in enumerate(zip(self.columns, self.indices, strict=True)):
            of_one = values[:, k, :, None] if feedback.softmax else values[:, k]
            names = ["label"] if feedback.softmax else columns[feedback.columns]
            make = sampled_frame if sampled else frame_of
            results.append(make(of_one if sampled else of_one[0], index, names))
        return results[0] if self.single else results


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


def _read_future(
    net: ModelWithScalings,
    feedback: Feedback,
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

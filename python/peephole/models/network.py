"""A stack of LSTM layers with a dense head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole import _core as core
from peephole._checks import at_least_one, flag, given, input_array
from peephole._frames import framed
from peephole._keywords import explains_keywords, unexpected
from peephole._sequences import batches_of, gives_batches, is_ragged, read_sequences
from peephole._types import Activation, Gradients, LSTMOptions, Seed, State, StateArrays
from peephole.models.build import build, keyword_defaults
from peephole.models.derivatives import NetworkDerivatives
from peephole.models.generation import Generative
from peephole.models.lstm import LSTM
from peephole.models.passes import backward, forward
from peephole.models.prediction import call, predict
from peephole.models.sessions import Sessions
from peephole.models.stream import Stream
from peephole.training.entry import Trainable, set_network_class

if TYPE_CHECKING:
    from typing_extensions import Unpack

_CLASSES = {"float32": core.NetworkFloat32, "float64": core.NetworkFloat64}


class Network(Trainable, NetworkDerivatives, Generative):
    r"""A stack of LSTM layers with a dense head on the last one.

    With r, what `readout` takes from the outputs h_t of the last layer (see `LSTM`)::

        y = head(V r + v)

    With `input_dense_size`, the first LSTM layer does not read x_t, but u_t, the output of a dense
    layer before it::

        u_t = input_activation(W x_t + b)

    Args:
        input_size: I, the features of a step of x.
        hidden_size: H, the units of each layer: an int, or one int per layer.
        output_size: O, the values of y; for a softmax head the number of classes.
        head: The activation of the head: "identity", "sigmoid", "tanh", or "softmax" over the O
            values.
        readout: "all": r is h_t of every step, y (B, T, O). The others give one y per sequence, (B,
            O). "last": the final h, at each sequence's last valid step and, if bidirectional, also
            the reverse direction's after reading back to step 0, as h_n of `torch.nn.LSTM`. "mean",
            "max": the mean or the maximum of each unit over the valid steps; a NaN at any step
            gives NaN. For a sequence of length 0, y is 0.
        input_dense_size: D, the units of a dense layer before the LSTM, which every step of x goes
            through. None: no such layer.
        input_activation: The activation of the dense layer before the LSTM: "sigmoid", "tanh",
            "identity", "relu", "softsign", "softplus", "hard_sigmoid" or "one", as of `LSTM`.
            Allowed only with `input_dense_size`.
        **lstm_options: The keyword options of `LSTM`. With `input_dense_size`, `gate_inputs` and
            the masks of weight_ih_l0 are of the D values of u_t.

    Attributes:
        lstm: The `LSTM` inside, with the same parameters in the same memory. With
            `input_dense_size` its input_size is D, since it reads u_t.
        input_scaling, target_scaling: The scalings of the data that the network is trained on, kept
            with it and in its file; None where there is none. They are not applied.
        parameters: The parameters of the LSTM, and

            - head.weight  (O, H_last) or with a projection (O, P), twice as wide if
              bidirectional  V
            - head.bias  (O,)  v
            - input.weight  (D, I)  W, with `input_dense_size`
            - input.bias  (D,)  b, with `input_dense_size`

    Raises:
        ValueError, TypeError: If an option is out of its range; the message names it.

    Example:
        >>> net = peephole.Network(12, 100, 9, head="softmax", readout="last", seed=0)
        >>> history = net.fit(train_x, train_y, epochs=20)
        >>> net.score(test_x, test_y)
        0.97
        >>> net.save("speakers.safetensors")
    """

    __slots__ = ("_lstm",)

    _core: core.Network

    def __init__(
        self,
        input_size: int,
        hidden_size: int | Sequence[int],
        output_size: int,
        *,
        head: Literal["identity", "sigmoid", "tanh", "softmax"] = "identity",
        readout: Literal["all", "last", "mean", "max"] = "all",
        input_dense_size: int | None = None,
        input_activation: Activation = "identity",
        **lstm_options: Unpack[LSTMOptions],
    ) -> None:
        of_lstm = keyword_defaults(LSTM.__init__)
        for name in lstm_options:
            if name not in of_lstm:
                raise unexpected("Network", name, ["input_size", *self._option_defaults()])
        core_network = build(
            _CLASSES,
            input_size,
            hidden_size,
            output_size=output_size,
            head=head,
            readout=readout,
            input_dense_size=input_dense_size,
            input_activation=input_activation,
            **lstm_options,
        )
        self._adopt(core_network)

    @classmethod
    def _core_classes(cls) -> tuple[Any, ...]:
        return tuple(_CLASSES.values())

    @staticmethod
    def _option_defaults() -> dict[str, Any]:
        return keyword_defaults(LSTM.__init__) | keyword_defaults(Network.__init__)

    def _adopt(self, core_model: core.Network) -> None:
        super()._adopt(core_model)
        self._lstm = LSTM._over(core_model.lstm)

    @property
    def lstm(self) -> LSTM:
        """The `LSTM` inside, with the same parameters in the same memory."""
        return self._lstm

    @property
    def output_size(self) -> int:
        """O, the values of y."""
        return int(self._core.options["output_size"])

    @property
    def head(self) -> str:
        """The activation of the head."""
        return str(self._core.options["head"])

    @property
    def readout(self) -> str:
        """What the head reads: "all", "last", "mean" or "max"."""
        return str(self._core.options["readout"])

    def __call__(
        self,
        x: ArrayLike,
        state: State | None = None,
        lengths: ArrayLike | None = None,
        *,
        out: NDArray[Any] | None = None,
    ) -> tuple[NDArray[Any], StateArrays]:
        """Runs the network in inference mode: (y, final state).

        x, state, lengths and the final state are those of `LSTM`. y is (B, T, O), 0 beyond a
        sequence's length; for the other readouts (B, O), 0 for a sequence of length 0. `out` is an
        array to write y to. For a single sequence, x (T, I), nothing has a batch axis.

        Raises ValueError or TypeError if an argument is wrong, before anything is computed.
        """
        return call(self._core, x, state, lengths, out)

    @explains_keywords
    def predict(
        self,
        x: Any,
        lengths: ArrayLike | None = None,
        *,
        state: State | None = None,
        return_state: bool = False,
        batch_size: int = 1024,
    ) -> Any:
        """Predicts y for any number of sequences.

        Args:
            x: (n, T, I), or (T, I) for a single sequence, or a list of (T_i, I) arrays. For data
                larger than memory: an iterable of batches of these forms, or of pairs (x, lengths)
                of arrays, or a function that returns one.
            lengths: (n,) integers in 0..T; not allowed with a list, a single sequence or batches.
            state: Where the sequences continue, as in `LSTM`: one pair (h, c), each (n, H), per
                layer and direction. None stands for zeros, or for the learned initial state. Not
                allowed with batches.
            return_state: Whether to return (y, state), with the final state to continue from.
            batch_size: The number of sequences that are computed, and converted to the model's
                dtype, at a time.

        Returns:
            y: For readout "all" (n, T, O), 0 beyond a sequence's length; if x is a list, a list of
                (T_i, O) arrays. For the other readouts (n, O). For a single sequence (T, O) or
                (O,). For batches a generator, which computes one batch at a time. If x is a pandas
                DataFrame, or a list of them for readout "all", so is y, with the index of x; for
                the other readouts with the last label of it.

        Raises:
            ValueError, TypeError: If an argument is wrong; the message names it.
        """
        batch_size = at_least_one(batch_size, "batch_size")
        return_state = flag(return_state, "return_state")
        if gives_batches(x):
            for name, value in (("lengths", lengths), ("state", state)):
                if value is not None:
                    raise ValueError(f"{name}: allowed only with data in memory, not with batches")
            return self._predict_batches(x, return_state, batch_size)
        result: tuple[Any, StateArrays]
        given_x = x
        if not is_ragged(x):
            x = input_array(x)
        if not is_ragged(x) and (x.ndim != 3 or len(x) <= batch_size):
            result = call(self._core, x, state, lengths)
        else:
            inputs = read_sequences(x, lengths, self.input_size, self.dtype)
            result = predict(self._core, inputs, batch_size, state)
        y = framed(given_x, result[0])
        return (y, result[1]) if return_state else y

    def _predict_batches(self, batches: Any, return_state: bool, batch_size: int) -> Iterator[Any]:
        for number, item in enumerate(batches_of(batches, "x")):
            x, lengths = item, None
            if isinstance(item, tuple) and len(item) == 2 and np.ndim(item[0]) == 3:
                x, lengths = item
            try:
                yield self.predict(x, lengths, return_state=return_state, batch_size=batch_size)
            except (TypeError, ValueError) as error:
                raise type(error)(f"{error} (in batch {number + 1})") from None

    def stream(self, batch: int = 1) -> Stream:
        """A `Stream` of B = `batch` sequences with the current weights, run step by step."""
        return Stream(self, batch)

    def sessions(self, capacity: int) -> Sessions:
        """A pool of at most `capacity` `Sessions` with the current weights."""
        return Sessions(self, capacity)

    def forward(
        self,
        x: ArrayLike,
        state: State | None = None,
        lengths: ArrayLike | None = None,
        *,
        seed: Seed = None,
        recompute: bool = False,
    ) -> tuple[NDArray[Any], StateArrays, core.Tape]:
        """The forward pass of training, (y, state, tape), with the arguments of `LSTM.forward`.

        `tape.logits` is V r + v, with the shape of y, for losses that give `backward` their
        `dlogits`.
        """
        y, _, final, tape = forward(self._core, x, state, lengths, seed, recompute)
        return y, final, tape

    def backward(
        self,
        tape: core.Tape,
        dy: ArrayLike | None = None,
        dstate: State | None = None,
        *,
        dlogits: ArrayLike | None = None,
        inputs: bool = True,
    ) -> Gradients:
        """Exact gradients, by backpropagation through time: as `LSTM.backward`, but for the head.

        Args:
            tape, dstate, inputs: As in `LSTM.backward`.
            dy: The gradient of y, with its shape.
            dlogits: Instead of dy: the gradient of `tape.logits`, V r + v. For cross-entropy after
                softmax it is y - onehot(label), which avoids dividing by small probabilities.
        """
        gradients = {"dy": given(dy, "dy"), "dlogits": given(dlogits, "dlogits")}
        return backward(self._core, tape, dstate, inputs, **gradients)


set_network_class(Network)

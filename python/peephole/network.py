"""A stack of LSTM layers with a dense head."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from peephole import _core as core
from peephole.batches import is_ragged, predict_into, predict_list, read_sequences
from peephole.lstm import LSTM, Gradients, State, StateArrays
from peephole.model import Model
from peephole.options import LSTMOptions, Seed, at_least_one, build, draw_seed_or_none, flag

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from peephole.losses import Loss
    from peephole.metrics import Metrics
    from peephole.schedules import Schedule
    from peephole.stream import Stream
    from peephole.training import EarlyStopping, History
    from peephole.training.callbacks import Callbacks
    from peephole.training.loss import Function as LossFunction
    from peephole.training.options import OptimiserChoice

_CLASSES = {"float32": core.NetworkFloat32, "float64": core.NetworkFloat64}


class Network(Model):
    r"""A stack of LSTM layers with a dense head on the last one.

    With r what `readout` takes of the outputs h_t of the last layer (see `LSTM`)::

        y = head(V r + v)

    Args:
        input_size: I, the features of a step of x.
        hidden_size: H, the units of each layer: an int, or one int per layer.
        output_size: O, the values of y; for a softmax head the number of classes.
        head: The activation of the head: "identity", "sigmoid", "tanh", or "softmax" over the O
            values.
        readout: "all": h_t of every step, y (B, T, O). The others give one y a sequence, (B, O):
            "last": the final h, at each sequence's last real step and, when bidirectional, beside
            it the reverse direction's after reading back to step 0, as `torch.nn.LSTM`'s h_n.
            "mean", "max": the mean, or the largest value, of each unit over the real steps; NaN at
            any step stays. For a sequence of length 0, y is 0.
        **lstm_options: As of `LSTM`.

    Attributes:
        lstm: The `LSTM` inside, over the same parameters.
        parameters: The LSTM's parameters, and

            - head.weight  (O, H_last), twice as wide when bidirectional  V
            - head.bias  (O,)  v

    Raises:
        ValueError, TypeError: For an option out of its range; the message names it.

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
        **lstm_options: Unpack[LSTMOptions],
    ) -> None:
        unknown = lstm_options.keys() - LSTMOptions.__annotations__
        if unknown:
            raise TypeError(f"Network() got unexpected options: {', '.join(sorted(unknown))}")
        core_network = build(
            _CLASSES,
            input_size,
            hidden_size,
            output_size=output_size,
            head=head,
            readout=readout,
            **lstm_options,
        )
        self._adopt(core_network)

    def _adopt(self, core_model: core.Network) -> None:
        super()._adopt(core_model)
        self._lstm = LSTM._over(core_model.lstm)

    @property
    def lstm(self) -> LSTM:
        """The `LSTM` inside, over the same parameters."""
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
        """Runs the network, from a state to a state; keeps nothing.

        x, state, lengths and the state returned are those of `LSTM`. y, which `out` can take, is
        (B, T, O), 0 beyond a sequence's length; for readouts but "all" (B, O), 0 for a sequence of
        length 0. Of a single sequence, x (T, I), nothing has a batch axis.

        Raises ValueError or TypeError for a wrong argument, before anything is computed.
        """
        return self._core(x, state, lengths, out)

    def predict(
        self,
        x: Any,
        lengths: ArrayLike | None = None,
        *,
        batch_size: int = 1024,
    ) -> Any:
        """y, of any number of sequences.

        Args:
            x: (n, T, I), or (T, I) for a single sequence, or a list of (T_i, I) arrays.
            lengths: (n,) integers in 0..T; not with a list or a single sequence.
            batch_size: How many sequences are computed, and held in the model's dtype, at a time.

        Returns:
            y: For readout "all" (n, T, O), 0 beyond a sequence's length; for a list x a list of
                (T_i, O) arrays. For the others (n, O). Of a single sequence (T, O) or (O,).

        Raises:
            ValueError, TypeError: For a wrong argument; the message names it.
        """
        batch_size = at_least_one(batch_size, "batch_size")
        ragged = is_ragged(x)
        if not ragged:
            x = np.asarray(x)
            if x.ndim != 3 or len(x) <= batch_size:
                return self._core(x, None, lengths)[0]
        inputs = read_sequences(x, lengths, self.input_size, self.dtype)
        if ragged and self.readout == "all":
            return predict_list(self._core, inputs, batch_size)
        steps = x.shape[1:2] if self.readout == "all" else ()
        y = np.zeros((len(inputs.lengths), *steps, self.output_size), self.dtype)
        predict_into(y, self._core, inputs, batch_size)
        return y

    def stream(self, batch: int = 1) -> Stream:
        """A `Stream` of B = `batch` sequences: the network as it is now, a step at a time."""
        from peephole.stream import Stream

        return Stream(self, batch)

    def forward(
        self,
        x: ArrayLike,
        state: State | None = None,
        lengths: ArrayLike | None = None,
        *,
        seed: Seed = None,
        recompute: bool = False,
    ) -> tuple[NDArray[Any], StateArrays, core.Tape]:
        """The training pass, (y, state, tape): as `LSTM.forward`, `seed` and `recompute` too.

        `tape.logits` is V r + v, shaped as y, for losses that give `backward` their `dlogits`.
        """
        recompute = flag(recompute, "recompute")
        seed = draw_seed_or_none(seed)
        y, _, final, tape = self._core.forward(x, state, lengths, seed, recompute)
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
        """Exact gradients, by backpropagation through time.

        Args:
            tape: Of a `forward` of this network, whose parameters have not changed since.
            dy: The gradient of y, shaped as it.
            dstate: The gradient of the final state, shaped as it; None stands for zeros.
            dlogits: Instead of dy: the gradient of `tape.logits`, V r + v. For cross-entropy after
                softmax that is y - onehot(label), with nothing to divide by.
            inputs: Whether the gradient of x is wanted; training needs none, and is faster without.

        Returns:
            Gradients: x, shaped as x, or None; state, of the initial one; parameters, {name: array
                of its shape}.
        """
        return Gradients(*self._core.backward(tape, dy, dstate, dlogits, inputs))

    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        lengths: ArrayLike | None = None,
        epochs: int = 50,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        clip_norm: float | None = 1.0,
        clip_value: float | None = None,
        seed: Seed = None,
        progress: bool | None = None,
        loss: str | Loss | LossFunction | None = None,
        sample_weight: Any = None,
        missing: Literal["error", "skip"] = "error",
        optimiser: OptimiserChoice = "adam",
        schedule: Schedule | Callable[[int], float] | None = None,
        shuffle: bool | None = None,
        bucketing: bool = False,
        tbptt: int | None = None,
        stateful: bool = False,
        recompute: bool = False,
        validation_data: Any = None,
        validation_share: float | None = None,
        validation_shuffle: bool | None = None,
        metrics: Metrics = (),
        early_stopping: int | EarlyStopping | None = None,
        callbacks: Callbacks = (),
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: float = 60.0,
        resume: bool = False,
    ) -> History:
        """Trains the network.

        Args:
            x: (n, T, I), as `peephole.windows` gives them for one long series; or a list of (T_i,
                I) arrays. For data larger than memory an iterable of batches (x, y), (x, y,
                lengths) or (x, y, lengths, sample_weight) that begins anew each epoch, or a
                function that returns one.
            y: Softmax head: class labels, integers in 0..O-1, (n,) for readout "last", (n, T) or a
                list of (T_i,) for "all". Otherwise targets, with another axis of O (which may be
                absent for O = 1). What stands beyond a sequence's length does not count.
            lengths: (n,) integers in 0..T, with an array x.
            epochs: How many times every sequence is seen.
            batch_size: Sequences per step.
            learning_rate: Of the optimiser, times the schedule's factor.
            clip_norm: The gradients' joint norm is scaled down to this; None: not.
            clip_value: Before that, each value is moved into ± this; None: not.
            seed: Of the order of the sequences: an int, a `numpy.random.Generator`, or None for a
                fresh one. The same seed and the same data give the same weights.
            progress: Whether to show a progress bar; None: where it goes to a terminal.
            loss: "cross_entropy", "binary_cross_entropy", "mse", "mae", "huber", an object of
                `peephole.losses`, or a function (y_pred, y_true, lengths) -> (loss, dy) of a batch.
                None: "cross_entropy" for a softmax head, otherwise "mse".
            sample_weight: (n,), or of steps (n, T) or a list of (T_i,): of the loss's terms.
            missing: "skip": targets that are NaN do not count; "error": they are an error.
            optimiser: "adam", "adamw", "sgd", "rmsprop", or a function (parameters, learning_rate)
                -> one of `peephole.optim`.
            schedule: One of `peephole.schedules`, or a function step -> factor.
            shuffle: Whether each epoch has an order of its own; None: unless `stateful`.
            bucketing: Whether batches are of sequences of like lengths, which ragged data trains
                faster in.
            tbptt: Gradients go back at most this many steps (R. J. Williams, J. Peng, Neural
                Computation 2 (1990) 490-501); for readout "all" there is a step of the optimiser
                for each so many, and the state is carried on from one to the next.
            stateful: Whether the state is carried from each batch to the next: sequence k of a
                batch goes on where sequence k of the one before ended. Each epoch begins with
                zeros.
            recompute: Whether `forward` keeps less, for long sequences; see `LSTM.forward`.
            validation_data: (x, y), (x, y, lengths) or (x, y, lengths, sample_weight) to validate
                with after each epoch.
            validation_share: Instead: the share of the sequences that is held out for it.
            validation_shuffle: Whether these are drawn at random rather than the last ones; None:
                unless `stateful`, or with values as targets for readout "all", which are taken for
                forecasts. Of a single sequence for readout "all" it is always the last steps.
            metrics: Measured in validation beside the loss: some of "accuracy", "mse", "rmse",
                "mae", "r2"; or {name: function (y_pred, y_true) -> float}.
            early_stopping: Ends the training after so many epochs that are no better in validation,
                and returns to the best epoch's weights; or an `EarlyStopping`.
            callbacks: Functions of the `Run`, called after each epoch, or `Callback` objects.
            checkpoint: A file to write the training to, whole or not at all;
                `peephole.training.load_checkpoint` reads the network from it.
            checkpoint_every: Seconds from one time to the next; it is also written at the end.
            resume: Whether to go on from the checkpoint, if there is one, with the same arguments
                and data: the result has the same bits as without the interruption.

        Returns:
            History: of each epoch its loss, and what else there is to know.

        Raises:
            ValueError, TypeError: For a wrong argument, before the network is changed; the message
                names it.
            FloatingPointError: When the loss or its gradient is not finite; the weights are those
                from before the step, which the message names with what is at fault.
            OSError: When the checkpoint cannot be written; the one before it is as it was.
                Whatever else ends a training, the checkpoint has its last finished step.
            TrainingInterrupted: A KeyboardInterrupt, by Ctrl-C; the weights are those of the last
                finished step, which the checkpoint has as well.
        """
        from peephole.training.fit import fit
        from peephole.training.options import FitOptions

        return fit(
            self,
            x,
            y,
            FitOptions(
                lengths=lengths,
                epochs=epochs,
                batch_size=batch_size,
                learning_rate=learning_rate,
                clip_norm=clip_norm,
                clip_value=clip_value,
                seed=seed,
                progress=progress,
                loss=loss,
                sample_weight=sample_weight,
                missing=missing,
                optimiser=optimiser,
                schedule=schedule,
                shuffle=shuffle,
                bucketing=bucketing,
                tbptt=tbptt,
                stateful=stateful,
                recompute=recompute,
                validation_data=validation_data,
                validation_share=validation_share,
                validation_shuffle=validation_shuffle,
                metrics=metrics,
                early_stopping=early_stopping,
                callbacks=callbacks,
                checkpoint=checkpoint,
                checkpoint_every=checkpoint_every,
                resume=resume,
            ),
        )

    def score(
        self,
        x: ArrayLike | Sequence[ArrayLike],
        y: ArrayLike | Sequence[ArrayLike],
        lengths: ArrayLike | None = None,
        *,
        batch_size: int = 1024,
    ) -> float:
        """How well the network predicts y: x, y and lengths are those of `fit`.

        The accuracy for a softmax head; otherwise R², the share of the targets' variance that is
        explained, as a mean over the O outputs. For readout "all" over all real steps.
        """
        from peephole.training.score import score

        return score(self, x, y, lengths, batch_size)

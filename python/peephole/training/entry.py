"""The methods that networks get from training. Models import this module of training only."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal

from numpy.typing import ArrayLike

from peephole._keywords import explains_keywords
from peephole._types import Seed
from peephole.losses import Loss
from peephole.metrics import Metrics
from peephole.schedules import Schedule
from peephole.training.arguments import FitArguments, OptimiserChoice
from peephole.training.callbacks import Callbacks
from peephole.training.early_stopping import EarlyStopping
from peephole.training.fit import fit
from peephole.training.keep.checkpoint import set_network_class
from peephole.training.keep.history import History
from peephole.training.loss import Function
from peephole.training.protocol import NetworkLike
from peephole.training.score import score

__all__ = ["Trainable", "set_network_class"]


class Trainable:
    """The methods of `Network` that train and evaluate it; not for use by itself."""

    __slots__ = ()

    @explains_keywords
    def fit(
        self: NetworkLike,
        x: Any,
        y: Any = None,
        *,
        lengths: ArrayLike | None = None,
        epochs: int = 50,
        batch_size: int | None = None,
        learning_rate: float = 1e-3,
        clip_norm: float | None = 1.0,
        clip_value: float | None = None,
        seed: Seed = None,
        progress: bool | None = None,
        loss: str | Loss | Function | None = None,
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
            x: (n, T, I), for example from `peephole.windows` for one long series; or a list of
                (T_i, I) arrays; or (T, I) for a single sequence, for which y and sample_weight
                have no first axis either. For data larger than memory: an iterable of batches
                (x, y), (x, y, lengths) or (x, y, lengths, sample_weight) that can be iterated once
                per epoch, or a function that returns one.
            y: Softmax head: class labels, integers in 0..O-1, (n,) for readout "last", (n, T) or a
                list of (T_i,) for "all". Otherwise target values, with another axis of O (optional
                for O = 1). Entries beyond a sequence's length are ignored.
            lengths: (n,) integers in 0..T, with an array x.
            epochs: The number of passes over the data.
            batch_size: Sequences per step; None: 32. The batches of an iterable are used as they
                are: there it must be None.
            learning_rate: Of the optimiser; multiplied by the schedule's factor.
            clip_norm: The largest joint norm of the gradients; larger ones are scaled down. None:
                no limit.
            clip_value: The largest absolute value of a gradient's entries, applied before
                clip_norm. None: no limit.
            seed: Of the order of the sequences and of dropout: an int, a `numpy.random.Generator`,
                or None for a random seed. The same seed and data give the same weights.
            progress: Whether to show a progress bar; None: only in a terminal or a notebook. Each
                epoch is also logged, at level INFO by the logger "peephole.training":
                `logging.basicConfig(level=logging.INFO)` prints these lines.
            loss: "cross_entropy", "binary_cross_entropy", "mse", "mae", "huber", an object from
                `peephole.losses`, or a function (y_pred, y_true, lengths) -> (loss, dy) of a batch.
                None: "cross_entropy" for a softmax head, otherwise "mse".
            sample_weight: Weights of the loss's terms: (n,), or per step (n, T) or a list of
                (T_i,).
            missing: Targets that are NaN: "skip" ignores them, "error" raises ValueError.
            optimiser: "adam", "adamw", "sgd", "rmsprop", or a function (parameters, learning_rate)
                -> an optimiser of `peephole.optim`.
            schedule: A schedule of `peephole.schedules`, or a function step -> factor.
            shuffle: Whether the order of the sequences is random in each epoch. None: yes, unless
                `stateful`.
            bucketing: Whether batches have sequences of similar lengths, which is faster for ragged
                data.
            tbptt: Truncated backpropagation: gradients go back at most this many steps (R. J.
                Williams, J. Peng, Neural Computation 2 (1990) 490-501). For readout "all" the
                optimiser makes a step for every `tbptt` time steps, and the state is carried over.
            stateful: Whether the state is carried over from each batch to the next: sequence k of a
                batch continues sequence k of the previous one. Each epoch starts with zeros.
            recompute: Whether `forward` stores less, for long sequences; see `LSTM.forward`.
            validation_data: (x, y), (x, y, lengths) or (x, y, lengths, sample_weight) to validate
                with after each epoch.
            validation_share: Instead: the fraction of the sequences to hold out for validation.
            validation_shuffle: Whether to hold out random sequences rather than the last ones.
                None: yes, unless `stateful` or for forecasts, that is readout "all" with values as
                targets. Of a single sequence with readout "all", always the last steps are held
                out.
            metrics: Computed in validation in addition to the loss: some of "accuracy", "mse",
                "rmse", "mae", "r2"; or {name: function (y_pred, y_true) -> float}.
            early_stopping: Stops the training after this many epochs without improvement in
                validation, and restores the weights of the best epoch; or an `EarlyStopping`.
            callbacks: Functions of the `Run`, called after each epoch, or `Callback` objects.
            checkpoint: A file to save the training to; an existing one is replaced only once the
                new one is complete. `peephole.training.load_checkpoint` reads the network from it.
            checkpoint_every: Seconds between checkpoints; one is also written at the end.
            resume: Whether to continue from the checkpoint, if there is one, with the same
                arguments and data: the result has the same bits as without the interruption.

        Returns:
            History: the loss of each epoch, and more.

        Raises:
            ValueError, TypeError: If an argument is wrong, before the network is changed; the
                message names it.
            FloatingPointError: If the loss or its gradient is not finite. The message names the
                step and the cause; the weights are those from before the step.
            OSError: If the checkpoint cannot be written; the previous one is unchanged. If the
                training ends for any other reason, the checkpoint has its last finished step.
            TrainingInterrupted: A KeyboardInterrupt, by Ctrl-C; the weights are those of the last
                finished step, as in the checkpoint.
        """
        return fit(
            self,
            x,
            y,
            FitArguments(
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

    @explains_keywords
    def score(
        self: NetworkLike,
        x: ArrayLike | Sequence[ArrayLike],
        y: ArrayLike | Sequence[ArrayLike],
        lengths: ArrayLike | None = None,
        *,
        batch_size: int = 1024,
    ) -> float:
        """How well the network predicts y; x, y and lengths are those of `fit`.

        The accuracy for a softmax head; otherwise R², the explained fraction of the targets'
        variance, averaged over the O outputs. For readout "all" over all valid steps.
        """
        return score(self, x, y, lengths, batch_size)

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
from peephole.training.arguments import FitArguments
from peephole.training.callbacks import Callbacks
from peephole.training.class_weight import ClassWeight
from peephole.training.early_stopping import EarlyStopping
from peephole.training.fit import fit
from peephole.training.keep.checkpoint import is_checkpoint
from peephole.training.keep.history import History
from peephole.training.keep.load import set_network_class
from peephole.training.loss import Function
from peephole.training.optimisers import OptimiserChoice
from peephole.training.protocol import NetworkLike
from peephole.training.score import score

__all__ = ["Trainable", "is_checkpoint", "set_network_class"]


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
        class_weight: ClassWeight = None,
        missing: Literal["error", "skip"] = "error",
        optimiser: OptimiserChoice = "adam",
        frozen: str | Sequence[str] = (),
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
                (x, y), (x, y, lengths), (x, y, lengths, sample_weight) or, if `stateful`, (x, y,
                lengths, sample_weight, reset) that can be iterated once per epoch, or a function
                that returns one. None stands for what a batch does not have.
            y: Softmax head: class labels, integers in 0..O-1, (n,) for readout "last", (n, T) or a
                list of (T_i,) for "all"; for the loss "ctc" a list of label sequences (S_i,).
                Otherwise target values, with another axis of O (optional for O = 1). Entries beyond
                a sequence's length are ignored.
            lengths: (n,) integers in 0..T, with an array x.
            epochs: The number of passes over the data.
            batch_size: Sequences per step; None: 32. The batches of an iterable are used as they
                are: there it must be None.
            learning_rate: The optimiser's learning rate, which the schedule multiplies.
            clip_norm: The largest joint norm of the gradients; larger ones are scaled down. None:
                no limit.
            clip_value: The largest absolute value of a gradient's entries, applied before
                clip_norm. None: no limit.
            seed: The seed for the order of the sequences and for dropout: an int, a
                `numpy.random.Generator`, or None for a random seed. The same seed and data give the
                same weights.
            progress: Whether to show a progress bar; None: only in a terminal or a notebook. Each
                epoch is also logged, at level INFO by the logger "peephole.training":
                `logging.basicConfig(level=logging.INFO)` prints these lines.
            loss: "cross_entropy", "binary_cross_entropy", "mse", "mae", "huber", "gaussian_nll",
                "student_t_nll", "ctc", an object from `peephole.losses`, or a function (y_pred,
                y_true, lengths) -> (loss, dy) of a batch, which `peephole.losses` describes. None:
                "cross_entropy" for a softmax head, otherwise "mse".
            sample_weight: Weights of the loss's terms: (n,), or per step (n, T) or a list of
                (T_i,). 0 or more, and not all 0.
            class_weight: Weights of the labels in a cross-entropy: {label: weight}, other labels
                have 1; (O,) numbers; or "balanced" for n / (K n_k), where n_k of the n labels
                trained on are k, and K labels occur. They multiply sample_weight.
            missing: Targets that are NaN: "skip" ignores them, "error" raises ValueError. With
                "skip", a custom loss receives them.
            optimiser: "adam", "adamw", "sgd", "rmsprop"; or a function (parameters, learning_rate)
                -> an optimiser of `peephole.optim` over them; or such an optimiser, made over
                `net.parameters`, which keeps its state from one `fit` to the next and has its own
                learning rate.
            frozen: Names of parameters that are not trained, or patterns such as "*_l0" and
                "weight_*". Their gradients count neither for clip_norm nor in the history.
            schedule: A schedule of `peephole.schedules`, or a function step -> factor.
            shuffle: Whether the order of the sequences is random in each epoch. None: yes, unless
                `stateful`.
            bucketing: Whether batches have sequences of similar lengths, which is faster for ragged
                data.
            tbptt: Truncated backpropagation: gradients go back at most this many steps (R. J.
                Williams, J. Peng, Neural Computation 2 (1990) 490-501). For readout "all" the
                optimiser makes a step for every `tbptt` time steps, and the state is carried over.
            stateful: Whether the state is carried over from each batch to the next: sequence k of a
                batch continues sequence k of the previous one. Each epoch starts with zeros. In
                batches with `reset`, bools (B,), so do the sequences for which it is True.
            recompute: Whether `forward` stores less, for long sequences; see `LSTM.forward`.
            validation_data: (x, y), (x, y, lengths) or (x, y, lengths, sample_weight) to validate
                with after each epoch; or batches of these forms, as for x.
            validation_share: Instead: the fraction of the sequences to hold out for validation. If
                the targets are labels, they are drawn at random, each class in proportion;
                otherwise, or if `stateful`, they are the last ones. Of a single sequence with
                readout "all", the last steps are held out. Of overlapping windows of one series,
                the last ones are, and windows that share steps with these are not trained on.
            validation_shuffle: Whether to hold out random sequences rather than the last ones; None
                decides as described. True holds out random windows, too, even if they overlap.
            metrics: Computed in validation in addition to the loss, without weights: some of
                "accuracy", "mse", "rmse", "mae", "r2", "label_error_rate"; or {name: function
                (y_pred, y_true) -> float}. y_pred is (N, O), y_true (N,) labels or (N, D) values,
                of the steps or sequences with a target; values that are missing are NaN, and the
                metrics by name leave them out. For the loss "ctc" they are lists of (T_i, O)
                outputs and of labels (S_i,). Metrics without values are NaN.
            early_stopping: Stops the training after this many epochs without improvement in
                validation, and restores the weights of the best epoch; or an `EarlyStopping`.
            callbacks: Functions of the `Run`, called after each epoch, or `Callback` objects.
            checkpoint: A file to save the training to; it must not exist unless `resume`. Each
                checkpoint replaces the previous one only once it is complete.
                `peephole.training.load_checkpoint` reads the network from it, with the weights of
                the last step or, with validation, of the best epoch.
            checkpoint_every: Seconds between checkpoints; one is also written at the end.
            resume: Whether to continue from the checkpoint, if there is one: the result has the
                same bits as without the interruption. Arguments and data must be the same; only
                `epochs` and the patience of `early_stopping` may be larger. Large data are compared
                by samples, batches from an iterable by their number, and functions not at all. A
                training that has stopped early continues if the patience is now larger.

        Returns:
            History: the loss of each epoch, and more.

        Raises:
            ValueError, TypeError: If an argument is wrong, before the network is changed; the
                message names it.
            FloatingPointError: If the loss or its gradient is not finite. The message names the
                step and the cause; the weights are those from before the step.
            OSError: If the checkpoint cannot be written; the previous one is unchanged. If anything
                else ends the training, such as SystemExit in a signal handler, the checkpoint has
                the last finished step.
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
                class_weight=class_weight,
                missing=missing,
                optimiser=optimiser,
                frozen=frozen,
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
        loss: str | Loss | None = None,
        missing: Literal["error", "skip"] = "error",
        sample_weight: Any = None,
        ignore_label: int | None = None,
        batch_size: int = 1024,
    ) -> float:
        """How well the network predicts y.

        Args:
            x, y, lengths, sample_weight, missing: As in `fit`. Weights are those of the sequences,
                or of their steps.
            loss: The loss that the network was trained with, by name or object, if its targets are
                not the network's O outputs: of a `losses.Distribution` the predicted means or
                medians are scored.
            ignore_label: Softmax head: targets with this label (any integer) do not count.
            batch_size: The number of sequences that are computed at a time.

        Returns:
            The accuracy for a softmax head; otherwise R², the explained fraction of the targets'
            variance, averaged over the O outputs; for the loss CTC, 1 - the label error rate of
            `peephole.decoding.greedy`. For readout "all" over all valid steps. NaN if
            all targets are missing.

        Raises:
            ValueError, TypeError: If an argument is wrong, a value of x is not finite, or all
                weights are 0; the message names it.
        """
        return score(
            self,
            x,
            y,
            lengths,
            loss=loss,
            missing=missing,
            sample_weight=sample_weight,
            ignore_label=ignore_label,
            batch_size=batch_size,
        )

"""Network.fit: sets a training up from the arguments, and runs it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._checks import path_text, seed_number
from peephole.losses import Loss
from peephole.metrics import metrics_of
from peephole.schedules import Schedule, schedule_of
from peephole.training.arguments import FitArguments
from peephole.training.callbacks import Run, callbacks_of
from peephole.training.data.batches import read_data
from peephole.training.data.sources import IterableSource, MemorySource, Source, gives_batches
from peephole.training.early_stopping import Best
from peephole.training.keep.checkpoint import Checkpoint, Snapshot, require_same
from peephole.training.keep.history import History
from peephole.training.loop import Trainer
from peephole.training.loss import Custom, loss_of
from peephole.training.protocol import NetworkLike
from peephole.training.setup import Setup
from peephole.training.validation import Part, Validation, hold_out


def fit(net: NetworkLike, x: Any, y: Any, arguments: FitArguments) -> History:
    """See Network.fit."""
    _check_network(net, arguments)
    loss = loss_of(arguments.loss, net.head, net.output_size)
    checkpoint, snapshot = _checkpoint(net, arguments)
    seed = seed_number(arguments.seed) if snapshot is None else int(snapshot.notes["seed"])
    random = np.random.default_rng(seed)
    source, validation = _read(net, loss, x, y, arguments, random)
    settings = arguments.settings() | {"loss": loss.name, "data": source.describe()}
    if checkpoint is not None and snapshot is not None:
        require_same(checkpoint.path, settings, snapshot.notes["settings"])
    setup = Setup(
        source=source,
        loss=loss,
        learning_rate=arguments.learning_rate,
        schedule=_own_schedule(arguments),
        clip_norm=arguments.clip_norm,
        clip_value=arguments.clip_value,
        tbptt=arguments.tbptt,
        per_step=net.readout == "all",
        stateful=arguments.stateful,
        recompute=arguments.recompute,
        validation=validation,
        best=_best(arguments, validation),
        callbacks=callbacks_of(arguments.callbacks),
        checkpoint=checkpoint,
        settings=settings,
        seed=seed,
        progress=arguments.progress,
    )
    run = Run(net, arguments.make_optimiser(net.parameters), History(), arguments.epochs)
    trainer = Trainer(run, setup, random)
    if checkpoint is not None and snapshot is not None:
        try:
            trainer.restore(snapshot)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{checkpoint.path}: not a checkpoint of this training: {error}"
            ) from None
    return trainer.train()


def _own_schedule(arguments: FitArguments) -> Schedule | None:
    """A copy: its state changes in the training, while the caller's stays as it is."""
    return None if arguments.schedule is None else copy.deepcopy(schedule_of(arguments.schedule))


def _check_network(net: NetworkLike, arguments: FitArguments) -> None:
    if not net.bidirectional:
        return
    for name in ("tbptt", "stateful"):
        if getattr(arguments, name):
            raise ValueError(
                f"{name}: expected none for a bidirectional network, which needs its sequences "
                f"whole, got {getattr(arguments, name)}"
            )


def _checkpoint(
    net: NetworkLike, arguments: FitArguments
) -> tuple[Checkpoint | None, Snapshot | None]:
    if arguments.checkpoint is None:
        return None, None
    checkpoint = Checkpoint(
        path_text(arguments.checkpoint, "checkpoint"), arguments.checkpoint_every
    )
    return checkpoint, checkpoint.read(net) if arguments.resume else None


def _read(
    net: NetworkLike,
    loss: Loss | Custom,
    x: Any,
    y: Any,
    arguments: FitArguments,
    random: np.random.Generator,
) -> tuple[Source, Validation | None]:
    """The source to train on, and the validation."""
    size, missing = arguments.sequences_per_step, arguments.missing
    validate: Part | None = None
    if arguments.validation_data is not None:
        x_held, y_held, lengths, weights = (*arguments.validation_data, None, None)[:4]
        try:
            held = read_data(net, loss, x_held, y_held, lengths, weights, missing)
        except (TypeError, ValueError) as error:
            raise type(error)(f"validation_data: {error}") from None
        validate = held, np.arange(len(held))
    if gives_batches(x):
        for name, value in (
            ("y", y),
            ("lengths", arguments.lengths),
            ("sample_weight", arguments.sample_weight),
            ("batch_size", arguments.batch_size),
            ("shuffle", arguments.shuffle or None),
            ("bucketing", arguments.bucketing or None),
            ("validation_share", arguments.validation_share),
        ):
            if value is not None:
                raise ValueError(f"{name}: allowed only with data in memory, not with batches as x")
        source: Source = IterableSource(x, net, loss, missing, arguments.epochs)
    else:
        data = read_data(net, loss, x, y, arguments.lengths, arguments.sample_weight, missing)
        rows = np.arange(len(data))
        if arguments.validation_share is not None:
            shuffle = _shuffles_held_out(net, loss, arguments)
            fraction = arguments.validation_share
            (data, rows), validate = hold_out(data, fraction, shuffle, random)
        if arguments.stateful:
            _check_stateful(rows, size, "x")
        shuffle = arguments.shuffle is not False and not arguments.stateful
        source = MemorySource(data, rows, size, shuffle=shuffle, bucketing=arguments.bucketing)
    return source, _validation(loss, validate, arguments)


def _validation(
    loss: Loss | Custom, validate: Part | None, arguments: FitArguments
) -> Validation | None:
    metrics = metrics_of(arguments.metrics, loss.labels)
    if validate is None:
        if metrics:
            raise ValueError("metrics: allowed only with validation_data or validation_share")
        return None
    data, rows = validate
    if arguments.stateful:
        _check_stateful(rows, arguments.sequences_per_step, "validation_data")
    return Validation(
        data, rows, arguments.sequences_per_step, loss, metrics, arguments.tbptt, arguments.stateful
    )


def _shuffles_held_out(net: NetworkLike, loss: Loss | Custom, arguments: FitArguments) -> bool:
    """False for forecasts, whose sequences are in order of time and may overlap, as windows."""
    if arguments.validation_shuffle is not None:
        return arguments.validation_shuffle
    return not arguments.stateful and not (net.readout == "all" and not loss.labels)


def _check_stateful(rows: NDArray[np.intp], batch_size: int, name: str) -> None:
    if len(rows) % batch_size:
        raise ValueError(
            f"{name}: expected a multiple of batch_size={batch_size} sequences with stateful=True, "
            f"got {len(rows)}"
        )


def _best(arguments: FitArguments, validation: Validation | None) -> Best | None:
    rule = arguments.stopping()
    if rule is None or validation is None:
        return None
    known = ["loss", *validation.metrics]
    if rule.monitor not in known:
        raise ValueError(
            f"early_stopping: expected to monitor one of {', '.join(known)}, got {rule.monitor!r}"
        )
    return Best(rule)

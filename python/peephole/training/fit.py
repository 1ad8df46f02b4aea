"""Network.fit: from its arguments to a training."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from peephole.losses import Loss
from peephole.metrics import metrics_of
from peephole.options import draw_seed
from peephole.schedules import Schedule, schedule_of
from peephole.training.callbacks import Run, callbacks_of
from peephole.training.checkpoint import Checkpoint, Snapshot, require_same
from peephole.training.data import read_data
from peephole.training.history import History
from peephole.training.loop import Plan, Trainer
from peephole.training.loss import Custom, loss_of
from peephole.training.options import FitOptions
from peephole.training.sources import InMemory, Source, Stream, is_stream
from peephole.training.validation import Best, Part, Validation, hold_out

if TYPE_CHECKING:
    from peephole.network import Network


def fit(net: Network, x: Any, y: Any, options: FitOptions) -> History:
    """See Network.fit."""
    _check_network(net, options)
    loss = loss_of(options.loss, net.head, net.output_size)
    checkpoint, snapshot = _checkpoint(net, options)
    seed = draw_seed(options.seed) if snapshot is None else int(snapshot.notes["seed"])
    random = np.random.default_rng(seed)
    source, validation = _read(net, loss, x, y, options, random)
    settings = options.settings() | {"loss": loss.name, "data": source.describe()}
    if checkpoint is not None and snapshot is not None:
        require_same(checkpoint.path, settings, snapshot.notes["settings"])
    plan = Plan(
        source=source,
        loss=loss,
        learning_rate=options.learning_rate,
        schedule=_own_schedule(options),
        clip_norm=options.clip_norm,
        clip_value=options.clip_value,
        tbptt=options.tbptt,
        per_step=net.readout == "all",
        stateful=options.stateful,
        recompute=options.recompute,
        validation=validation,
        best=_best(options, validation),
        callbacks=callbacks_of(options.callbacks),
        checkpoint=checkpoint,
        settings=settings,
        seed=seed,
        progress=options.progress,
    )
    run = Run(net, options.make_optimiser(net.parameters), History(), options.epochs)
    trainer = Trainer(run, plan, random)
    if checkpoint is not None and snapshot is not None:
        try:
            trainer.restore(snapshot)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{checkpoint.path}: not a checkpoint of this training: {error}"
            ) from None
    return trainer.train()


def _own_schedule(options: FitOptions) -> Schedule | None:
    """A copy, which takes note of this training and leaves the caller's for the next one."""
    return None if options.schedule is None else copy.deepcopy(schedule_of(options.schedule))


def _check_network(net: Network, options: FitOptions) -> None:
    if not net.bidirectional:
        return
    for name in ("tbptt", "stateful"):
        if getattr(options, name):
            raise ValueError(
                f"{name}: expected none for a bidirectional network, which needs its sequences "
                f"whole, got {getattr(options, name)}"
            )


def _checkpoint(net: Network, options: FitOptions) -> tuple[Checkpoint | None, Snapshot | None]:
    if options.checkpoint is None:
        return None, None
    checkpoint = Checkpoint(options.checkpoint, options.checkpoint_every)
    return checkpoint, checkpoint.read(net) if options.resume else None


def _read(
    net: Network,
    loss: Loss | Custom,
    x: Any,
    y: Any,
    options: FitOptions,
    random: np.random.Generator,
) -> tuple[Source, Validation | None]:
    """What to train on and what to validate with."""
    size, missing = options.batch_size, options.missing
    validate: Part | None = None
    if options.validation_data is not None:
        x_held, y_held, lengths, weights = (*options.validation_data, None, None)[:4]
        try:
            held = read_data(net, loss, x_held, y_held, lengths, weights, missing)
        except (TypeError, ValueError) as error:
            raise type(error)(f"validation_data: {error}") from None
        validate = held, np.arange(len(held))
    if is_stream(x):
        for name, value in (
            ("y", y),
            ("lengths", options.lengths),
            ("sample_weight", options.sample_weight),
            ("validation_share", options.validation_share),
        ):
            if value is not None:
                raise ValueError(f"{name}: goes only with data in memory, not with batches as x")
        source: Source = Stream(x, net, loss, missing, options.epochs)
    else:
        data = read_data(net, loss, x, y, options.lengths, options.sample_weight, missing)
        rows = np.arange(len(data))
        if options.validation_share is not None:
            shuffle = _shuffles_held_out(net, loss, options)
            share = options.validation_share
            (data, rows), validate = hold_out(data, share, shuffle, random)
        if options.stateful:
            _check_stateful(rows, size, "x")
        shuffle = options.shuffle is not False and not options.stateful
        source = InMemory(data, rows, size, shuffle=shuffle, bucketing=options.bucketing)
    return source, _validation(loss, validate, options)


def _validation(
    loss: Loss | Custom, validate: Part | None, options: FitOptions
) -> Validation | None:
    metrics = metrics_of(options.metrics, loss.labels)
    if validate is None:
        if metrics:
            raise ValueError("metrics: goes only with validation_data or validation_share")
        return None
    data, rows = validate
    if options.stateful:
        _check_stateful(rows, options.batch_size, "validation_data")
    return Validation(
        data, rows, options.batch_size, loss, metrics, options.tbptt, options.stateful
    )


def _shuffles_held_out(net: Network, loss: Loss | Custom, options: FitOptions) -> bool:
    """Not of forecasts, whose sequences stand in the order of time, and overlap as windows do."""
    if options.validation_shuffle is not None:
        return options.validation_shuffle
    return not options.stateful and not (net.readout == "all" and not loss.labels)


def _check_stateful(rows: NDArray[np.intp], batch_size: int, name: str) -> None:
    if len(rows) % batch_size:
        raise ValueError(
            f"{name}: expected a multiple of batch_size={batch_size} sequences with stateful=True, "
            f"got {len(rows)}"
        )


def _best(options: FitOptions, validation: Validation | None) -> Best | None:
    rule = options.stopping()
    if rule is None or validation is None:
        return None
    known = ["loss", *validation.metrics]
    if rule.monitor not in known:
        raise ValueError(
            f"early_stopping: expected to monitor one of {', '.join(known)}, got {rule.monitor!r}"
        )
    return Best(rule)

"""Network.fit: sets a training up from the arguments, and runs it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from peephole._checks import path_text, seed_number
from peephole.losses import CTC, Loss
from peephole.metrics import metrics_of
from peephole.optim import Optimiser
from peephole.schedules import Schedule, schedule_of
from peephole.training.arguments import FitArguments
from peephole.training.callbacks import Run, callbacks_of
from peephole.training.class_weight import with_class_weight
from peephole.training.data.batches import read_data
from peephole.training.data.checks import require_finite, require_weight
from peephole.training.data.sources import IterableSource, MemorySource, Source, gives_batches
from peephole.training.early_stopping import Best
from peephole.training.hold_out import Part, hold_out
from peephole.training.keep.checkpoint import MASKS, Checkpoint, Snapshot, not_valid, under
from peephole.training.keep.history import History
from peephole.training.keep.settings import described, require_same
from peephole.training.loop import Trainer
from peephole.training.loss import Custom, kind_of_targets, loss_of
from peephole.training.protocol import NetworkLike
from peephole.training.setup import Setup
from peephole.training.validation import Validation


def fit(net: NetworkLike, x: Any, y: Any, arguments: FitArguments) -> History:
    """See Network.fit."""
    _check_network(net, arguments)
    loss = loss_of(arguments.loss, net.head, net.output_size)
    _check_loss(loss, arguments)
    checkpoint, snapshot = _checkpoint(net, arguments)
    seed = _seed(arguments, checkpoint, snapshot)
    random = np.random.default_rng(seed)
    held = _read_validation_data(net, loss, arguments)
    if gives_batches(x):
        source, part = _batches(net, loss, x, y, arguments), None
    else:
        source, part, held = _data(net, loss, x, y, arguments, random, held)
    loss = with_class_weight(loss, arguments.class_weight, net.output_size, part)
    validation = _validation(loss, held, arguments)
    optimiser = arguments.make_optimiser(net.parameters)
    own = isinstance(arguments.optimiser, Optimiser)
    rate = optimiser.learning_rate if own else arguments.learning_rate
    schedule = _own_schedule(arguments)
    settings: dict[str, Any] = {}
    if checkpoint is not None:
        settings = arguments.settings() | source.describe()
        settings |= {"learning_rate": rate, "trained": list(optimiser.parameters)}
        settings |= {"optimiser": optimiser, "schedule": schedule, "loss": loss}
        if validation is not None:
            settings["validation_data"] = validation.source.describe()
        settings = described(settings)
        if snapshot is not None:
            require_same(checkpoint.path, settings, snapshot.notes["settings"])
    setup = Setup(
        source=source,
        loss=loss,
        learning_rate=rate,
        schedule=schedule,
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
    run = Run(net, optimiser, History(), arguments.epochs)
    trainer = Trainer(run, setup, random)
    if checkpoint is not None and snapshot is not None:
        try:
            trainer.restore(snapshot)
        except ValueError as error:
            raise not_valid(checkpoint.path, error) from None
    try:
        return trainer.train()
    finally:
        if own and schedule is not None:
            optimiser.learning_rate = rate  # from which a schedule in the next `fit` starts


def _seed(arguments: FitArguments, checkpoint: Checkpoint | None, snapshot: Snapshot | None) -> int:
    """The seed; a resumed training has that of the checkpoint, which an int must agree with."""
    seed = seed_number(arguments.seed)
    if checkpoint is None or snapshot is None:
        return seed
    before = int(snapshot.notes["seed"])
    if arguments.seed is not None and not isinstance(arguments.seed, np.random.Generator):
        require_same(checkpoint.path, {"seed": seed}, {"seed": before})
    return before


def _own_schedule(arguments: FitArguments) -> Schedule | None:
    """A copy: its state changes in the training, while the caller's stays as it is."""
    return None if arguments.schedule is None else copy.deepcopy(schedule_of(arguments.schedule))


def _check_network(net: NetworkLike, arguments: FitArguments) -> None:
    quantization = net.options["quantization"]
    if quantization is not None:
        raise ValueError(
            f'a quantized model is for inference only, got quantization "{quantization}"'
        )
    if not net.bidirectional:
        return
    for name in ("tbptt", "stateful"):
        if getattr(arguments, name):
            raise ValueError(
                f"{name}: expected none for a bidirectional network, which needs its sequences "
                f"whole, got {getattr(arguments, name)}"
            )


def _check_loss(loss: Loss | Custom, arguments: FitArguments) -> None:
    if isinstance(loss, CTC) and arguments.tbptt is not None:
        raise ValueError(
            "tbptt: expected None with the loss ctc, which needs the outputs of whole sequences, "
            f"got {arguments.tbptt}"
        )


def _checkpoint(
    net: NetworkLike, arguments: FitArguments
) -> tuple[Checkpoint | None, Snapshot | None]:
    if arguments.checkpoint is None:
        return None, None
    path = path_text(arguments.checkpoint, "checkpoint")
    checkpoint = Checkpoint(path, arguments.checkpoint_every)
    if not arguments.resume:
        checkpoint.require_none()
        return checkpoint, None
    found = checkpoint.read()
    if found is None:
        return checkpoint, None
    options, snapshot = found
    require_same(checkpoint.path, net.options, options)
    masks, mine = under(MASKS, snapshot.tensors), net.masks
    if masks.keys() != mine.keys() or any(not np.array_equal(masks[k], mine[k]) for k in masks):
        raise ValueError(f"resume: expected the masks of {checkpoint.path}, got others")
    return checkpoint, snapshot


def _read_validation_data(
    net: NetworkLike, loss: Loss | Custom, arguments: FitArguments
) -> Part | IterableSource | None:
    given = arguments.validation_data
    if given is None:
        return None
    if gives_batches(given):
        return IterableSource(
            given,
            net,
            loss,
            arguments.missing,
            arguments.epochs,
            arguments.stateful,
            "validation_data",
        )
    x, y, lengths, weights = (*arguments.validation_data, None, None)[:4]
    try:
        data = read_data(net, loss, x, y, lengths, weights, arguments.missing)
        rows = np.arange(len(data))
        require_finite(data.inputs, rows, "x")
        require_weight(data.weights, rows, "the data")
    except (TypeError, ValueError) as error:
        raise type(error)(f"validation_data: {error}") from None
    return data, rows


def _batches(
    net: NetworkLike, loss: Loss | Custom, x: Any, y: Any, arguments: FitArguments
) -> Source:
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
    return IterableSource(x, net, loss, arguments.missing, arguments.epochs, arguments.stateful)


def _data(
    net: NetworkLike,
    loss: Loss | Custom,
    x: Any,
    y: Any,
    arguments: FitArguments,
    random: np.random.Generator,
    held: Part | IterableSource | None,
) -> tuple[Source, Part, Part | IterableSource | None]:
    """The source of batches of data in memory, what it trains on, and what is held out."""
    size = arguments.sequences_per_step
    data = read_data(net, loss, x, y, arguments.lengths, arguments.sample_weight, arguments.missing)
    rows = np.arange(len(data))
    if arguments.validation_share is not None:
        shuffle = False if arguments.stateful else None
        if arguments.validation_shuffle is not None:
            shuffle = arguments.validation_shuffle
        (data, rows), held = hold_out(data, arguments.validation_share, shuffle, random)
        require_finite(held[0].inputs, held[1], "x")
        require_weight(held[0].weights, held[1], "the sequences held out for validation")
    require_weight(data.weights, rows, "the sequences to train on")
    if arguments.stateful:
        _check_stateful(rows, size, "x")
    shuffle = arguments.shuffle is not False and not arguments.stateful
    source = MemorySource(data, rows, size, shuffle=shuffle, bucketing=arguments.bucketing)
    return source, (data, rows), held


def _validation(
    loss: Loss | Custom, validate: Part | IterableSource | None, arguments: FitArguments
) -> Validation | None:
    metrics = metrics_of(arguments.metrics, kind_of_targets(loss))
    if validate is None:
        if metrics:
            raise ValueError("metrics: allowed only with validation_data or validation_share")
        return None
    source: Source
    if isinstance(validate, IterableSource):
        source = validate
    else:
        data, rows = validate
        size = arguments.sequences_per_step
        if arguments.stateful:
            _check_stateful(rows, size, "validation_data")
        source = MemorySource(data, rows, size, shuffle=False, bucketing=False)
    return Validation(source, loss, metrics, arguments.tbptt, arguments.stateful)


def _check_stateful(rows: NDArray[np.intp], batch_size: int, name: str) -> None:
    if len(rows) % batch_size:
        raise ValueError(
            f"{name}: expected a multiple of batch_size={batch_size} sequences with stateful=True, "
            f"got {len(rows)}"
        )


def _best(arguments: FitArguments, validation: Validation | None) -> Best | None:
    rule = arguments.stopping()
    if validation is None:
        return None
    known = ["loss", *validation.metrics]
    if rule is not None and rule.monitor not in known:
        raise ValueError(
            f"early_stopping: expected to monitor one of {', '.join(known)}, got {rule.monitor!r}"
        )
    return Best(rule, keep=arguments.checkpoint is not None)

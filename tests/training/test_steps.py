"""Schedules and progress bars are told the number of steps that are made."""

import numpy as np
import pytest
from peephole import losses, schedules
from peephole.training import Callback, TrainingInterrupted
from support.fitting import INPUTS, network, quiet
from support.refusals import refused


class Told(schedules.Schedule):
    """Records the arguments of its calls; copies share the list."""

    def __init__(self):
        self.calls = []

    def __deepcopy__(self, memo):
        return self

    def factor(self, step, steps=None):
        self.calls.append((step, steps))
        return 1.0

    def check(self):
        """The steps are counted without gaps, and the last one is the last of the number told."""
        asked = self.calls[1:]  # the first call is before the training
        assert [step for step, _ in asked] == list(range(len(asked)))
        assert {steps for _, steps in self.calls} == {len(asked)}


LENGTHS = [40, 5, 5, 5, 17, 3, 0, 9, 21, 1, 5, 5, 12]


def ragged(rng):
    return [rng.standard_normal((length, INPUTS)) for length in LENGTHS]


ORDERS = {
    "shuffled": {},
    "in order": {"shuffle": False},
    "in buckets": {"bucketing": True},
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("batch_size", [1, 4, 100])
@pytest.mark.parametrize("tbptt", [None, 1, 5, 8, 1000])
def test_ragged(tbptt, batch_size, order, rng):
    x, told = ragged(rng), Told()
    y = [s[:, 0] for s in x]
    net = network("identity", "all", 1)
    options = {"tbptt": tbptt, "batch_size": batch_size, **ORDERS[order]}
    quiet(net, x, y, epochs=3, schedule=told, **options)
    told.check()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", ["gaps", "weights", "weights of steps", "ignored", "custom"])
@pytest.mark.parametrize("readout", ["all", "last"])
def test_batches_and_pieces_without_a_term(readout, kind, order, rng):
    x, told, n = rng.standard_normal((9, 12, INPUTS)), Told(), 9
    shape = (9, 12) if readout == "all" else (9,)
    y, options = rng.standard_normal((*shape, 1)), {}
    head, outputs = "identity", 1
    lengths = rng.integers(1, 13, 9)
    few = rng.random(shape) < 0.1
    if kind == "gaps":
        y[~few] = np.nan
        options = {"missing": "skip"}
    elif kind == "weights":
        options = {"sample_weight": (np.arange(n) % 3 == 0).astype(float)}
    elif kind == "weights of steps":
        few.flat[0] = True
        options = {"sample_weight": few.astype(float)}
    elif kind == "ignored":
        head, outputs = "softmax", 3
        y = np.where(few, 1, -1)
        y[0] = 2
        options = {"loss": losses.CrossEntropy([1.0, 2.0, 0.0], ignore_label=-1)}
    else:
        options = {"loss": lambda y_pred, y_true, lengths: (1.0, y_pred)}
    net = network(head, readout, outputs)
    quiet(
        net,
        x,
        y,
        lengths=lengths,
        epochs=3,
        batch_size=2,
        tbptt=3,
        schedule=told,
        **ORDERS[order],
        **options,
    )
    told.check()


def test_of_what_is_not_held_out(rng):
    x, told = ragged(rng), Told()
    x = [s for s in x if len(s)]
    y = [rng.integers(0, 4, len(s)) for s in x]
    quiet(network("softmax", "all"), x, y, tbptt=4, schedule=told, validation_share=0.3)
    told.check()


def test_a_training_without_a_term_has_a_schedule():
    x, y = np.zeros((4, 3, INPUTS)), np.full((4, 1), np.nan)
    net = network("identity", "last", 1)
    quiet(net, x, y, missing="skip", schedule=schedules.Cosine())


@pytest.mark.parametrize("order", ORDERS)
def test_cosine_comes_to_its_end(order, rng):
    x = [rng.standard_normal((k, INPUTS)) for k in [400] + [50] * 31]
    history = quiet(
        network("identity", "all", 1),
        x,
        [s[:, 0] for s in x],
        epochs=4,
        batch_size=1,
        tbptt=50,
        learning_rate=1.0,
        clip_norm=1e-9,
        schedule=schedules.Cosine(),
        **ORDERS[order],
    )
    assert 0 < history.learning_rate[-1] < 1e-3


def test_resumed(rng, tmp_path):
    """Told the same number after an interruption as without one."""
    x = ragged(rng)
    y = [s[:, 0] for s in x]

    class Interrupt(Callback):
        def on_step(self, run):
            if run.step == 11:
                raise KeyboardInterrupt

    options = {"tbptt": 5, "batch_size": 2, "epochs": 3, "checkpoint": tmp_path / "c"}
    first, rest = Told(), Told()
    with pytest.raises(TrainingInterrupted):
        quiet(
            network("identity", "all", 1), x, y, schedule=first, callbacks=[Interrupt()], **options
        )
    quiet(network("identity", "all", 1), x, y, schedule=rest, resume=True, **options)
    first.calls += rest.calls[1:]  # without the question before the resumed training
    first.check()


def test_progress_bar(rng, monkeypatch):
    import tqdm

    bars, made = [], tqdm.tqdm

    def keep(*args, **options):
        bars.append(made(*args, **options))
        return bars[-1]

    for module in (tqdm, __import__("tqdm.auto").auto):
        monkeypatch.setattr(module, "tqdm", keep)
    x = ragged(rng)
    net = network("identity", "all", 1)
    quiet(net, x, [s[:, 0] for s in x], tbptt=5, batch_size=1, progress=True)
    assert bars[0].n == bars[0].total == 2 * sum(-(-length // 5) for length in LENGTHS)


class Batches:
    """An iterable of known length that is no list."""

    def __init__(self, *batches):
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        return iter(self.batches)


def test_iterables_of_known_number(rng):
    x, told = rng.standard_normal((2, 5, INPUTS)), Told()
    net = network("identity", "last", 1)
    quiet(net, Batches(*[(x, np.zeros((2, 1)))] * 3), None, schedule=told, tbptt=2)
    told.check()
    net, batches = network("identity", "all", 1), Batches((x, np.zeros((2, 5))))
    with refused(ValueError, "steps"):
        quiet(net, batches, None, schedule=schedules.Cosine(), tbptt=2)

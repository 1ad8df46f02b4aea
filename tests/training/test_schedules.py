"""Schedules: against PyTorch's, alone and in fit."""

import math

import numpy as np
import pytest
from peephole import schedules
from support.fitting import network, quiet
from support.refusals import refused

STEPS = 60
X, Y = np.zeros((12, 7, 3)), np.zeros(12, int)


def torchs(make):
    """The learning rates of a PyTorch scheduler from a rate of 1, before each step."""
    torch = pytest.importorskip("torch")
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(torch.optim.lr_scheduler, optimiser)
    for _ in range(STEPS):
        yield optimiser.param_groups[0]["lr"]
        optimiser.step()
        scheduler.step()


def ours(schedule, steps=None):
    return [schedule.factor(step, steps) for step in range(STEPS)]


class TestAgainstTorch:
    def test_cosine(self):
        theirs = torchs(lambda all, o: all.CosineAnnealingLR(o, STEPS, eta_min=0.1))
        expected = pytest.approx(list(theirs), abs=1e-12)
        assert ours(schedules.Cosine(floor=0.1), STEPS) == expected
        assert ours(schedules.Cosine(STEPS, floor=0.1)) == expected

    def test_step(self):
        theirs = torchs(lambda all, o: all.StepLR(o, 7, gamma=0.5))
        assert ours(schedules.Step(7, 0.5)) == pytest.approx(list(theirs), rel=1e-12)

    def test_one_cycle(self):
        options = {"pct_start": 0.4, "div_factor": 10, "final_div_factor": 100}
        theirs = torchs(lambda all, o: all.OneCycleLR(o, 1.0, total_steps=STEPS + 1, **options))
        schedule = schedules.OneCycle(STEPS + 1, rise=0.4, start=0.1, end=1e-3)
        assert ours(schedule) == pytest.approx(list(theirs), rel=1e-9)

    def test_plateau(self, rng):
        torch = pytest.importorskip("torch")
        optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        options = {"factor": 0.3, "patience": 2, "threshold": 0.05}
        theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, min_lr=0.01, **options)
        schedule = schedules.ReduceOnPlateau(**options, floor=0.01)
        factors = []
        for loss in np.repeat(rng.uniform(0.5, 1, 20), 3) * np.linspace(1, 0.5, STEPS):
            assert schedule.factor(0) == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-12)
            factors.append(schedule.factor(0))
            theirs.step(loss)
            schedule.observe(loss)
        assert len(set(factors)) > 3


class TestAlone:
    def test_constant(self):
        assert ours(schedules.Constant()) == [1.0] * STEPS

    def test_ends_where_it_should(self):
        assert schedules.Cosine(10).factor(10) == schedules.Cosine(10).factor(99) == 0
        cycle = schedules.OneCycle(10, rise=0.3, start=0.1, end=0.01)
        assert cycle.factor(0) == pytest.approx(0.1)
        assert cycle.factor(2) == pytest.approx(1.0)
        assert cycle.factor(9) == cycle.factor(99) == pytest.approx(0.01)

    @pytest.mark.parametrize("steps", [1, 2, 3])
    def test_short_trainings(self, steps):
        for schedule in (schedules.Cosine(), schedules.OneCycle(), schedules.WarmUp(5)):
            for step in range(steps):
                assert 0 <= schedule.factor(step, steps) <= 1

    def test_warm_up(self):
        warm = schedules.WarmUp(4, schedules.Cosine())
        assert ours(warm, STEPS)[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
        assert ours(warm, STEPS)[4:] == ours(schedules.Cosine(), STEPS - 4)[: STEPS - 4]

    def test_state(self):
        first = schedules.WarmUp(2, schedules.ReduceOnPlateau(0.5, patience=0))
        for loss in (1.0, 2.0, 3.0):
            first.observe(loss)
        second = schedules.WarmUp(2, schedules.ReduceOnPlateau(0.5, patience=0))
        second.set_state(first.state())
        assert second.factor(2) == first.factor(2) == 0.25
        second.observe(0.5)
        assert first.state()["best"] == 1.0


class TestInFit:
    def test_the_rate_of_each_step(self):
        net, rates = network(), []

        def take_down(run):
            rates.append(run.optimiser.learning_rate)

        quiet(
            net, X, Y, epochs=4, learning_rate=0.1, schedule=schedules.Cosine(), callbacks=take_down
        )
        of_the_last = [0.05 * (1 + math.cos(math.pi * step / 12)) for step in (2, 5, 8, 11)]
        assert rates == pytest.approx(of_the_last, rel=1e-12)

    def test_history_has_it(self):
        history = quiet(
            network(), X, Y, epochs=3, learning_rate=0.1, schedule=lambda step: 0.9**step
        )
        assert history.learning_rate == pytest.approx([0.1 * 0.9 ** (3 * k + 2) for k in range(3)])

    def test_plateau_follows_validation(self):
        """A validation loss that grows: halved after each epoch from the second."""
        net = network("identity", "last")
        y = np.zeros((12, 4))
        history = quiet(
            net,
            X,
            y,
            epochs=4,
            batch_size=12,
            learning_rate=0.1,
            schedule=schedules.ReduceOnPlateau(0.5, patience=0),
            validation_data=(X, y + np.sign(net.predict(X[:1])) * 100),
        )
        assert history.validation["loss"] == sorted(history.validation["loss"])
        assert history.learning_rate == pytest.approx([0.1, 0.1, 0.05, 0.025])

    def test_unknown_number_of_steps(self):
        net = network()
        with refused(ValueError, "steps"):
            quiet(net, lambda: iter([(X, Y)]), None, schedule=schedules.Cosine())
        quiet(net, lambda: iter([(X, Y)]), None, schedule=schedules.Cosine(10))


@pytest.mark.parametrize(
    ("error", "argument", "make"),
    [
        (ValueError, "steps", lambda: schedules.Cosine(0)),
        (TypeError, "steps", lambda: schedules.Cosine(1.5)),
        (ValueError, "floor", lambda: schedules.Cosine(floor=2)),
        (ValueError, "every", lambda: schedules.Step(0)),
        (ValueError, "factor", lambda: schedules.Step(3, 0.0)),
        (ValueError, "rise", lambda: schedules.OneCycle(rise=-0.1)),
        (ValueError, "start", lambda: schedules.OneCycle(start=0)),
        (ValueError, "patience", lambda: schedules.ReduceOnPlateau(patience=-1)),
        (ValueError, "factor", lambda: schedules.ReduceOnPlateau(factor=1.5)),
        (ValueError, "steps", lambda: schedules.WarmUp(0)),
        (TypeError, "then", lambda: schedules.WarmUp(3, "cosine")),
        (TypeError, "schedule", lambda: quiet(network(), X, Y, schedule="cosine")),
        (TypeError, "schedule", lambda: quiet(network(), X, Y, schedule=schedules.Cosine)),
    ],
)
def test_bad_input(error, argument, make):
    with refused(error, argument):
        make()

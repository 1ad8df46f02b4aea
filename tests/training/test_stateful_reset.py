"""Stateful training in which some sequences of a batch start again from zeros."""

from collections import deque

import numpy as np
import pytest
from support.fitting import INPUTS, OUTPUTS, StopAfter, network, quiet, values_of
from support.refusals import refused

BATCHES, B, TIME = 3, 4, 6


@pytest.fixture
def parts(rng):
    """(x, y) of each batch."""
    return [
        (rng.standard_normal((B, TIME, INPUTS)), rng.standard_normal((B, TIME, OUTPUTS)))
        for _ in range(BATCHES)
    ]


def train(parts, resets, **options):
    batches = [(x, y, None, None, r) for (x, y), r in zip(parts, resets, strict=True)]
    net = network("identity", "all")
    quiet(net, lambda: iter(batches), None, stateful=True, **options)
    return values_of(net)


@pytest.mark.parametrize("tbptt", [None, 4])
def test_all_sequences(parts, tbptt):
    """With a reset of all, it is training that is not stateful."""
    net = network("identity", "all")
    quiet(net, lambda: iter(parts), None, tbptt=tbptt)
    every = [np.ones(B, bool)] * BATCHES
    np.testing.assert_equal(train(parts, every, tbptt=tbptt), values_of(net))


def test_no_sequence(parts):
    none = [None, np.zeros(B, bool), None]
    np.testing.assert_equal(train(parts, none), train(parts, [None] * BATCHES))


def test_some_sequences(parts):
    """Each sequence is independent of the resets of others; only the mean joins them."""
    net = network("identity", "all")
    reset = np.array([True, False, False, True])
    losses = []

    def predicted(y_pred, y_true, lengths):
        losses.append(y_pred.copy())
        return 0.0, np.zeros_like(y_pred)

    batches = [(x, y, None, None, reset) for x, y in parts]
    quiet(net, lambda: iter(batches), None, epochs=1, stateful=True, loss=predicted)
    state = None
    for (x, _), found in zip(parts, losses, strict=True):
        if state is not None:
            state = tuple(
                (np.where(reset[:, None], 0, h), np.where(reset[:, None], 0, c)) for h, c in state
            )
        expected, state = net(x, state)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_resumed(parts, step, tmp_path):
    resets = [None, np.array([True, False] * 2), np.array([False, True] * 2)]
    options = {"tbptt": 4, "checkpoint": tmp_path / "run"}
    train(parts, resets, callbacks=StopAfter(step), **options)
    np.testing.assert_equal(
        train(parts, resets, resume=True, **options), train(parts, resets, tbptt=4)
    )


@pytest.mark.parametrize("reset", [np.ones(B), np.ones(B - 1, bool), True])
def test_wrong_ones(parts, reset):
    with refused(ValueError, "reset", "in batch 1"):
        train(parts, [reset] * BATCHES)


def test_only_if_stateful(parts):
    batches = [(x, y, None, None, np.ones(B, bool)) for x, y in parts]
    with refused(ValueError, "reset"):
        quiet(network("identity", "all"), lambda: iter(batches), None)


class TestValidation:
    """Batches to validate with are carried on and reset as those to train on."""

    def predicted(self, parts, resets, tbptt=None):
        """The predictions of one validation, by the network's first weights."""
        found = []

        def loss(y_pred, y_true, lengths):
            found.append(y_pred.copy())
            return 0.0, np.zeros_like(y_pred)

        held = [(x, y, None, None, r) for (x, y), r in zip(parts, resets, strict=True)]
        net = network("identity", "all")
        options = {"epochs": 1, "stateful": True, "loss": loss, "tbptt": tbptt}
        quiet(net, lambda: iter(parts[:1]), None, validation_data=deque(held), **options)
        pieces = 1 if tbptt is None else -(-TIME // tbptt)
        return np.concatenate(found[pieces:], axis=1)

    @pytest.mark.parametrize("tbptt", [None, 4])
    def test_some_sequences(self, parts, tbptt):
        reset = np.array([True, False, False, True])
        found = self.predicted(parts, [reset, None, reset], tbptt)
        net = network("identity", "all")
        rows = np.arange(B)
        for k in rows:
            x = [part[k] for part, _ in parts]
            expected, state = [], None
            for number, steps in enumerate(x):
                if number == 2 and reset[k]:
                    state = None
                y, state = net(steps, state)
                expected.append(y)
            np.testing.assert_array_equal(found[k], np.concatenate(expected))

    def test_batches_of_different_sizes(self, parts):
        (x, y), *_ = parts
        held = [(x, y), (x[:-1], y[:-1])]
        with refused(ValueError, "validation_data", f"got {B - 1} sequences (batch 2 of 2)"):
            options = {"validation_data": deque(held), "stateful": True}
            quiet(network("identity", "all"), lambda: iter(parts), None, **options)

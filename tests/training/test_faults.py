"""A loss or a gradient that is not finite: the error message, and the network afterwards."""

import math

import numpy as np
import pytest
from peephole import optim
from peephole.training import load_checkpoint, loop
from support.fitting import GOOD_LABELS, GOOD_X, INPUTS, OUTPUTS, N, T, network, quiet, values_of
from support.refusals import refused


def test_loss_that_overflows(rng):
    x, y = rng.standard_normal((N, T, INPUTS)), np.full((N, OUTPUTS), 1e30)
    net = network("identity", "last", dtype="float32")
    before = values_of(net)
    with pytest.raises(
        FloatingPointError,
        match=r"loss is inf at step 1 \(epoch 1, batch 1 of 3\): .*; the weights are those",
    ):
        quiet(net, x, y)
    np.testing.assert_equal(values_of(net), before)


def test_loss_that_becomes_not_finite(rng):
    """The network keeps the steps before the one that failed; the message names the sequence."""
    x = rng.standard_normal((6, T, INPUTS))
    x[4, 3, 1] = math.nan
    y = rng.standard_normal((6, OUTPUTS))
    net, twin = network("identity"), network("identity")
    with pytest.raises(
        FloatingPointError, match=r"loss is nan at step .*: x holds nan in sequence 4; the weights"
    ) as raised:
        quiet(net, x, y, batch_size=1, seed=8)
    steps = int(str(raised.value).split("step ")[1].split()[0]) - 1
    assert 0 < steps < 6
    order = np.random.default_rng(8).permutation(6)
    assert order[steps] == 4
    optimiser = optim.Adam(twin.parameters)
    for row in order[:steps]:
        out, _, tape = twin.forward(x[row : row + 1])
        gradients = twin.backward(tape, 2 * (out - y[row]) / OUTPUTS)
        optim.clip_norm(gradients, 1.0)
        optimiser.step(gradients)
    for name in net.parameters:
        np.testing.assert_allclose(net.parameters[name], twin.parameters[name], rtol=1e-9)


def test_padding_is_not_at_fault(rng):
    x = rng.standard_normal((2, T, INPUTS))
    x[0, 4:] = math.nan
    x[1, 2] = math.inf
    with pytest.raises(FloatingPointError, match="x holds inf in sequence 1"):
        quiet(network("identity", "all"), x, np.zeros((2, T, OUTPUTS)), lengths=[4, T])


@pytest.mark.parametrize("name", ["weight_hh_l0", "bias_l0", "head.weight"])
def test_a_parameter_at_fault(name):
    net = network()
    net.parameters[name].flat[3] = math.nan
    with pytest.raises(FloatingPointError, match=f"parameter {name} held nan before the step"):
        quiet(net, GOOD_X, GOOD_LABELS)


def test_a_gradient_at_fault(monkeypatch):
    """A value that the norm or clipping would hide is found too."""

    def spoil(gradients, max_norm):
        gradients["bias_l0"][2] = math.inf
        return math.inf

    monkeypatch.setattr(loop.core, "clip_norm", spoil)
    net = network()
    before = values_of(net)
    with pytest.raises(
        FloatingPointError, match=r"norm is inf at step 1 .*: the gradient of bias_l0 is the first"
    ):
        quiet(net, GOOD_X, GOOD_LABELS, clip_value=1.0)
    np.testing.assert_equal(values_of(net), before)


def test_a_function_at_fault():
    net = network("identity", "last")
    before = values_of(net)
    with pytest.raises(FloatingPointError, match="function returned the loss nan at step 1"):
        quiet(net, GOOD_X, GOOD_LABELS, loss=lambda y, t, n: (math.nan, 0 * y))
    np.testing.assert_equal(values_of(net), before)


def test_the_checkpoint_is_from_before(rng, tmp_path):
    """It has the last good step, so a training with corrected data can start from it."""
    x = rng.standard_normal((6, T, INPUTS))
    y = rng.standard_normal((6, OUTPUTS))
    spoilt = x.copy()
    spoilt[4] = math.nan
    net = network("identity")
    options = {"batch_size": 1, "checkpoint": tmp_path / "run", "checkpoint_every": 60, "seed": 8}
    with pytest.raises(FloatingPointError):
        quiet(net, spoilt, y, **options)
    np.testing.assert_equal(values_of(load_checkpoint(tmp_path / "run")), values_of(net))
    with refused(ValueError, "resume", "expected x to be that of"):
        quiet(net, x, y, resume=True, **options)
    options["checkpoint"] = tmp_path / "other"
    history = quiet(load_checkpoint(tmp_path / "run"), x, y, **options)
    assert np.isfinite(history.loss).all()

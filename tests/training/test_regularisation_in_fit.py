"""Dropout, recurrent dropout and zoneout in `Network.fit`."""

import numpy as np
import peephole
import pytest
from support.tolerances import (
    assert_identical,
)

ALL = {"dropout": 0.3, "recurrent_dropout": 0.2, "zoneout": 0.25}


@pytest.fixture
def data(rng):
    x = rng.standard_normal((24, 10, 2)).astype(np.float32)
    return x, x[..., :1].cumsum(axis=1)


OPTIONS = {"epochs": 2, "batch_size": 8, "progress": False}


def test_fit_draws_by_its_seed(data):
    def trained(seed, rates=ALL):
        net = peephole.Network(2, 5, 1, seed=0, **rates)
        net.fit(*data, seed=seed, **OPTIONS)
        return np.array(net.parameters["weight_hh_l0"])

    assert_identical(trained(1), trained(1))
    assert (trained(1) != trained(2)).any()
    # The same batches, so that what is drawn alone makes the difference.
    assert (trained(1) != trained(1, {})).any()


def test_fit_validates_without_noise(data):
    net = peephole.Network(2, 5, 1, seed=0, **ALL)
    history = net.fit(*data, validation_data=data, seed=0, **OPTIONS)
    error = np.mean((net.predict(data[0]) - data[1]) ** 2)
    np.testing.assert_allclose(history.validation["loss"][-1], error, rtol=1e-5)


@pytest.mark.parametrize("more", [{}, {"tbptt": 4}])
def test_a_training_that_is_resumed_draws_the_same(data, tmp_path, more):
    def stop(run):
        raise KeyboardInterrupt

    nets = [peephole.Network(2, 5, 1, seed=0, **ALL) for _ in range(2)]
    keywords = {**OPTIONS, **more, "seed": 3}
    nets[0].fit(*data, **keywords)
    path = tmp_path / "training.checkpoint"
    with pytest.raises(peephole.training.TrainingInterrupted):
        nets[1].fit(*data, **keywords, callbacks=[stop], checkpoint=path)
    nets[1].fit(*data, **keywords, checkpoint=path, resume=True)
    for name in nets[0].parameters:
        assert_identical(nets[1].parameters[name], nets[0].parameters[name], name)

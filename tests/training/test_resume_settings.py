"""What must be the same when a training is resumed, and what may differ."""

import numpy as np
import peephole
import pytest
from peephole import losses, optim, schedules
from peephole.training import EarlyStopping
from peephole.training.data import fingerprint as fingerprints
from support.fitting import INPUTS, OUTPUTS, N, T, network, quiet, ragged, values_of
from support.refusals import refused

BASE = {
    "validation_share": 0.25,
    "metrics": ["mae"],
    "optimiser": lambda p, rate: optim.Adam(p, rate, betas=(0.8, 0.9)),
    "schedule": schedules.WarmUp(3, schedules.Step(5)),
    "loss": losses.Huber(0.5),
    "early_stopping": EarlyStopping(2),
    "sample_weight": np.ones(N),
}


@pytest.fixture
def data(rng):
    return rng.standard_normal((N, T, INPUTS)), rng.standard_normal((N, OUTPUTS))


def net():
    return network("identity", "last")


def start(data, path, **options):
    return quiet(net(), *data, checkpoint=path, **{**BASE, **options})


def resume_refused(says, data, path, **options):
    model = net()
    before = values_of(model)
    with refused(ValueError, "resume", says):
        quiet(model, *data, checkpoint=path, resume=True, **{**BASE, **options})
    np.testing.assert_equal(values_of(model), before)


@pytest.mark.parametrize(
    ("says", "options"),
    [
        ("expected seed to be that of", {"seed": 2}),
        ("expected clip_norm to be", {"clip_norm": 0.5}),
        ("expected clip_value to be", {"clip_value": 0.5}),
        ("expected learning_rate to be", {"learning_rate": 0.5}),
        ("expected shuffle to be", {"shuffle": False}),
        ("expected validation_share to be", {"validation_share": 0.5}),
        ("expected validation_shuffle to be", {"validation_shuffle": False}),
        ("expected metrics to be", {"metrics": ["r2"]}),
        ("expected optimiser to be", {"optimiser": "sgd"}),
        ("expected optimiser.beta1 to be", {"optimiser": "adam"}),
        ("expected schedule to be", {"schedule": None}),
        ("expected schedule to be", {"schedule": schedules.Cosine()}),
        ("expected schedule.steps to be", {"schedule": schedules.WarmUp(4, schedules.Step(5))}),
        (
            "expected schedule.then.every to be",
            {"schedule": schedules.WarmUp(3, schedules.Step(6))},
        ),
        ("expected loss to be", {"loss": "mse"}),
        ("expected loss.", {"loss": losses.Huber(0.6)}),
        ("early_stopping.min_delta", {"early_stopping": EarlyStopping(2, min_delta=0.1)}),
        ("early_stopping.monitor", {"early_stopping": EarlyStopping(2, monitor="mae")}),
        ("expected trained to be", {"frozen": "head.*"}),
        ("expected sample_weight to be", {"sample_weight": np.full(N, 2.0)}),
        ("expected sample_weight to be", {"sample_weight": None}),
    ],
)
def test_other_arguments(says, options, data, tmp_path):
    start(data, tmp_path / "run")
    resume_refused(says, data, tmp_path / "run", **options)


def test_the_message_has_both_values(data, tmp_path):
    start(data, tmp_path / "run")
    resume_refused("run, 1.0, got 0.5", data, tmp_path / "run", clip_norm=0.5)


@pytest.mark.parametrize("which", [0, 1])
def test_other_data_of_the_same_size(which, data, tmp_path):
    start(data, tmp_path / "run")
    other = [array.copy() for array in data]
    other[which].flat[7] += 1
    resume_refused(f"expected {'xy'[which]} to be", other, tmp_path / "run")


@pytest.mark.parametrize("which", [0, 1])
def test_other_validation_data(which, data, tmp_path):
    held = [array[:4].copy() for array in data]
    options = {"validation_share": None, "validation_data": held}
    start(data, tmp_path / "run", **options)
    held[which].flat[3] += 1
    resume_refused(
        f"expected validation_data.{'xy'[which]} to be", data, tmp_path / "run", **options
    )


@pytest.mark.parametrize(
    ("says", "options"),
    [
        ("expected hidden_size to be", {"hidden_size": 6}),
        ("expected dropout to be", {"dropout": 0.5}),
        ("expected activations[0].f to be", {"activations": {"f": "hard_sigmoid"}}),
        ("expected dtype to be", {"dtype": "float32"}),
    ],
)
def test_other_models(says, options, data, tmp_path):
    start(data, tmp_path / "run")
    options = {"hidden_size": 5, "dtype": "float64", "readout": "last", **options}
    other = peephole.Network(INPUTS, output_size=OUTPUTS, **options)
    with refused(ValueError, "resume", says):
        quiet(other, *data, checkpoint=tmp_path / "run", resume=True, **BASE)


def test_another_function_as_schedule(data, tmp_path):
    start(data, tmp_path / "run", schedule=lambda step: 1 / (1 + step))
    options = {**BASE, "schedule": lambda step: 1 / (2 + step)}
    with pytest.raises(ValueError, match=r"expected a schedule that gives .* for step"):
        quiet(net(), *data, checkpoint=tmp_path / "run", resume=True, **options)
    options["schedule"] = lambda step: 1 / (1 + step)
    quiet(net(), *data, checkpoint=tmp_path / "run", resume=True, **options)


def test_what_may_differ(data, tmp_path):
    """Same values in other types or arrays, other objects of the same settings, more epochs."""
    start(data, tmp_path / "run", batch_size=np.int64(5), clip_norm=np.float64(1.0))
    other = {
        "schedule": schedules.WarmUp(3, schedules.Step(5)),
        "loss": losses.Huber(0.5),
        "recompute": True,
        "epochs": 3,
        "early_stopping": None,
        "seed": np.random.default_rng(0),
        "sample_weight": [1] * N,
    }
    x, y = data
    options = {**BASE, **other}
    quiet(
        net(), np.asfortranarray(x), y.copy(), checkpoint=tmp_path / "run", resume=True, **options
    )


def test_padding_does_not_count(tmp_path, rng):
    x, y = rng.standard_normal((N, T, INPUTS)), rng.standard_normal((N, T, OUTPUTS))
    lengths = rng.integers(1, T, N)
    options = {"checkpoint": tmp_path / "run", "lengths": lengths}
    quiet(network("identity", "all"), x, y, **options)
    for k, length in enumerate(lengths):
        x[k, length:], y[k, length:] = 7, np.nan
    quiet(network("identity", "all"), x, y, resume=True, **options)
    lengths[3] -= 1
    with refused(ValueError, "resume", "expected x to be"):
        quiet(network("identity", "all"), x, y, resume=True, **options)


@pytest.mark.parametrize("shape", [(100, 30), (1, 3000)])
def test_large_data_is_sampled(shape, monkeypatch, rng):
    monkeypatch.setattr(fingerprints, "_MOST_VALUES", 1000)
    model = network("identity", "all")
    x, y = rng.standard_normal((*shape, INPUTS)), rng.standard_normal((*shape, OUTPUTS))

    def of(x, y):
        loss = losses.MeanSquaredError()
        data = fingerprints.Data(*map_data(model, loss, x, y))
        return fingerprints.fingerprint(data, np.arange(len(x)))

    first = of(x, y)
    assert first == of(x.copy(), y.copy())
    x[-1] += 1
    assert of(x, y)["x"] != first["x"]
    assert of(x, y)["y"] == first["y"]


def map_data(model, loss, x, y):
    from peephole.training.data.batches import read_data

    return read_data(model, loss, x, y)


def test_more_patience_continues(tmp_path, rng):
    """It equals a training that had the larger patience from the start."""
    x, y = ragged(rng), rng.integers(0, OUTPUTS, N)
    options = {
        "validation_data": (x, rng.permutation(y)),
        "epochs": 30,
        "learning_rate": 0.1,
        "checkpoint": tmp_path / "run",
    }
    first = quiet(network(), x, y, early_stopping=1, **options)
    assert first.stopped == "early"
    longer, twin = network(), network()
    history = quiet(longer, x, y, early_stopping=4, resume=True, **options)
    assert len(history) > len(first)
    options["checkpoint"] = tmp_path / "twin"
    assert quiet(twin, x, y, early_stopping=4, **options) == history
    np.testing.assert_equal(values_of(longer), values_of(twin))


def test_a_short_stateful_batch(rng):
    x, y = rng.standard_normal((5, 6, INPUTS)), rng.standard_normal((5, 6, OUTPUTS))
    batches = [(x[:3], y[:3]), (x[3:], y[3:])]
    with refused(ValueError, "x", "expected batches of 3 sequences, as before, since stateful"):
        quiet(network("identity", "all"), lambda: iter(batches), None, stateful=True)

"""Checkpoint files: what is refused, before anything is made or changed."""

import copy
import json
import random
import sys

import numpy as np
import peephole
import pytest
from peephole import _core as core
from peephole.training import load_checkpoint
from peephole.training.keep.checkpoint import _digest
from support.fitting import OUTPUTS, StopAfter, network, quiet, values_of
from support.refusals import bounded_memory

MASKS = {"weight_hh_l0": np.eye(20, 5, dtype=bool)}
# Values of any type, to put in the place of any other.
JUNK = [None, True, -1, 0, 3, 2**70, 1.5, float("nan"), "", "x", [], [[]], {}, {"a": 1}]
FILES = 300


def parts(path):
    """(tensors, options, notes) of a checkpoint."""
    tensors, metadata = core.read_tensors(str(path))
    return tensors, json.loads(metadata["options"]), json.loads(metadata["notes"])


def forge(path, tensors, options, notes, **others):
    """A checkpoint with this content, whose digest is right."""
    texts = {"options": json.dumps(options), "notes": json.dumps(notes)}
    metadata = {"format": "peephole-training", "version": "2", **texts, **others}
    core.write_tensors(str(path), tensors, {**metadata, "digest": _digest(texts, tensors)})


class Training:
    """A training in the middle of an epoch, with state of every kind, and how to resume it."""

    def __init__(self, folder, rng):
        self.path = folder / "run"
        x = rng.standard_normal((8, 9, 3))
        y = rng.standard_normal((8, 9, OUTPUTS))
        self.data = x, y
        self.options = {
            "epochs": 4,
            "batch_size": 4,
            "tbptt": 4,
            "stateful": True,
            "validation_data": (x, y),
            "metrics": "mae",
            "early_stopping": 3,
            "schedule": peephole.schedules.ReduceOnPlateau(),
            "checkpoint": self.path,
        }
        quiet(self.net(), x, y, callbacks=StopAfter(11), **self.options)
        self.whole = self.path.read_bytes()
        self.expected = values_of(load_checkpoint(self.path))

    def net(self):
        return network("identity", "all", masks=MASKS)

    def resume(self, net):
        return quiet(net, *self.data, resume=True, **self.options)

    def check(self):
        """Both readers refuse the file, naming it and changing nothing; or it can be used."""
        net = self.net()
        before = values_of(net)
        refusals = [self.refuses(lambda: load_checkpoint(self.path))]
        refusals.append(self.refuses(lambda: self.resume(net)))
        if refusals[1]:
            np.testing.assert_equal(values_of(net), before)
        return sum(refusals)

    def refuses(self, read):
        try:
            with bounded_memory(gigabytes=1):
                read()
        except ValueError as error:
            assert type(error) is ValueError
            assert str(self.path) in str(error)
            return True
        return False


@pytest.fixture
def training(tmp_path, rng):
    return Training(tmp_path, rng)


def test_the_state_has_every_kind(training):
    tensors, _, notes = parts(training.path)
    assert {name.split("/")[0] for name in tensors if "/" in name} == {
        "masks",
        "optimiser",
        "best",
        "carry",
    }
    assert notes["position"]["piece"] > 0
    assert training.check() == 0


def test_any_change_of_the_bytes_is_noticed(training):
    """Some flips change nothing of the content, such as one in a bool; the result is the same."""
    chance = random.Random(0)
    refusals = 0
    for _ in range(FILES):
        data = bytearray(training.whole)
        kind = chance.randrange(3)
        at = chance.randrange(len(data))
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[at : at + chance.randrange(1, 20)]
        else:
            data[at:at] = chance.randbytes(chance.randrange(1, 20))
        training.path.write_bytes(data)
        try:
            loaded = load_checkpoint(training.path)
        except ValueError as error:
            assert type(error) is ValueError
            assert str(training.path) in str(error)
            refusals += 1
        else:
            np.testing.assert_equal(values_of(loaded), training.expected)
    assert refusals > 0.9 * FILES


def places(value, at=()):
    """The paths of all values in nested JSON."""
    if at:
        yield at
    if isinstance(value, dict):
        for key, item in value.items():
            yield from places(item, (*at, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*at, 0))


def put(value, at, junk, drop):
    for key in at[:-1]:
        value = value[key]
    if drop:
        del value[at[-1]]
    else:
        value[at[-1]] = junk


def test_forged_notes_and_options(training):
    """Every value replaced by others of any type, or left out."""
    chance = random.Random(1)
    tensors, options, notes = parts(training.path)
    refusals = tried = 0
    for which, at in [(0, p) for p in places(options)] + [(1, p) for p in places(notes)]:
        for junk, drop in [(None, True)] + [(j, False) for j in chance.sample(JUNK, 1)]:
            texts = copy.deepcopy([options, notes])
            put(texts[which], at, junk, drop)
            forge(training.path, tensors, *texts)
            refusals += training.check() > 0
            tried += 1
    assert tried > 100
    assert refusals > 0.8 * tried


@pytest.mark.parametrize("change", ["without", "shape", "dtype", "renamed", "more"])
def test_forged_tensors(change, training):
    tensors, options, notes = parts(training.path)
    for name, tensor in tensors.items():
        forged = dict(tensors)
        if change == "without":
            del forged[name]
        elif change == "shape":
            forged[name] = np.zeros((*tensor.shape, 2), tensor.dtype)
        elif change == "dtype":
            forged[name] = tensor.astype("f4")
        elif change == "renamed":
            forged[name + "_"] = forged.pop(name)
        else:
            forged[name + "/more"] = tensor
        forge(training.path, forged, options, notes)
        # Only the training knows which masks there are and what the optimiser needs.
        unknown = name.startswith(("optimiser/", "masks/"))
        assert training.check() >= (1 if unknown else 2), name


@pytest.mark.parametrize("option", ["input_size", "hidden_size", "output_size"])
@pytest.mark.parametrize("size", [6, 2**20, 2**40, 2**70])
def test_forged_sizes(option, size, training):
    """No network is made of them."""
    tensors, options, notes = parts(training.path)
    options[option] = [size] if option == "hidden_size" else size
    forge(training.path, tensors, options, notes)
    assert training.check() == 2


def test_forged_number_of_layers(training):
    tensors, options, notes = parts(training.path)
    options["hidden_size"] = [5] * 5_000
    options["activations"] = options["activations"] * 5_000
    forge(training.path, tensors, options, notes)
    assert training.check() == 2


def test_weights_where_a_mask_is(training):
    tensors, options, notes = parts(training.path)
    tensors["weight_hh_l0"][:] = 1
    forge(training.path, tensors, options, notes)
    assert training.check() == 2


def test_another_version(training):
    forge(training.path, *parts(training.path), version="1")
    with pytest.raises(ValueError, match=r"expected version '2', .*got '1'"):
        load_checkpoint(training.path)


def test_each_reader_names_the_other(tmp_path, training):
    with pytest.raises(ValueError, match="load_checkpoint"):
        peephole.load(training.path)
    training.net().save(tmp_path / "model")
    with pytest.raises(ValueError, match=r"it is a model file, which peephole\.load reads"):
        load_checkpoint(tmp_path / "model")
    (tmp_path / "text").write_text("text")
    with pytest.raises(ValueError, match="safetensors"):
        peephole.load(tmp_path / "text")


def test_without_the_package_safetensors(tmp_path, rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    training = Training(tmp_path, rng)
    training.resume(training.net())


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (("position", "loss"), 10**400),
        (("position", "weight"), -1.0),
        (("position", "norm"), float("nan")),
        (("best", "value"), 10**400),
        (("factor",), float("nan")),
        (("factor",), -1.0),
        (("schedule", "current"), -1.0),
        (("schedule", "current"), float("inf")),
        (("schedule", "best"), float("nan")),
        (("schedule", "waited"), 1.5),
        (("schedule", "waited"), -1),
    ],
    ids=str,
)
def test_values_that_no_training_has(training, at, value):
    tensors, options, notes = parts(training.path)
    target = notes
    for key in at[:-1]:
        target = target[key]
    assert at[-1] in target
    target[at[-1]] = value
    forge(training.path, tensors, options, notes)
    net = training.net()
    before, content = values_of(net), training.path.read_bytes()
    assert training.refuses(lambda: training.resume(net))
    np.testing.assert_equal(values_of(net), before)
    assert training.path.read_bytes() == content


@pytest.mark.parametrize(
    "prefix", ["weight_hh_l0", "best/", "carry/", "optimiser/m/", "optimiser/v/"]
)
def test_tensors_that_are_not_finite(training, prefix):
    tensors, options, notes = parts(training.path)
    name = next(name for name in tensors if name.startswith(prefix))
    for value in (np.nan, *((-1.0,) if "/v/" in name else ())):
        changed = np.array(tensors[name])
        changed.flat[-1] = value
        forge(training.path, tensors | {name: changed}, options, notes)
        net = training.net()
        before = values_of(net)
        assert training.refuses(lambda net=net: training.resume(net))
        np.testing.assert_equal(values_of(net), before)

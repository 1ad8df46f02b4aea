"""The scalings of a network: set, saved, loaded, copied, and kept in checkpoints."""

import copy
import json
import pickle

import numpy as np
import peephole
import pytest
from peephole import Standardiser, _core
from peephole.models.scaling_files import save_with_scalings
from peephole.training import load_checkpoint
from peephole.training.keep.checkpoint import _digest
from support.model_files import X, assert_identical, contents, network
from support.refusals import refused, unchanged

NAMES = ("input_scaling", "target_scaling")
VARIANTS = [
    {},
    {"dtype": "float64", "peephole": "none", "bias": False, "bidirectional": True},
    {"readout": "last", "dropout": 0.5, "zoneout": 0.1, "activations": {"g": "relu"}},
    {"masks": {"weight_hh_l0": np.eye(16, 4, dtype=bool), "head.bias": np.zeros(5, bool)}},
]


@pytest.fixture
def scalings(rng):
    """Of inputs and targets, with values that have no short decimal form."""
    x = rng.standard_normal((9, 3)) ** 3 / 7
    return Standardiser().fit(x), Standardiser().fit(x[:, :1] / 3 + 1e6)


def with_scalings(scalings, **options):
    net = network(**options)
    net.input_scaling, net.target_scaling = scalings
    return net


def assert_same_scalings(net, scalings):
    for name, scaling in zip(NAMES, scalings, strict=True):
        assert getattr(net, name) == scaling


class TestAttributes:
    def test_none_at_first(self):
        assert_same_scalings(network(), (None, None))

    def test_can_be_set_and_removed(self, scalings):
        net = with_scalings(scalings)
        assert net.input_scaling is scalings[0]
        net.input_scaling = None
        assert net.input_scaling is None
        assert net.target_scaling is scalings[1]

    def test_are_not_applied(self, scalings):
        net, plain = with_scalings(scalings), network()
        np.testing.assert_array_equal(net.predict(X), plain.predict(X))
        np.testing.assert_array_equal(net.stream().step(X[0, 0]), plain.stream().step(X[0, 0]))

    @pytest.mark.parametrize("name", NAMES)
    def test_wrong_values(self, name, scalings):
        net = with_scalings(scalings)
        for value, error in (
            (scalings[0].transform, TypeError),
            ((0.0, 1.0), TypeError),
            (Standardiser(), ValueError),
        ):
            with refused(error, name):
                setattr(net, name, value)
        assert_same_scalings(net, scalings)

    def test_features_of_the_input(self, scalings):
        net = network()
        with refused(ValueError, "input_scaling", says="3"):
            net.input_scaling = scalings[1]
        assert net.input_scaling is None


@pytest.mark.parametrize("options", VARIANTS)
class TestFiles:
    def test_round_trip(self, options, scalings, tmp_path):
        net = with_scalings(scalings, **options)
        net.save(tmp_path / "model")
        for load in (peephole.load, peephole.Network.load):
            loaded = load(tmp_path / "model")
            assert_identical(loaded, net)
            assert_same_scalings(loaded, scalings)
            loaded.input_scaling.partial_fit(np.ones((2, 3)))  # can be continued
            assert loaded.input_scaling == copy.copy(scalings[0]).partial_fit(np.ones((2, 3)))

    def test_file_is_that_of_the_core_with_two_more_texts(self, options, scalings, tmp_path):
        net = network(**options)
        net.save(tmp_path / "plain")
        net.input_scaling, net.target_scaling = scalings
        net.save(tmp_path / "model")
        expected_arrays, expected = contents(tmp_path / "plain")
        arrays, metadata = contents(tmp_path / "model")
        np.testing.assert_equal(arrays, expected_arrays)
        for name, scaling in zip(NAMES, scalings, strict=True):
            fields = json.loads(metadata.pop(name))
            assert fields == {
                "kind": "Standardiser",
                "mean": scaling.mean_.tolist(),
                "scale": scaling.scale_.tolist(),
                "variance": scaling.variance_.tolist(),
                "count": scaling.count_.tolist(),
            }
        assert json.loads(metadata.pop("options")) == json.loads(expected.pop("options"))
        assert metadata == expected

    def test_the_core_reads_it(self, options, scalings, tmp_path):
        net = with_scalings(scalings, **options)
        net.save(tmp_path / "model")
        y, _ = _core.load(str(tmp_path / "model"))(X, None, None)
        np.testing.assert_array_equal(y, net(X)[0])


def test_one_scaling_alone(scalings, tmp_path):
    net = network()
    net.target_scaling = scalings[1]
    net.save(tmp_path / "model")
    assert_same_scalings(peephole.load(tmp_path / "model"), (None, scalings[1]))


def test_files_without_scalings(tmp_path):
    """As releases without scalings write them."""
    network()._core.save(str(tmp_path / "model"))
    assert_same_scalings(peephole.load(tmp_path / "model"), (None, None))


def test_newer_options_are_written_unless_default(scalings, tmp_path, monkeypatch):
    """As the core writes them, so that older releases read the file."""
    net = with_scalings(scalings)
    defaults = {**_core.option_defaults(), "newer": "a", "newest": None}
    monkeypatch.setattr(_core, "option_defaults", lambda: defaults)
    options = {**net.options, "newer": "a", "newest": [1]}
    save_with_scalings(str(tmp_path / "model"), options, net.parameters, {}, {})
    _, metadata = contents(tmp_path / "model")
    assert json.loads(metadata["options"]) == {**net.options, "newest": [1]}


def test_masked_weights_written_through_a_view(scalings, tmp_path):
    net = with_scalings(scalings, **VARIANTS[3])
    net.parameters["weight_hh_l0"][0, 3] = np.nan
    net.save(tmp_path / "model")
    loaded = peephole.load(tmp_path / "model")
    assert loaded.parameters["weight_hh_l0"][0, 3] == 0


def test_features_changed_before_saving(scalings, tmp_path):
    net = with_scalings(scalings)
    scalings[0].fit(np.zeros((2, 2)))
    with refused(ValueError, "input_scaling", says="3"):
        net.save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_too_many_features_for_a_file(rng, tmp_path):
    net = network()
    net.save(tmp_path / "model")
    before = (tmp_path / "model").read_bytes()
    net.target_scaling = Standardiser().fit(rng.standard_normal((3, 20_000)))
    with refused(ValueError, "target_scaling"):
        net.save(tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == before
    net.target_scaling = Standardiser().fit(rng.standard_normal((3, 10_000)))
    net.save(tmp_path / "model")
    assert peephole.load(tmp_path / "model").target_scaling == net.target_scaling


GOOD = {"mean": [0.5] * 3, "variance": [4.0] * 3, "scale": [2.0] * 3, "count": [5] * 3}
GOOD = {"kind": "Standardiser", **GOOD}
FORGED = {
    "no JSON": "{",
    "deep": "[" * 100_000,
    "no object": "[1, 2]",
    "another kind": {**GOOD, "kind": "MinMax"},
    "missing field": {k: v for k, v in GOOD.items() if k != "mean"},
    "unknown field": {**GOOD, "more": 1},
    "no list": {**GOOD, "mean": 0.5},
    "text": {**GOOD, "mean": ["0.5"] * 3},
    "bool": {**GOOD, "mean": [True] * 3},
    "NaN": {**GOOD, "mean": [float("nan")] * 3},
    "infinite": {**GOOD, "variance": [float("inf")] * 3},
    "large int": {**GOOD, "mean": [10**400] * 3},
    "large count": {**GOOD, "count": [2**63] * 3},
    "fractional count": {**GOOD, "count": [0.5] * 3},
    "negative count": {**GOOD, "count": [-1] * 3},
    "negative variance": {**GOOD, "variance": [-4.0] * 3},
    "another scale": {**GOOD, "scale": [2.0, 2.0, 3.0]},
    "lengths": {**GOOD, "mean": [0.5] * 2},
    "empty": {**GOOD, **{key: [] for key in ("mean", "variance", "scale", "count")}},
    "too few features": {k: v if k == "kind" else v[:2] for k, v in GOOD.items()},
}


def forge(path, text, name="input_scaling"):
    network().save(path)
    arrays, metadata = _core.read_tensors(str(path))
    text = text if isinstance(text, str) else json.dumps(text)
    _core.write_tensors(str(path), arrays, {**metadata, name: text})


class TestForgedFiles:
    def test_good_one(self, tmp_path):
        forge(tmp_path / "model", GOOD)
        scaling = peephole.load(tmp_path / "model").input_scaling
        assert scaling.mean_.tolist() == [0.5] * 3
        assert scaling.scale_.tolist() == [2.0] * 3

    @pytest.mark.parametrize("kind", FORGED)
    def test_is_refused(self, kind, tmp_path):
        path = tmp_path / "model"
        forge(path, FORGED[kind])
        for load in (peephole.load, peephole.Network.load):
            with refused(ValueError, f"{path}: input_scaling"):
                load(path)

    def test_of_targets(self, tmp_path):
        forge(tmp_path / "model", FORGED["NaN"], "target_scaling")
        with refused(ValueError, f"{tmp_path / 'model'}: target_scaling"):
            peephole.load(tmp_path / "model")


class TestCopies:
    @pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
    def test_pickle(self, protocol, scalings):
        net = with_scalings(scalings)
        twin = pickle.loads(pickle.dumps(net, protocol))
        assert_identical(twin, net)
        assert_same_scalings(twin, scalings)

    def test_pickle_without_scalings(self):
        """As releases without scalings made them: no state after the arguments."""
        net = network()
        make, arguments, _ = net.__reduce__()
        twin = make(*arguments)
        assert_identical(twin, net)
        assert_same_scalings(twin, (None, None))

    def test_copies(self, scalings):
        net = with_scalings(scalings)
        assert_same_scalings(copy.copy(net), scalings)
        deep = copy.deepcopy(net)
        assert_same_scalings(deep, scalings)
        deep.input_scaling.partial_fit(np.ones((2, 3)))
        assert net.input_scaling != deep.input_scaling


class TestCheckpoints:
    def trained(self, path, scalings, **options):
        net = network()
        net.input_scaling, net.target_scaling = scalings
        y = np.zeros((2, 5), int)
        options = {"epochs": 2, "seed": 0, "progress": False, "checkpoint": path, **options}
        net.fit(X, y, **options)
        return net

    @pytest.mark.parametrize("best", [False, True])
    def test_load_checkpoint(self, best, scalings, tmp_path):
        options = {"validation_data": (X, np.zeros((2, 5), int))} if best else {}
        self.trained(tmp_path / "checkpoint", scalings, **options)
        net = load_checkpoint(tmp_path / "checkpoint", best=best)
        assert_same_scalings(net, scalings)

    def test_without_scalings(self, tmp_path):
        self.trained(tmp_path / "checkpoint", (None, None))
        metadata = _core.TensorFile(str(tmp_path / "checkpoint")).metadata
        assert metadata.keys() == {"format", "version", "digest", "options", "notes"}
        assert_same_scalings(load_checkpoint(tmp_path / "checkpoint"), (None, None))

    def test_resumed(self, scalings, tmp_path):
        self.trained(tmp_path / "checkpoint", scalings)
        net = self.trained(tmp_path / "checkpoint", scalings, epochs=4, resume=True)
        whole = self.trained(tmp_path / "whole", scalings, epochs=4)
        assert_identical(net, whole)
        assert_same_scalings(load_checkpoint(tmp_path / "checkpoint"), scalings)

    def test_changed_text(self, scalings, tmp_path):
        path = tmp_path / "checkpoint"
        self.trained(path, scalings)
        arrays, metadata = _core.read_tensors(str(path))
        metadata["input_scaling"] = json.dumps(GOOD)
        _core.write_tensors(str(path), arrays, metadata)
        with pytest.raises(ValueError, match="not a valid checkpoint: its content has changed"):
            load_checkpoint(path)
        # With a digest for it, the text itself is checked.
        metadata["input_scaling"] = json.dumps(FORGED["too few features"])
        texts = {k: v for k, v in metadata.items() if k in ("options", "notes", *NAMES)}
        _core.write_tensors(str(path), arrays, {**metadata, "digest": _digest(texts, arrays)})
        with pytest.raises(ValueError, match="not a valid checkpoint: input_scaling: expected"):
            load_checkpoint(path)


def test_forecast_in_the_targets_units(rng, tmp_path):
    """The use that the README shows: far from unit size, trained, saved, and loaded."""
    series = 5000 + 300 * np.sin(np.arange(400) / 5)[:, None]
    scaling = Standardiser().fit(series)
    scaled = scaling.transform(series)
    net = peephole.Network(1, 8, 1, seed=0)
    net.input_scaling = net.target_scaling = scaling
    x, y = peephole.windows(scaled[:-1], 40), peephole.windows(scaled[1:], 40)
    net.fit(x, y, epochs=4, learning_rate=1e-2, seed=0, progress=False)
    net.save(tmp_path / "model")
    loaded = peephole.load(tmp_path / "model")
    with unchanged(series):
        y = loaded.target_scaling.inverse_transform(
            loaded.predict(loaded.input_scaling.transform(series))
        )
    assert np.abs(y[50:-1] - series[51:]).mean() < 60  # a fifth of the wave's height

"""The scalings of a network: set, copied, kept in checkpoints, and used for a forecast."""

import copy
import json
import pickle

import numpy as np
import peephole
import pytest
from peephole import Standardiser, _core
from peephole.training import load_checkpoint
from peephole.training.keep.checkpoint import _digest
from support.model_files import X, assert_identical, network
from support.refusals import refused, unchanged
from support.scalings import FORGED, GOOD, NAMES, assert_same_scalings, with_scalings


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

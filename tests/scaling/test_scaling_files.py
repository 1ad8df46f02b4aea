"""Model files with scalings: what they hold, and forged ones."""

import copy
import json

import numpy as np
import peephole
import pytest
from peephole import Standardiser, _core
from peephole.models.scaling_files import save_with_scalings
from support.model_files import X, assert_identical, contents, network
from support.refusals import refused
from support.scalings import FORGED, GOOD, NAMES, assert_same_scalings, with_scalings

VARIANTS = [
    {},
    {"dtype": "float64", "peephole": "none", "bias": False, "bidirectional": True},
    {"readout": "last", "dropout": 0.5, "zoneout": 0.1, "activations": {"g": "relu"}},
    {"masks": {"weight_hh_l0": np.eye(16, 4, dtype=bool), "head.bias": np.zeros(5, bool)}},
]


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
        y, _ = _core.load(str(tmp_path / "model"))[0](X, None, None)
        np.testing.assert_array_equal(y, net(X)[0])


def test_one_scaling_alone(scalings, tmp_path):
    net = network()
    net.target_scaling = scalings[1]
    net.save(tmp_path / "model")
    assert_same_scalings(peephole.load(tmp_path / "model"), (None, scalings[1]))


def test_files_without_scalings(tmp_path):
    """As releases without scalings write them."""
    network()._core.save(str(tmp_path / "model"), {})
    assert_same_scalings(peephole.load(tmp_path / "model"), (None, None))


def test_newer_options_are_written_unless_default(scalings, tmp_path, monkeypatch):
    """As the core writes them, so that older releases read the file."""
    net = with_scalings(scalings)
    network().save(tmp_path / "plain")
    expected = json.loads(contents(tmp_path / "plain")[1]["options"])
    defaults = {**_core.option_defaults(), "newer": "a", "newest": None}
    monkeypatch.setattr(_core, "option_defaults", lambda: defaults)
    options = {**net.options, "newer": "a", "newest": [1]}
    save_with_scalings(str(tmp_path / "model"), options, net.parameters, {}, {})
    _, metadata = contents(tmp_path / "model")
    assert json.loads(metadata["options"]) == {**expected, "newest": [1]}


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

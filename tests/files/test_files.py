"""Saving and loading."""

import itertools
import json
import os
import stat
import sys

import numpy as np
import peephole
import pytest
from peephole.models.scaling_files import ALWAYS_WRITTEN
from support.model_files import X, assert_identical, assert_same_array, contents, network

VARIANTS = list(
    itertools.product(
        ["diagonal", "dense", "none"], [True, False], [True, False], ["float32", "float64"]
    )
)


@pytest.mark.parametrize(("peepholes", "bias", "bidirectional", "dtype"), VARIANTS)
class TestEveryShape:
    @pytest.fixture
    def models(self, peepholes, bias, bidirectional, dtype):
        options = {
            "peephole": peepholes,
            "bias": bias,
            "bidirectional": bidirectional,
            "dtype": dtype,
            "seed": 0,
        }
        return peephole.LSTM(3, [4, 2], **options), peephole.Network(3, 4, 5, **options)

    def test_what_other_programs_see(self, models, tmp_path):
        for model in models:
            model.save(tmp_path / "model")
            tensors, metadata = contents(tmp_path / "model")
            assert tensors.keys() == set(model.parameters)
            for name, tensor in tensors.items():
                assert_same_array(tensor, model.parameters[name])
            # Newer options have their defaults, and are left out.
            expected = {k: v for k, v in model.options.items() if k in ALWAYS_WRITTEN}
            assert json.loads(metadata.pop("options")) == expected
            kind = type(model).__name__
            assert metadata == {"format": "peephole", "format_version": "1", "kind": kind}

    def test_round_trip(self, models, tmp_path):
        for model in models:
            model.save(tmp_path / "model")
            assert_identical(peephole.load(tmp_path / "model"), model)


@pytest.mark.parametrize(
    "options",
    [
        {"peephole": "diagonal", "peephole_gates": "ifo", "output_peephole": "current"},
        {"activations": [{"g": "relu"}, {"c": "identity", "i": "hard_sigmoid"}]},
        {"coupled_input_forget": True},
        {"readout": "last", "head": "sigmoid"},
        {"masks": {"weight_hh_l0": np.eye(16, 4, dtype=bool), "head.bias": np.zeros(5, bool)}},
    ],
)
def test_round_trip_of_options(options, tmp_path):
    net = network(**options)
    net.save(tmp_path / "model")
    assert_identical(peephole.load(tmp_path / "model"), net)


def test_any_values_survive(tmp_path):
    net = network(dtype="float32")
    odd = [np.nan, np.inf, -0.0, 1e-45, np.finfo("f4").max]
    net.parameters["head.bias"] = np.array(odd, "f4")
    net.save(tmp_path / "model")
    loaded = peephole.load(tmp_path / "model").parameters["head.bias"]
    assert loaded.tobytes() == np.array(odd, "f4").tobytes()


def test_a_loaded_model_can_be_trained(tmp_path):
    masks = {"weight_hh_l0": np.eye(16, 4, dtype=bool)}
    network(masks=masks).save(tmp_path / "model")
    net = peephole.load(tmp_path / "model")
    before = net.parameters["head.bias"].copy()
    net.fit(X, np.zeros((2, 5), int), epochs=1, progress=False)
    assert (net.parameters["head.bias"] != before).all()
    np.testing.assert_array_equal(net.parameters["weight_hh_l0"] != 0, masks["weight_hh_l0"])


class TestPaths:
    @pytest.mark.parametrize("name", ["model.safetensors", "módel 模型 🧠", "a" * 255])
    def test_names(self, name, tmp_path):
        net = network()
        net.save(tmp_path / name)
        assert_identical(peephole.load(tmp_path / name), net)
        net.save(str(tmp_path / name))
        assert_identical(peephole.load(str(tmp_path / name)), net)
        assert [path.name for path in tmp_path.iterdir()] == [name]

    def test_relative(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        net = network()
        net.save("model")
        assert_identical(peephole.load("model"), net)

    def test_missing(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            peephole.load(tmp_path / "model")
        with pytest.raises(FileNotFoundError, match="No such file"):
            network().save(tmp_path / "no" / "model")

    def test_folder(self, tmp_path):
        with pytest.raises(OSError, match=r"(?i)directory|denied"):
            peephole.load(tmp_path)
        with pytest.raises(OSError, match=r"(?i)directory|denied"):
            network().save(tmp_path)
        assert not list(tmp_path.parent.glob(".peephole-*"))


class TestReplacing:
    def test_replaces(self, tmp_path):
        network(seed=1).save(tmp_path / "model")
        net = network(seed=2)
        net.save(tmp_path / "model")
        assert_identical(peephole.load(tmp_path / "model"), net)

    @pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
    def test_failure_leaves_the_old_file(self, tmp_path):
        import resource

        old = network(seed=1)
        old.save(tmp_path / "model")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            with pytest.raises(OSError, match="too large") as failed:
                network(seed=2).save(tmp_path / "model")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert failed.value.filename == str(tmp_path / "model")
        assert_identical(peephole.load(tmp_path / "model"), old)
        assert [path.name for path in tmp_path.iterdir()] == ["model"]

    @pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
    def test_permissions(self, tmp_path):
        def mode():
            return stat.S_IMODE((tmp_path / "model").stat().st_mode)

        umask = os.umask(0o027)
        try:
            network().save(tmp_path / "model")
            assert mode() == 0o640
            (tmp_path / "model").chmod(0o604)
            network().save(tmp_path / "model")
            assert mode() == 0o604
        finally:
            os.umask(umask)

    @pytest.mark.skipif(sys.platform == "win32", reason="links need rights")
    def test_a_link_stays_a_link(self, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path / "model")
        network(seed=1).save(tmp_path / "model")
        net = network(seed=2)
        net.save(tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert_identical(peephole.load(tmp_path / "model"), net)

"""Parameters as a mapping, options of the constructors, copies and pickles."""

import json

import numpy as np
import peephole
import pytest
from peephole.parameters import Parameters

X = np.random.default_rng(5).standard_normal((3, 4, 2)).astype("float32")


def values_of(model):
    return {name: view.copy() for name, view in model.parameters.items()}


class TestMapping:
    def test_names_and_shapes(self):
        parameters = peephole.Network(2, [3, 5], 4, seed=0).parameters
        shapes = {name: parameters[name].shape for name in parameters}
        assert shapes == {
            "weight_ih_l0": (12, 2),
            "weight_hh_l0": (12, 3),
            "weight_ch_l0": (4, 3),
            "bias_l0": (12,),
            "weight_ih_l1": (20, 3),
            "weight_hh_l1": (20, 5),
            "weight_ch_l1": (4, 5),
            "bias_l1": (20,),
            "head.weight": (4, 5),
            "head.bias": (4,),
        }
        assert len(parameters) == len(shapes)
        assert {name: parameters.shape(name) for name in parameters} == shapes
        assert parameters.size == sum(np.prod(shape) for shape in shapes.values())
        assert "bias_l0" in parameters
        assert "bias_l2" not in parameters
        assert 3 not in parameters

    def test_of_the_stack_inside(self):
        net = peephole.Network(2, 3, 4, seed=0)
        assert list(net.lstm.parameters) == [n for n in net.parameters if n[:5] != "head."]
        net.lstm.parameters["bias_l0"] = np.full(12, 0.25)
        assert (net.parameters["bias_l0"] == 0.25).all()

    def test_views_are_live(self):
        lstm = peephole.LSTM(2, 3, seed=0)
        held = lstm.parameters["weight_ih_l0"]
        before = lstm(X)[0]
        held *= 2
        after = lstm(X)[0]
        assert np.abs(after - before).max() > 1e-3
        np.testing.assert_array_equal(lstm.parameters["weight_ih_l0"], held)
        held /= 2
        np.testing.assert_array_equal(lstm(X)[0], before)

    def test_a_view_outlives_its_model(self):
        view = peephole.LSTM(2, 3, seed=0).parameters["bias_l0"]
        view[:] = 7
        assert view.sum() == 84

    def test_assignment_copies(self):
        lstm = peephole.LSTM(2, 3, seed=0)
        value = np.ones((12, 2))
        lstm.parameters["weight_ih_l0"] = value
        value[:] = 5
        assert (lstm.parameters["weight_ih_l0"] == 1).all()

    @pytest.mark.parametrize("value", [np.zeros((12, 3)), np.zeros(24), 0.0, np.zeros((2, 12))])
    def test_assignment_of_another_shape(self, value):
        lstm = peephole.LSTM(2, 3, seed=0)
        before = values_of(lstm)
        with pytest.raises(ValueError, match=r"weight_ih_l0.*\(12, 2\)"):
            lstm.parameters["weight_ih_l0"] = value
        np.testing.assert_equal(values_of(lstm), before)

    @pytest.mark.parametrize("dtype", ["complex128", "U4", "O"])
    def test_assignment_of_another_kind(self, dtype):
        lstm = peephole.LSTM(2, 3, seed=0)
        with pytest.raises(TypeError, match="bias_l0"):
            lstm.parameters["bias_l0"] = np.zeros(12).astype(dtype)

    def test_unknown_names(self):
        parameters = peephole.LSTM(2, 3, seed=0).parameters
        with pytest.raises(KeyError, match=r"weight_ih_l0, .*bias_l0, got 'bias'"):
            parameters["bias"]
        with pytest.raises(KeyError, match=r"weight_ih_l0, .*bias_l0, got 'bias'"):
            parameters["bias"] = np.zeros(12)
        with pytest.raises(KeyError, match="head"):
            parameters.shape("head.bias")
        assert parameters.get("bias") is None

    def test_nothing_can_be_removed(self):
        parameters = peephole.LSTM(2, 3, seed=0).parameters
        with pytest.raises((AttributeError, TypeError)):
            del parameters["bias_l0"]
        assert not hasattr(parameters, "pop")

    def test_views_only_on_request(self):
        class Core:
            names = ("a", "b")
            dtype = np.dtype("float32")

            def shape(self, name):
                return (2, 3)

            def view(self, name):
                raise AssertionError("made a view")

        parameters = Parameters(Core())
        assert (len(parameters), list(parameters), "a" in parameters) == (2, ["a", "b"], True)
        assert parameters.size == 12
        assert "(2, 3)" in repr(parameters)
        with pytest.raises(AssertionError, match="made a view"):
            parameters["a"]

    def test_repr(self):
        text = repr(peephole.LSTM(2, 3, dtype="float64", seed=0).parameters)
        assert "float64" in text
        assert "84 values" in text
        assert "weight_ch_l0  (4, 3)" in text

    def test_compares_by_identity(self):
        one, other = peephole.LSTM(2, 3, seed=0), peephole.LSTM(2, 3, seed=0)
        assert one.parameters == one.parameters
        assert one.parameters != other.parameters
        assert len({one.parameters, other.parameters}) == 2


class TestOptions:
    def test_sizes(self):
        assert peephole.LSTM(2, 3, 2).hidden_sizes == (3, 3)
        assert peephole.LSTM(2, (3, 4)).hidden_sizes == (3, 4)
        assert peephole.LSTM(2, np.array([3, 4])).hidden_sizes == (3, 4)
        assert peephole.Network(2, 3, 1, num_layers=3).num_layers == 3
        assert peephole.LSTM(2, [3, 4], bidirectional=True).output_size == 8

    @pytest.mark.parametrize(
        ("error", "message", "options"),
        [
            (ValueError, "num_layers", {"hidden_size": [3, 3], "num_layers": 2}),
            (ValueError, "num_layers", {"num_layers": 0}),
            (ValueError, "num_layers.*at most", {"num_layers": 2**62}),
            (TypeError, "num_layers", {"num_layers": True}),
            (TypeError, "hidden_size", {"hidden_size": 2.0}),
            (TypeError, "hidden_size", {"hidden_size": "3"}),
            (TypeError, r"hidden_size\[1\]", {"hidden_size": [3, None]}),
            (ValueError, "hidden_size", {"hidden_size": 0}),
            (ValueError, "hidden_size", {"hidden_size": []}),
            (ValueError, "activations.*'x', 'y'", {"activations": {"x": "tanh", "y": "tanh"}}),
            (ValueError, "activations.*sigm", {"activations": {"i": "sigm"}}),
            (TypeError, "activations", {"activations": {"i": None}}),
            (TypeError, "activations", {"activations": "tanh"}),
            (TypeError, r"activations\[0\]", {"activations": ["tanh"]}),
            (ValueError, "activations.*1 layers, got 2", {"activations": [{}, {}]}),
            (ValueError, "dtype", {"dtype": "float16"}),
            (ValueError, "dtype", {"dtype": None}),
            (ValueError, "dtype", {"dtype": "nonsense"}),
            (ValueError, "seed", {"seed": -1}),
            (ValueError, "seed", {"seed": 2**64}),
            (TypeError, "seed", {"seed": 1.5}),
            (TypeError, "seed", {"seed": np.random.RandomState(0)}),
            (ValueError, "recurrent", {"recurrent_init": "zeros"}),
            (ValueError, "masks.*'bias'", {"masks": {"bias": np.ones(12, bool)}}),
            (ValueError, r"masks.*\(12,\)", {"masks": {"bias_l0": np.ones(3, bool)}}),
            (TypeError, "masks.*bool", {"masks": {"bias_l0": np.ones(12)}}),
            (TypeError, "masks", {"masks": np.ones(12, bool)}),
            (ValueError, "peephole", {"peephole": "full"}),
            (ValueError, "peephole_gates", {"peephole_gates": "ix"}),
            (ValueError, "output_peephole", {"output_peephole": "next"}),
            (TypeError, "bias", {"bias": 1}),
            (TypeError, "units", {"units": 3}),
        ],
    )
    def test_wrong(self, error, message, options):
        with pytest.raises(error, match=message):
            peephole.LSTM(2, **{"hidden_size": 3, **options})
        with pytest.raises(error, match=message):
            peephole.Network(2, output_size=1, **{"hidden_size": 3, **options})

    def test_activations_are_completed(self):
        lstm = peephole.LSTM(2, [3, 3], activations=[{"g": "relu"}, {"c": "identity"}])
        first, second = lstm.options["activations"]
        assert first == {"i": "sigmoid", "f": "sigmoid", "g": "relu", "o": "sigmoid", "c": "tanh"}
        assert second["c"] == "identity"
        assert second["g"] == "tanh"

    def test_options_make_the_same_again(self):
        net = peephole.Network(
            2, [3, 4], 5, head="tanh", peephole="dense", bidirectional=True, dtype="float64"
        )
        options = json.loads(json.dumps(net.options))
        again = peephole.Network(**options)
        assert again.options == net.options
        assert [again.parameters.shape(name) for name in again.parameters] == [
            net.parameters.shape(name) for name in net.parameters
        ]

    @pytest.mark.parametrize("given", ["float64", np.float64, np.dtype("float64"), float])
    def test_dtype(self, given):
        lstm = peephole.LSTM(2, 3, dtype=given)
        assert lstm.dtype == np.float64
        assert lstm.parameters["bias_l0"].dtype == np.float64

    def test_seeds(self):
        def weights(seed):
            return peephole.LSTM(2, 3, seed=seed).parameters["weight_hh_l0"].copy()

        np.testing.assert_array_equal(weights(3), weights(np.uint8(3)))
        assert (weights(3) != weights(4)).any()
        assert (weights(None) != weights(None)).any()
        generator = np.random.default_rng(0)
        first, second = weights(generator), weights(generator)
        assert (first != second).any()
        np.testing.assert_array_equal(first, weights(np.random.default_rng(0)))

    def test_initial_values(self):
        parameters = peephole.LSTM(2, 16, seed=0, dtype="float64").parameters
        gates = np.arange(64) // 16
        np.testing.assert_array_equal(parameters["bias_l0"], np.where(gates == 1, 1.0, 0.0))
        for name in ("weight_ih_l0", "weight_hh_l0", "weight_ch_l0"):
            largest = np.abs(parameters[name]).max()
            assert 0.2 < largest <= 0.25

    def test_orthogonal_recurrent_weights(self):
        lstm = peephole.LSTM(2, 6, seed=0, recurrent_init="orthogonal", dtype="float64")
        for gate in lstm.parameters["weight_hh_l0"].reshape(4, 6, 6):
            np.testing.assert_allclose(gate @ gate.T, np.eye(6), atol=1e-12)

    def test_repr(self):
        assert repr(peephole.LSTM(2, 3)) == "LSTM(2, 3)  # 84 parameters"
        net = peephole.Network(
            2, [3, 4], 5, head="softmax", peephole="dense", activations={"g": "relu"}
        )
        code, _, note = repr(net).partition("  # ")
        assert eval(code, {"Network": peephole.Network}).options == net.options
        assert note == f"{net.parameters.size} parameters"
        mask = np.zeros((4, 3), bool)
        assert "12 are masked" in repr(peephole.LSTM(2, 3, masks={"weight_ch_l0": mask}))

    def test_no_new_attributes(self):
        with pytest.raises(AttributeError):
            peephole.LSTM(2, 3).weight = 1

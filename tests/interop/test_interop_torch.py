"""torch.nn.LSTM and nn.Linear, against torch itself."""

import copy
import pickle

import numpy as np
import peephole
import pytest
from hypothesis import given
from hypothesis import strategies as st
from peephole import interop

torch = pytest.importorskip("torch")
nn = torch.nn


class Classifier(nn.Module):
    def __init__(self, bidirectional=False, bias=True):
        super().__init__()
        self.rnn = nn.LSTM(3, 5, 2, batch_first=True, bidirectional=bidirectional, bias=bias)
        self.fc = nn.Linear(10 if bidirectional else 5, 4, bias=bias)

    def forward(self, x):
        _, (h, _) = self.rnn(x)
        last = torch.cat([h[-2], h[-1]], 1) if self.rnn.bidirectional else h[-1]
        return torch.softmax(self.fc(last), 1)


def inputs(dtype="float32", features=3, batch=4, time=7):
    return torch.tensor(
        np.random.default_rng(1).standard_normal((batch, time, features)),
        dtype=getattr(torch, dtype),
    )


@given(
    st.integers(1, 3),
    st.integers(1, 9),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
    st.integers(0, 8),
    st.sampled_from(["float32", "float64"]),
)
def test_nn_lstm(agree_all, features, units, layers, bias, bidirectional, projection, dtype):
    torch.manual_seed(units)
    options = {"bias": bias, "batch_first": True, "bidirectional": bidirectional}
    options["proj_size"] = projection if projection < units else 0
    module = nn.LSTM(features, units, layers, **options).to(getattr(torch, dtype))
    lstm = interop.from_torch(module)
    assert lstm.options["bias"] == bias
    x = inputs(dtype, features)
    with torch.no_grad():
        theirs, (h, c) = module(x)
        ours, state = lstm(x.numpy())
        agree_all(ours, theirs)
        for k, (own_h, own_c) in enumerate(state):
            agree_all(own_h, h[k])
            agree_all(own_c, c[k])
        back = interop.to_torch(lstm)
        agree_all(ours, back(x)[0])
    assert {n: p.shape for n, p in back.named_parameters()} == {
        n: p.shape for n, p in module.named_parameters()
    }
    if bias:
        assert not back.bias_hh_l0.any()


@pytest.fixture(scope="module")
def agree_all():
    def compare(ours, theirs):
        tolerance = 1e-6 if ours.dtype == np.float32 else 1e-13
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=tolerance)

    return compare


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_classifier(agree, bidirectional, bias):
    module = Classifier(bidirectional, bias)
    net = interop.from_torch(module, lstm="rnn", head="fc", activation="softmax", readout="last")
    x = inputs()
    with torch.no_grad():
        agree(net.predict(x.numpy()), module(x))


def test_trained_classifier_streams(agree):
    torch.manual_seed(0)
    module = Classifier()
    optimiser = torch.optim.Adam(module.parameters(), 1e-2)
    x, labels = inputs(batch=32), torch.arange(32) % 4
    for _ in range(30):
        optimiser.zero_grad()
        loss = -torch.log(module(x)[torch.arange(32), labels]).mean()
        loss.backward()
        optimiser.step()
    net = interop.from_torch(module.state_dict(), "rnn", "fc", activation="softmax", readout="last")
    stream = net.stream(32)
    for t in range(x.shape[1]):
        y = stream.step(x[:, t].numpy())
    with torch.no_grad():
        agree(y, module(x))


def test_gradients_agree(dtype):
    module = nn.LSTM(3, 5, 2, batch_first=True).to(getattr(torch, dtype))
    lstm = interop.from_torch(module)
    x = inputs(dtype).requires_grad_()
    y, _ = module(x)
    y.square().sum().backward()
    ours, _, tape = lstm.forward(x.detach().numpy())
    gradients = lstm.backward(tape, 2 * ours)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(gradients.x, x.grad, atol=tolerance)
    for name, value in gradients.parameters.items():
        theirs = getattr(module, name.replace("bias_", "bias_ih_")).grad
        np.testing.assert_allclose(value, theirs, rtol=tolerance, atol=tolerance)


def test_several_lstms_of_unequal_sizes(agree):
    class Funnel(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.LSTM(3, 6, batch_first=True), nn.LSTM(6, 2, 2, batch_first=True)

    module, x = Funnel(), inputs()
    lstm = interop.from_torch(module, lstm=["one", "two"])
    assert lstm.hidden_sizes == (6, 2, 2)
    with torch.no_grad():
        agree(lstm(x.numpy())[0], module.two(module.one(x)[0])[0])


@pytest.mark.parametrize("head", ["identity", "sigmoid", "tanh", "softmax"])
@pytest.mark.parametrize("readout", ["all", "last", "mean", "max"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_network_to_torch_and_back(agree, head, readout, bidirectional):
    net = peephole.Network(
        3, 5, 2, num_layers=2, peephole="none", head=head, readout=readout, seed=0,
        bidirectional=bidirectional,
    )  # fmt: skip
    module = interop.to_torch(net)
    x, lengths = inputs(), [7, 1, 3, 6]
    with torch.no_grad():
        agree(net.predict(x.numpy()), module(x))
        agree(net.predict(x.numpy(), lengths), module(x, lengths))
        agree(net.predict(x[0].numpy()), module(x[0]))
    back = interop.from_torch(module)
    assert back.options == net.options
    assert np.array_equal(back.predict(x.numpy()), net.predict(x.numpy()))
    for copied in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(copied(x), module(x))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "peephole: torch.nn.LSTM has none"),
        ({"peephole": "none", "hidden_size": [4, 5]}, "hidden_size: torch.nn.LSTM has one size"),
        ({"peephole": "none", "activations": {"g": "relu"}}, "activations: .*'g'.* has relu"),
        ({"peephole": "none", "coupled_input_forget": True}, "coupled_input_forget: "),
        ({"peephole": "none", "zoneout": 0.1}, "zoneout: "),
        ({"peephole": "none", "layer_norm": "gates"}, "layer_norm: torch.nn.LSTM has none"),
        (
            {"peephole": "none", "projection_size": 2, "projection_clip": 1.0},
            "projection_clip: torch.nn.LSTM has none",
        ),
    ],
)
def test_to_torch_names_what_it_cannot_express(options, said):
    model = peephole.LSTM(3, **{"hidden_size": 4, **options})
    with pytest.raises(ValueError, match=said):
        interop.to_torch(model)


def projected(**changes):
    return state_dict(nn.LSTM(3, 5, proj_size=2), **changes)


def state_dict(module=None, **changes):
    module = module or nn.LSTM(3, 5)
    values = {name: value.numpy() for name, value in module.state_dict().items()} | changes
    return {name: value for name, value in values.items() if value is not None}


@pytest.mark.parametrize(
    ("source", "arguments", "error", "said"),
    [
        (
            lambda: projected(weight_hr_l0=np.zeros((2, 4), "f")),
            {},
            ValueError,
            r"weight_hh_l0: expected an LSTM's shape \(16, 2\), got \(20, 2\)",
        ),
        (
            lambda: projected(weight_hr_l0=np.zeros((3, 5), "f")),
            {},
            ValueError,
            r"shape \(2, any\)",
        ),
        (lambda: projected(weight_hr_l0=None), {}, ValueError, "LSTM's shape"),
        (lambda: nn.GRU(3, 5), {}, ValueError, "LSTM's shape"),
        (lambda: nn.Linear(3, 5), {}, ValueError, "expected one nn.LSTM, got none"),
        (Classifier, {}, ValueError, "no part takes fc.weight, fc.bias"),
        (Classifier, {"lstm": "lstm"}, ValueError, "one of 'rnn', got 'lstm'"),
        (Classifier, {"lstm": "rnn", "head": "f"}, ValueError, "name of an nn.Linear, got 'f'"),
        (Classifier, {"lstm": []}, ValueError, "at least one name"),
        (lambda: Classifier().half(), {"lstm": "rnn"}, ValueError, "float16"),
        (lambda: nn.ModuleList([nn.LSTM(1, 1)] * 2), {}, ValueError, "'0', '1'; say which"),
        (lambda: 3, {}, TypeError, "got int"),
        (lambda: {1: np.zeros(3)}, {}, TypeError, "names"),
        (lambda: state_dict(weight_hh_l0=None), {}, ValueError, "no weight_hh_l0"),
        (lambda: state_dict(bias_hh_l0=None), {}, ValueError, "no bias_hh_l0"),
        (lambda: state_dict(bias_hh_l0=np.zeros(3, "f")), {}, ValueError, r"shape \(20\)"),
        (lambda: state_dict(weight_ih_l0=np.zeros((20, 0), "f")), {}, ValueError, "at least one"),
        (lambda: state_dict(weight_hh_l0=np.zeros((2, 3, 4), "f")), {}, ValueError, "any, any"),
        (lambda: state_dict(weight_ih_l2=np.zeros((20, 5), "f")), {}, ValueError, "weight_ih_l2"),
        (lambda: state_dict(bias_ih_l0=np.full(20, np.nan, "f")), {}, ValueError, "finite"),
        (lambda: state_dict(bias_ih_l0=np.zeros(20)), {}, ValueError, "got float64"),
        (lambda: state_dict(bias_ih_l0=np.zeros(20, int)), {}, ValueError, "int64"),
        (lambda: state_dict(bias_ih_l0=np.full(20, "a")), {}, TypeError, "array of floats"),
        (lambda: state_dict(bias_ih_l0=np.full(20, None)), {}, TypeError, "array of floats"),
        (lambda: state_dict(bias_ih_l0=[0.0] * 20), {}, TypeError, "got list"),
    ],
)
def test_from_torch_refuses(source, arguments, error, said):
    with pytest.raises(error, match=said):
        interop.from_torch(source(), **arguments)

"""Weights of peephole.torch.LSTM: state dicts, copies, replacing the LSTMs of a model."""

import copy
import io
import pickle

import pytest

torch = pytest.importorskip("torch")

import peephole.torch  # noqa: E402

nn = torch.nn


class Tagger(nn.Module):
    """Two LSTMs, one of them at two places."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.first = nn.LSTM(3, 6, 2, dropout=0.2, bidirectional=True, dtype=dtype)
        second = nn.LSTM(12, 7, bias=False, proj_size=5, dtype=dtype)
        self.rest = nn.ModuleDict({"second": second})
        self.again = self.rest["second"]
        self.out = nn.Linear(5, 2, dtype=dtype)

    def forward(self, x):
        return self.out(self.again(self.first(x)[0])[0])


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("proj_size", [0, 1, 3])
def test_state_dicts_both_ways(bias, bidirectional, proj_size):
    arguments = {"num_layers": 2, "bias": bias, "bidirectional": bidirectional}
    arguments["proj_size"] = proj_size
    theirs, again = nn.LSTM(3, 4, **arguments), nn.LSTM(3, 4, **arguments)
    ours = peephole.torch.LSTM(3, 4, peephole="none", **arguments)
    ours.load_state_dict(theirs.state_dict())
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    again.load_state_dict(ours.state_dict())
    x = torch.randn(5, 2, 3)
    torch.testing.assert_close(again(x)[0], theirs(x)[0], rtol=0, atol=1e-6)


def test_loading_its_own_state_keeps_every_bit():
    first, second = (peephole.torch.LSTM(3, 4, 2, peephole="dense") for _ in range(2))
    with torch.no_grad():
        first.bias_ih_l0[0] = -0.0
    state = first.state_dict()
    names = list(state)
    second.load_state_dict(state)
    assert list(state) == names  # the caller's is unchanged
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)
    assert torch.signbit(second.bias_ih_l0[0])


def test_state_dict_of_another_model_is_refused():
    ours = peephole.torch.LSTM(3, 4)
    with pytest.raises(RuntimeError, match="weight_ch_l0"):
        ours.load_state_dict(nn.LSTM(3, 4).state_dict())
    with pytest.raises(RuntimeError, match="weight_hr_l0"):
        ours.load_state_dict(nn.LSTM(3, 4, proj_size=2).state_dict(), strict=True)


def test_a_state_dict_of_a_whole_model_loads_after_replacing():
    model, fresh = Tagger().eval(), Tagger().eval()
    x = torch.randn(5, 2, 3)
    expected = model(x)
    peephole.torch.replace(fresh)
    fresh.load_state_dict(model.state_dict())
    torch.testing.assert_close(fresh(x), expected, rtol=0, atol=1e-6)


def copies(module):
    saved = io.BytesIO()
    torch.save(module, saved)
    saved.seek(0)
    return (
        copy.deepcopy(module),
        pickle.loads(pickle.dumps(module)),
        torch.load(saved, weights_only=False),
    )


def test_copies_are_independent():
    module = peephole.torch.LSTM(3, 4, masks={"weight_hh_l0": torch.rand(16, 4) > 0.5})
    x = torch.randn(5, 2, 3)
    expected = module(x)[0]
    for made in copies(module):
        assert torch.equal(made(x)[0], expected)
        assert made._slot != module._slot
        with torch.no_grad():
            made.bias_ih_l0 += 1
        assert not torch.equal(made(x)[0], expected)
        assert torch.equal(module(x)[0], expected)


def test_conversion_of_dtype():
    module = peephole.torch.LSTM(3, 4)
    x = torch.randn(5, 2, 3)
    single = module(x)[0]
    double = module.double()(x.double())[0]
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), single, rtol=0, atol=1e-6)
    with pytest.raises(TypeError, match="bfloat16"):
        module.bfloat16()(x.bfloat16())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_replace(dtype):
    model = Tagger(dtype).eval()
    x = torch.randn(5, 2, 3, dtype=dtype)
    expected = model(x)
    assert peephole.torch.replace(model) is model
    kinds = {type(m) for m in model.modules()}
    assert nn.LSTM not in kinds and peephole.torch.LSTM in kinds
    assert model.again is model.rest["second"]
    tolerance = 1e-6 if dtype == torch.float32 else 1e-14
    torch.testing.assert_close(model(x), expected, rtol=0, atol=tolerance)
    assert model.first.dropout == 0.2 and not model.first.training


def test_replace_returns_the_replacement_of_an_lstm():
    theirs = nn.LSTM(3, 4, batch_first=True)
    ours = peephole.torch.replace(theirs)
    x = torch.randn(2, 5, 3)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=0, atol=1e-6)
    assert isinstance(ours, peephole.torch.LSTM) and ours.batch_first and ours.training
    assert peephole.torch.replace(ours) is ours


def test_replace_keeps_hooks_and_frozen_weights():
    model = Tagger()
    calls = []
    model.first.register_forward_hook(lambda module, x, y: calls.append(type(module)))
    model.first.register_forward_pre_hook(
        lambda module, x, options: calls.append("before"), with_kwargs=True
    )
    model.first.weight_ih_l0.requires_grad_(False)
    peephole.torch.replace(model)
    model(torch.randn(5, 2, 3))
    assert calls == ["before", peephole.torch.LSTM]
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {"first.weight_ih_l0"}


class Special(nn.LSTM):
    pass


def parametrised():
    lstm = nn.LSTM(3, 4)
    nn.utils.parametrizations.weight_norm(lstm, "weight_hh_l0")
    return lstm


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.LSTM(3, 4, dtype=torch.bfloat16), "out.0: .*bfloat16"),
        (lambda: nn.LSTM(3, 4, device="meta"), "out.0: .*CPU.*meta"),
        (lambda: Special(3, 4), "out.0: .*Special"),
        (parametrised, "out.0: "),
    ],
)
def test_replace_refuses_by_name_and_changes_nothing(make, message):
    model = Tagger()
    model.out = nn.Sequential(make())
    before = list(model.modules())
    with pytest.raises(ValueError, match=message):
        peephole.torch.replace(model)
    assert list(model.modules()) == before


def test_replace_takes_modules_alone():
    with pytest.raises(TypeError, match=r"module: expected an nn\.Module, got dict"):
        peephole.torch.replace({})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"proj_size": 4}, ValueError, "projection_size: expected less than each hidden_size, 4"),
        ({"proj_size": -1}, ValueError, "proj_size: expected 0 or more"),
        ({"proj_size": 1.5}, TypeError, "proj_size: expected an int"),
        ({"hidden_size": 0}, ValueError, "hidden_size"),
        ({"input_size": -1}, ValueError, "input_size"),
        ({"peephole": "full"}, ValueError, "peephole"),
        ({"dtype": torch.bfloat16}, TypeError, "dtype: .*bfloat16"),
        ({"dropout": 2.0}, ValueError, "dropout"),
        ({"recurrent_init": "zeros"}, ValueError, "recurrent_init"),
        ({"activations": {"i": "swish"}}, ValueError, "swish"),
        ({"masks": {"weight": torch.ones(1)}}, ValueError, "masks: .*weight_ih_l0"),
        ({"masks": {"weight_ih_l0": torch.ones(16, 3)}}, TypeError, "masks: weight_ih_l0"),
        ({"masks": {"weight_ih_l0": torch.ones(3) > 0}}, ValueError, "masks: weight_ih_l0"),
    ],
)
def test_bad_options(arguments, error, message):
    with pytest.raises(error, match=message):
        peephole.torch.LSTM(**{"input_size": 3, "hidden_size": 4, **arguments})


X = torch.zeros(5, 2, 3)
H = torch.zeros(1, 2, 4)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((torch.zeros(3),), ValueError, r"input: expected \(time, batch, 3\)"),
        ((torch.zeros(5, 2, 4),), ValueError, r"got \(5, 2, 4\)"),
        ((X.double(),), TypeError, "input: expected torch.float32, got torch.float64"),
        ((X, H), TypeError, "hx: expected a pair"),
        ((X, (H, H[:, :1])), ValueError, r"hx\[1\]: expected \(1, 2, 4\), got \(1, 1, 4\)"),
        ((X, (H.double(), H)), TypeError, r"hx\[0\]: expected torch.float32"),
        ((X, ([H, H], H)), ValueError, r"hx\[0\]: expected 1 tensors, got 2"),
        (("text",), TypeError, "input: expected a tensor"),
    ],
)
def test_bad_calls(arguments, error, message):
    with pytest.raises(error, match=message):
        peephole.torch.LSTM(3, 4)(*arguments)

"""Second derivatives of peephole.torch.LSTM: numerically, and against a composition in torch."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import peephole.torch  # noqa: E402
from support.torch_modules import operator_arguments, random_call  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence  # noqa: E402

DOUBLE = {"dtype": torch.float64}


@pytest.mark.parametrize("seed", range(40))
def test_gradgradcheck(seed):
    torch.manual_seed(seed)
    run, inputs = random_call(np.random.default_rng(seed), sizes=4)
    assert torch.autograd.gradgradcheck(run, inputs, fast_mode=seed >= 2)


class Composed(nn.Module):
    """The same function as a peephole LSTM of one layer, by torch's own operators."""

    def __init__(self, lstm):
        super().__init__()
        self.weights = nn.ParameterList(p.detach().clone() for p in lstm.parameters())
        self.dense = lstm.weight_ch_l0.shape[0] != 4

    def forward(self, x):
        W, R, P, b = self.weights
        h = c = x.new_zeros(x.shape[1], R.shape[1])
        steps = []
        for x_t in x:
            seen = c @ P.T if self.dense else (c[:, None] * P).flatten(1)
            i, f, g, o = (x_t @ W.T + h @ R.T + seen + b).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            steps.append(h)
        return torch.stack(steps)


def penalised(module, x, target):
    """A squared error, and a penalty on its gradient by x."""
    x = x.clone().requires_grad_()
    y = module(x)
    y = y[0] if isinstance(y, tuple) else y
    loss = (y - target).square().mean()
    (gradient,) = torch.autograd.grad(loss, x, create_graph=True)
    return loss + 10 * gradient.square().sum()


@pytest.mark.parametrize("peephole_form", ["diagonal", "dense"])
def test_second_order_of_all_weights_equals_torch(peephole_form):
    module = peephole.torch.LSTM(2, 3, peephole=peephole_form, **DOUBLE)
    composed = Composed(module)
    x, target = torch.randn(5, 4, 2, **DOUBLE), torch.randn(5, 4, 3, **DOUBLE)
    found = torch.autograd.grad(penalised(module, x, target), module.parameters())
    expected = torch.autograd.grad(penalised(composed, x, target), composed.parameters())
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-14)


def test_a_gradient_penalty_trains():
    """Step by step as a composition in torch does it."""
    torch.manual_seed(0)
    module = peephole.torch.LSTM(2, 5, **DOUBLE)
    composed = Composed(module)
    x, target = torch.randn(6, 8, 2, **DOUBLE), torch.randn(6, 8, 5, **DOUBLE) / 2
    losses = []
    for model in (module, composed):
        optimiser = torch.optim.Adam(model.parameters(), 0.02)
        of_model = []
        for _ in range(40):
            optimiser.zero_grad()
            loss = penalised(model, x, target)
            loss.backward()
            optimiser.step()
            of_model.append(loss.item())
        losses.append(of_model)
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-8)
    assert losses[0][-1] < 0.9 * losses[0][0]


def test_equals_torchs_own_lstm_without_peepholes():
    """Two layers in both directions, with ragged sequences; nn.LSTM's second derivatives."""
    torch.manual_seed(1)
    form = {"num_layers": 2, "bidirectional": True, "batch_first": True, **DOUBLE}
    theirs = nn.LSTM(3, 4, **form)
    ours = peephole.torch.LSTM(3, 4, peephole="none", **form)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(3, 5, 3, **DOUBLE)
    state = [torch.randn(4, 3, 4, **DOUBLE, requires_grad=True) for _ in "hc"]
    found = []
    for module in (theirs, ours):
        moving = x.clone().requires_grad_()
        packed = pack_padded_sequence(moving, [5, 2, 4], batch_first=True, enforce_sorted=False)
        y, (h, c) = module(packed, tuple(state))
        y, _ = pad_packed_sequence(y, batch_first=True)
        loss = y.square().sum() + h.sin().sum() + c.cos().sum()
        first = torch.autograd.grad(loss, (moving, *state), create_graph=True)
        penalty = sum(gradient.square().sum() for gradient in first)
        weights = [w for name, w in module.named_parameters() if "bias_hh" not in name]
        found.append(torch.autograd.grad(penalty, (moving, *state, *weights)))
    names = ["x", "h", "c", *(n for n, _ in ours.named_parameters())]
    for name, a, b in zip(names, found[1], found[0], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}")


def test_float32():
    module = peephole.torch.LSTM(2, 3)
    exact = peephole.torch.LSTM(2, 3, **DOUBLE)
    exact.load_state_dict({k: v.double() for k, v in module.state_dict().items()})
    x, target = torch.randn(5, 4, 2), torch.randn(5, 4, 3)
    found = torch.autograd.grad(penalised(module, x, target), module.parameters())
    expected = torch.autograd.grad(
        penalised(exact, x.double(), target.double()), exact.parameters()
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-4, atol=1e-5)


def test_noise_and_masks():
    """Second derivatives see the noise of the pass, and masks."""
    mask = torch.rand(20, 5) < 0.5
    module = peephole.torch.LSTM(
        2, 5, 2, dropout=0.3, recurrent_dropout=0.2, zoneout=0.2, masks={"weight_hh_l1": mask},
        **DOUBLE,
    )  # fmt: skip
    x = torch.randn(3, 2, 2, **DOUBLE, requires_grad=True)

    def run(x, *parameters):
        torch.manual_seed(3)
        return module(x)[0]

    inputs = (x, *module.parameters())
    assert torch.autograd.gradgradcheck(run, inputs, fast_mode=True)


def test_frozen_inputs_may_change_in_place():
    module = peephole.torch.LSTM(2, 3, **DOUBLE)
    x = torch.randn(5, 4, 2, **DOUBLE)

    def second(change):
        here = x.clone()
        y, _ = module(here)
        if change:
            here.zero_()
        first = torch.autograd.grad(y.square().sum(), module.weight_ih_l0, create_graph=True)[0]
        return torch.autograd.grad(first.square().sum(), module.parameters())

    for a, b in zip(second(False), second(True), strict=True):
        assert torch.equal(a, b)


def test_third_derivatives_are_refused():
    module = peephole.torch.LSTM(2, 3)
    x = torch.randn(4, 1, 2, requires_grad=True)
    (first,) = torch.autograd.grad(module(x)[0].sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="no third"):
        second.sum().backward()


@pytest.mark.parametrize("noisy", [False, True])
def test_opcheck(noisy):
    _, arguments = operator_arguments(noisy)
    x, flat, h, c, lengths, seed, *others = (
        a.detach() if isinstance(a, torch.Tensor) else a for a in arguments
    )
    y, *_, tape = torch.ops.peephole.lstm(x, flat, h, c, lengths, seed, *others)
    of_backward = [y, None, None, flat, tape, lengths, seed]
    for tensor in (y, flat, x, h, c):
        tensor.requires_grad_()
    torch.library.opcheck(
        torch.ops.peephole.lstm_backward.default, (*of_backward, *others, True, True, x, h, c)
    )
    of_backward = [a.detach() if isinstance(a, torch.Tensor) else a for a in of_backward]
    moving = [torch.randn_like(a).detach() for a in (flat, x, h, c)]
    torch.library.opcheck(
        torch.ops.peephole.lstm_backward_jvp.default, (*of_backward, *moving, *others, True)
    )


def test_operators_refuse_other_dtypes():
    module = peephole.torch.LSTM(3, 4)
    flat = module._flat(module._weights()).detach()
    options = (module._options(torch.float32, True), module._slot, True)
    x = torch.zeros(5, 2, 3)
    y, *_, tape = torch.ops.peephole.lstm(x, flat, None, None, None, None, *options)
    call = [y, None, None, flat, tape, None, None]
    with pytest.raises(TypeError, match=r"of_x: expected torch\.float32, got torch\.float16"):
        torch.ops.peephole.lstm_backward_jvp(*call, None, x.half(), None, None, *options)
    with pytest.raises(ValueError, match=r"tangent_x: expected \(time, batch, 3\)|tangents\.x"):
        torch.ops.peephole.lstm_backward_jvp(*call, None, x[:4], None, None, *options)

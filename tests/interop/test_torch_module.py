"""peephole.torch.LSTM: calls and results, against torch.nn.LSTM and peephole.LSTM."""

import numpy as np
import peephole
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import peephole.torch  # noqa: E402
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence  # noqa: E402

FORMS = st.fixed_dictionaries(
    {
        "num_layers": st.integers(1, 3),
        "bias": st.booleans(),
        "batch_first": st.booleans(),
        "bidirectional": st.booleans(),
        "proj_size": st.integers(0, 4),
    }
)


def pair(num_layers, bias, batch_first, bidirectional, proj_size=0):
    """torch's and ours, with equal weights, float64."""
    arguments = (3, 5, num_layers, bias, batch_first, 0.0, bidirectional, proj_size)
    theirs = torch.nn.LSTM(*arguments, dtype=torch.float64)
    ours = peephole.torch.LSTM(*arguments, dtype=torch.float64, peephole="none")
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def close(ours, theirs):
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-11)


@given(st.booleans(), FORMS)
def test_values_and_gradients_of_batches(with_state, form):
    theirs, ours = pair(**form)
    x = random(4, 7, 3)
    passes = form["num_layers"] * (2 if form["bidirectional"] else 1)
    batch = x.shape[0 if form["batch_first"] else 1]
    state = (random(passes, batch, size) for size in (form["proj_size"] or 5, 5))
    hx = tuple(state) if with_state else None
    inputs = [x, *(hx or ())]
    results = []
    for lstm in (ours, theirs):
        y, (h, c) = lstm(x, hx)
        of_parameters = [lstm.weight_ih_l0, lstm.weight_hh_l0]
        loss = (y * y).sum() + (h * 2).sum() + (c * c).sum()
        results.append([y, h, c, *torch.autograd.grad(loss, inputs + of_parameters)])
    for mine, of_torch in zip(*results, strict=True):
        close(mine, of_torch)


@given(st.booleans(), FORMS)
def test_a_single_sequence(with_state, form):
    theirs, ours = pair(**form)
    passes = form["num_layers"] * (2 if form["bidirectional"] else 1)
    hx = (random(passes, form["proj_size"] or 5), random(passes, 5)) if with_state else None
    x = random(6, 3)
    (y, state), (of_torch, state_of_torch) = ours(x, hx), theirs(x, hx)
    close(y, of_torch)
    for mine, other in zip(state, state_of_torch, strict=True):
        close(mine, other)


@given(st.booleans(), st.booleans(), FORMS)
def test_packed_sequences(enforce_sorted, with_state, form):
    theirs, ours = pair(**form)
    lengths = [6, 4, 4, 1] if enforce_sorted else [4, 1, 6, 4]
    packed = pack_sequence([random(n, 3) for n in lengths], enforce_sorted)
    passes = form["num_layers"] * (2 if form["bidirectional"] else 1)
    of_h, of_c = random(passes, 4, form["proj_size"] or 5), random(passes, 4, 5)
    hx = (of_h, of_c) if with_state else None
    (y, state), (of_torch, state_of_torch) = ours(packed, hx), theirs(packed, hx)
    close(y.data, of_torch.data)
    assert torch.equal(y.batch_sizes, of_torch.batch_sizes)
    for name in ("sorted_indices", "unsorted_indices"):
        mine, other = getattr(y, name), getattr(of_torch, name)
        assert mine is other is None or torch.equal(mine, other)
    for mine, other in zip(state, state_of_torch, strict=True):
        close(mine, other)


def test_gradients_flow_through_packed_sequences():
    theirs, ours = pair(1, True, True, False)
    x = random(3, 6, 3)
    gradients = []
    for lstm in (ours, theirs):
        y, _ = lstm(pack_padded_sequence(x, [6, 2, 1], batch_first=True))
        gradients.append(torch.autograd.grad((y.data**2).sum(), x)[0])
    close(*gradients)


def test_the_bits_of_peephole_lstm():
    options = {
        "peephole": "dense",
        "peephole_gates": "ifo",
        "output_peephole": "current",
        "activations": {"g": "softsign"},
        "bidirectional": True,
    }
    model = peephole.LSTM(3, [6, 4], seed=0, **options)
    module = peephole.torch.LSTM(3, [6, 4], batch_first=True, **options)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.copy_(torch.tensor(model.parameters[name.replace("bias_ih", "bias")]))
    x = torch.randn(4, 9, 3)
    expected, state = model(x.numpy())
    for context in (torch.no_grad(), torch.enable_grad()):
        with context:
            y, (h, c) = module(x)
        assert np.array_equal(y.detach().numpy(), expected)
        for layer in range(2):
            for d in range(2):
                of_h, of_c = state[2 * layer + d]
                assert np.array_equal(h[layer][d].detach().numpy(), of_h)
                assert np.array_equal(c[layer][d].detach().numpy(), of_c)
    again, _ = module(x, (h, c))
    assert again.shape == y.shape


def test_training_follows_every_step_of_an_optimiser():
    """The kernels' copies of the weights follow changes that torch makes in place."""
    theirs, ours = pair(2, True, True, False)
    x, target = random(8, 12, 3).detach(), random(8, 12, 5).detach()
    losses = []
    for lstm in (ours, theirs):
        optimiser = torch.optim.SGD(lstm.parameters(), lr=0.5)
        # Two biases that both learn are as one that learns twice as fast.
        if lstm is ours:
            biases = [p for n, p in lstm.named_parameters() if n.startswith("bias")]
            others = [p for n, p in lstm.named_parameters() if not n.startswith("bias")]
            optimiser = torch.optim.SGD([{"params": others}, {"params": biases, "lr": 1.0}], lr=0.5)
        losses.append([])
        for _ in range(20):
            optimiser.zero_grad()
            loss = ((lstm(x)[0] - target) ** 2).mean()
            loss.backward()
            optimiser.step()
            losses[-1].append(loss.item())
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-10)
    assert losses[0][-1] < losses[0][0]


def test_dropout_draws_from_torchs_random_numbers():
    module = peephole.torch.LSTM(3, 8, 2, dropout=0.5, zoneout=0.1, batch_first=True)
    x = torch.randn(4, 6, 3)
    torch.manual_seed(3)
    first = module(x)[0]
    second = module(x)[0]
    torch.manual_seed(3)
    assert torch.equal(module(x)[0], first)
    assert not torch.equal(first, second)
    module.eval()
    assert torch.equal(module(x)[0], module(x)[0])


def test_expected_values_of_zoneout_have_no_gradient():
    module = peephole.torch.LSTM(3, 8, zoneout=0.1).eval()
    y, _ = module(torch.randn(5, 2, 3))
    assert not y.requires_grad


def test_evaluation_without_zoneout_has_gradients():
    module = peephole.torch.LSTM(3, 8, 2, dropout=0.5).eval()
    y, _ = module(torch.randn(5, 2, 3))
    y.sum().backward()
    assert all(p.grad is not None for p in module.parameters())


def test_masks_cut_weights_and_their_gradients():
    mask = torch.rand(20, 3) > 0.5
    module = peephole.torch.LSTM(3, 5, masks={"weight_ih_l0": mask}, batch_first=True)
    model = peephole.LSTM(3, 5, masks={"weight_ih_l0": mask.numpy()}, seed=0)
    for name, parameter in module.named_parameters():
        model.parameters[name.replace("bias_ih", "bias")] = parameter.detach().numpy()
    x = torch.randn(2, 7, 3)
    y, _ = module(x)
    assert np.array_equal(y.detach().numpy(), model(x.numpy())[0])
    y.sum().backward()
    assert bool((module.weight_ih_l0.grad[~mask] == 0).all())


@pytest.mark.parametrize("time", [0, 1])
@pytest.mark.parametrize("batch", [0, 1])
def test_empty_and_single(time, batch):
    module = peephole.torch.LSTM(2, 1, batch_first=True)
    x = torch.randn(batch, time, 2, requires_grad=True)
    y, (h, _) = module(x)
    assert y.shape == (batch, time, 1) and h.shape == (1, batch, 1)
    (y.sum() + h.sum()).backward()
    assert x.grad.shape == x.shape


def test_strided_input():
    module = peephole.torch.LSTM(3, 4, batch_first=True)
    x = torch.randn(6, 5, 3)
    assert torch.equal(module(x.transpose(0, 1))[0], module(x.transpose(0, 1).contiguous())[0])
    assert torch.equal(module(x.flip(1)[:, ::2])[0], module(x.flip(1)[:, ::2].clone())[0])


def test_initial_weights_follow_the_rules_of_peephole_lstm():
    torch.manual_seed(0)
    module = peephole.torch.LSTM(30, 25, peephole_gates="io", recurrent_init="orthogonal")
    assert bool((module.bias_ih_l0 == torch.tensor([0.0, 1, 0, 0]).repeat_interleave(25)).all())
    assert 0.19 < module.weight_ih_l0.abs().max().item() <= 0.2
    for gate in module.weight_hh_l0.detach().chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(25))
    absent = module.weight_ch_l0.detach()[1:3]
    assert bool((absent == 0).all()) and bool((module.weight_ch_l0.detach()[[0, 3]] != 0).all())
    torch.manual_seed(0)
    again = peephole.torch.LSTM(30, 25, peephole_gates="io", recurrent_init="orthogonal")
    assert torch.equal(again.weight_ih_l0, module.weight_ih_l0)

"""cell_clip and preactivation_clip: what is bounded, and what a gradient does at a bound."""

import numpy as np
import peephole
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import lstm as reference
from support.strategies import cases
from support.tolerances import PEERS, REFERENCE, assert_close, assert_identical

pytestmark = pytest.mark.usefixtures("runtime_as_before")

ISAS = peephole.build_info()["isas"]
CLIPS = ["cell_clip", "preactivation_clip"]


def chain(bound, option, dtype="float64"):
    """A unit that computes h_1 = x: only g has a weight, and all other gates are open."""
    names = {"i": "one", "f": "one", "o": "one", "g": "identity", "c": "identity"}
    lstm = peephole.LSTM(
        1, 1, peephole="none", bias=False, activations=names, dtype=dtype, seed=0, **{option: bound}
    )
    lstm.parameters["weight_ih_l0"] = np.array([[0.0], [0.0], [1.0], [0.0]])
    lstm.parameters["weight_hh_l0"] = np.zeros((4, 1))
    return lstm


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("option", CLIPS)
@pytest.mark.parametrize("batch", [1, 5])
def test_at_the_bound(isa, option, batch):
    """The gradient passes up to the bound and at it, and is 0 beyond it, on both sides."""
    peephole.set_isa(isa)
    lstm = chain(0.5, option)
    beyond = np.nextafter(0.5, 1)
    for x, y, slope in [
        (0.25, 0.25, 1),
        (0.5, 0.5, 1),
        (-0.5, -0.5, 1),
        (beyond, 0.5, 0),
        (-beyond, -0.5, 0),
        (9.0, 0.5, 0),
    ]:
        for recompute in (False, True):
            found, _, tape = lstm.forward(np.full((batch, 1, 1), x), recompute=recompute)
            assert_identical(found, np.full((batch, 1, 1), y))
            grads = lstm.backward(tape, np.ones((batch, 1, 1)))
            assert_identical(grads.x, np.full((batch, 1, 1), float(slope)))
            assert grads.parameters["weight_ih_l0"][2] == batch * slope * x


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("option", CLIPS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_stays_nan(isa, option, dtype):
    """It passes a clip, and stays in its row; infinities become the bound."""
    peephole.set_isa(isa)
    for batch, units in ((1, 3), (4, 3), (1, 70), (4, 70)):
        options = {option: 0.5, "peephole": "dense", "output_peephole": "current"}
        lstm = peephole.LSTM(2, units, dtype=dtype, seed=0, **options)
        x = np.random.default_rng(0).standard_normal((batch, 4, 2)).astype(dtype)
        x[0, 2] = np.nan
        y, ((h, c),) = lstm(x)
        assert np.isnan(y[0, 2:]).all() and np.isnan(h[0]).all() and np.isnan(c[0]).all()
        assert np.isfinite(y[1:]).all() and np.isfinite(y[0, :2]).all()
        stream = lstm.stream(batch)
        assert_identical(np.isnan(stream.process(x)), np.isnan(y))
    lstm = chain(0.5, option, dtype)
    y, _ = lstm(np.array([[[np.inf]], [[-np.inf]]], dtype))
    assert_identical(y, np.array([[[0.5]], [[-0.5]]], dtype))


@given(case=cases(), isa=st.sampled_from(ISAS), dtype=st.sampled_from(["float32", "float64"]))
def test_equals_the_reference(case, isa, dtype):
    """Every option together with clips, by every instruction set."""
    options = case.options | {"cell_clip": 0.3, "preactivation_clip": 0.5}
    before = peephole.build_info()["isa"]
    peephole.set_isa(isa)
    try:
        lstm = case.build(dtype, cell_clip=0.3, preactivation_clip=0.5)
        y, final = lstm(case.x.astype(dtype), case.state, case.lengths)
        expected, last = reference.forward(
            options, case.parameters, case.x, case.state, case.lengths, masks=case.masks
        )
        assert_close(y, expected, 10 * REFERENCE[dtype])
        for pair, wanted in zip(final, last, strict=True):
            for values, expected_values in zip(pair, wanted, strict=True):
                assert_close(values, expected_values, 10 * REFERENCE[dtype])
    finally:
        peephole.set_isa(before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_bound_that_nothing_reaches(dtype):
    """It changes rounding at most: clipped cells are computed by other code."""
    x = np.random.default_rng(0).standard_normal((4, 9, 3)).astype(dtype)
    plain, _ = peephole.LSTM(3, [20, 5], dtype=dtype, seed=0)(x)
    for option in CLIPS:
        for bound in (50, 1e300):  # beyond float32
            lstm = peephole.LSTM(3, [20, 5], dtype=dtype, seed=0, **{option: bound})
            assert_close(lstm(x)[0], plain, PEERS[dtype] * 10)


@pytest.mark.parametrize("coupled", [False, True])
@pytest.mark.parametrize("output_peephole", ["previous", "current"])
@pytest.mark.parametrize("peephole_form", ["none", "diagonal"])
def test_gradients_equal_those_of_torch(coupled, output_peephole, peephole_form):
    """A loop over steps with torch.clamp, which has the same derivative at its bounds."""
    torch = pytest.importorskip("torch")
    cell_clip, bound, units = 0.4, 0.6, 5
    lstm = peephole.LSTM(
        3,
        units,
        peephole=peephole_form,
        output_peephole=output_peephole,
        coupled_input_forget=coupled,
        cell_clip=cell_clip,
        preactivation_clip=bound,
        dtype="float64",
        seed=0,
    )
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((4, 11, 3)), rng.standard_normal((4, 11, units))
    values = {k: torch.tensor(np.array(v), requires_grad=True) for k, v in lstm.parameters.items()}
    x_t = torch.tensor(x, requires_grad=True)
    P = values.get("weight_ch_l0", torch.zeros(4, units, dtype=torch.float64))
    h = c = torch.zeros(4, units, dtype=torch.float64)
    steps, clipped = [], 0
    for t in range(x.shape[1]):
        a = x_t[:, t] @ values["weight_ih_l0"].T + h @ values["weight_hh_l0"].T + values["bias_l0"]
        a_i, a_f, a_g, a_o = a.chunk(4, 1)
        i = torch.sigmoid((a_i + P[0] * c).clamp(-bound, bound))
        f = 1 - i if coupled else torch.sigmoid((a_f + P[1] * c).clamp(-bound, bound))
        g = torch.tanh((a_g + P[2] * c).clamp(-bound, bound))
        free = f * c + i * g
        read = free.clamp(-cell_clip, cell_clip)
        clipped += int((free != read).sum())
        a_o = a_o + P[3] * (read if output_peephole == "current" else c)
        c = read
        h = torch.sigmoid(a_o.clamp(-bound, bound)) * torch.tanh(c)
        steps.append(h)
    y = torch.stack(steps, 1)
    (y * torch.tensor(dy)).sum().backward()
    assert clipped > 5
    for isa in ISAS:
        peephole.set_isa(isa)
        found, _, tape = lstm.forward(x)
        grads = lstm.backward(tape, dy)
        assert_close(found, y.detach().numpy(), 1e-12, isa)
        assert_close(grads.x, x_t.grad.numpy(), 1e-11, isa)
        for name, value in values.items():
            assert_close(grads.parameters[name], value.grad.numpy(), 1e-11, f"{isa}: {name}")


def test_torch_and_jax_modules():
    torch = pytest.importorskip("torch")
    from peephole import torch as peephole_torch

    options = {"cell_clip": 0.3, "preactivation_clip": 0.5, "initial_state": "learned"}
    rng = np.random.default_rng(0)
    lstm = peephole.LSTM(3, 4, **options, seed=0)
    for name in ("h0_l0", "c0_l0"):
        lstm.parameters[name] = rng.uniform(-1, 1, 4)
    module = peephole_torch.LSTM(3, 4, batch_first=True, **options)
    own = {k.replace("bias_ih", "bias"): v for k, v in module.named_parameters()}
    with torch.no_grad():
        for name, value in lstm.parameters.items():
            own[name].copy_(torch.as_tensor(np.array(value)))
    x = rng.standard_normal((2, 6, 3)).astype("f4")
    y, _, tape = lstm.forward(x)
    grads = lstm.backward(tape, np.ones_like(y))
    found, _ = module(torch.as_tensor(x))
    assert_identical(found.detach().numpy(), y)
    found.sum().backward()
    for name, value in own.items():
        assert_identical(value.grad.numpy(), grads.parameters[name])
    zeros = torch.zeros(1, 2, 4)
    module.zero_grad()
    module(torch.as_tensor(x), (zeros, zeros))[0].sum().backward()
    assert not own["h0_l0"].grad.any() and own["weight_hh_l0"].grad.any()
    state = module.state_dict()
    again = peephole_torch.LSTM(3, 4, batch_first=True, **options)
    again.load_state_dict(state)
    assert_identical(again(torch.as_tensor(x))[0].detach().numpy(), y)

    jax = pytest.importorskip("jax")
    from peephole import jax as peephole_jax

    parameters, of_jax = peephole_jax.from_lstm(lstm)
    assert_identical(np.asarray(peephole_jax.lstm(parameters, x, **of_jax)[0]), y)
    of_loss = jax.grad(lambda p: peephole_jax.lstm(p, x, **of_jax)[0].sum())(parameters)
    for name, value in grads.parameters.items():
        assert_close(np.asarray(of_loss[name]), value, 1e-6, name)
    given_state = [(np.zeros((2, 4), "f4"),) * 2]
    of_loss = jax.grad(lambda p: peephole_jax.lstm(p, x, given_state, **of_jax)[0].sum())(
        parameters
    )
    assert not np.asarray(of_loss["h0_l0"]).any()
    assert peephole_jax.to_lstm(parameters, **of_jax).options == lstm.options


def test_memory_of_tapes():
    """A tape notes which gates were clipped: H values more for each step."""
    x = np.zeros((3, 7, 2), "f4")
    sizes = [
        peephole.LSTM(2, 5, **options, seed=0).forward(x)[2].nbytes
        for options in ({}, {"cell_clip": 1.0}, {"preactivation_clip": 1.0})
    ]
    assert sizes[0] == sizes[1]
    assert sizes[2] - sizes[0] == 3 * 7 * 5 * 4


@pytest.mark.parametrize("option", CLIPS)
@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (0, ValueError),
        (-1.0, ValueError),
        (np.nan, ValueError),
        (np.inf, ValueError),
        ("1", TypeError),
        ([1.0], TypeError),
    ],
)
def test_wrong_values(option, wrong, error):
    with pytest.raises(error, match=f"^{option}: expected"):
        peephole.LSTM(2, 3, **{option: wrong})
    with pytest.raises(error, match=f"^{option}: expected"):
        peephole.Network(2, 3, 1, **{option: wrong})


def test_none_is_no_option(tmp_path):
    """Files of models without the new options are those of before."""
    lstm = peephole.LSTM(2, 3, cell_clip=None, preactivation_clip=None, seed=0)
    lstm.save(tmp_path / "plain")
    text = (tmp_path / "plain").read_bytes()
    for name in (*CLIPS, "initial_state"):
        assert name.encode() not in text
    peephole.LSTM(2, 3, cell_clip=2, seed=0).save(tmp_path / "clipped")
    assert peephole.load(tmp_path / "clipped").options["cell_clip"] == 2.0

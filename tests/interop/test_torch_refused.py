"""What peephole.torch.LSTM refuses, converts or survives, and must not get silently wrong."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import peephole.torch  # noqa: E402
from peephole.torch import models  # noqa: E402
from torch.nn.utils.rnn import pack_sequence  # noqa: E402

nn = torch.nn
X = torch.zeros(5, 2, 3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch itself
@pytest.mark.parametrize("of_input", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("of_module", [torch.float32, torch.float64])
def test_autocast_converts_to_the_dtype_of_the_weights(of_module, of_input):
    module = peephole.torch.LSTM(3, 4, dtype=of_module)
    compiled = torch.compile(lambda x: module(x)[0] * 2 + 1, fullgraph=True)
    x = torch.randn(5, 2, 3).to(of_input)
    expected = module(x.to(of_module))[0] * 2 + 1
    with torch.autocast("cpu", torch.bfloat16):
        eager, made = module(x)[0] * 2 + 1, compiled(x)
    assert eager.dtype == made.dtype == of_module
    assert torch.equal(eager, expected) and torch.equal(made, expected)


@pytest.mark.parametrize("name", ["x", "parameters", "h", "tape", "dy"])
def test_operators_refuse_other_dtypes(name):
    module = peephole.torch.LSTM(3, 4)
    flat = module._flat(module._weights()).detach()
    options = (module._options(torch.float32, True), module._slot, True)
    tensors = {"x": X, "parameters": flat, "h": torch.zeros(1, 2, 4), "c": torch.zeros(1, 2, 4)}
    y, *_, tape = torch.ops.peephole.lstm(*tensors.values(), None, None, *options)
    backward = {"dy": y, "parameters": flat, "tape": tape}
    tensors = {k: v.half() if k == name else v for k, v in tensors.items()}
    backward = {k: v.half() if k == name else v for k, v in backward.items()}
    with pytest.raises(TypeError, match=f"{name}: expected torch.float32, got torch.float16"):
        torch.ops.peephole.lstm(*tensors.values(), None, None, *options)
        torch.ops.peephole.lstm_backward(
            backward["dy"], None, None, backward["parameters"], backward["tape"],
            None, None, *options, True,
        )  # fmt: skip


def test_operators_refuse_bad_lengths_and_seeds():
    module = peephole.torch.LSTM(3, 4)
    arguments = (X, module._flat(module._weights()), None, None)
    options = (module._options(torch.float32, True), module._slot, True)
    for lengths in (torch.tensor([6, 1]), torch.tensor([-1, 1]), torch.tensor([1])):
        with pytest.raises(ValueError, match="lengths"):
            torch.ops.peephole.lstm(*arguments, lengths, None, *options)
    with pytest.raises(TypeError, match="lengths"):
        torch.ops.peephole.lstm(*arguments, torch.ones(2), None, *options)
    with pytest.raises(ValueError, match="seed"):
        torch.ops.peephole.lstm(*arguments, None, torch.tensor(-1), *options)
    with pytest.raises(ValueError, match="tape"):
        torch.ops.peephole.lstm_backward(
            torch.zeros(5, 2, 4), None, None, arguments[1], torch.zeros(9), None, None,
            *options, True,
        )  # fmt: skip


def dual(function):
    """A forward-mode derivative."""
    with torch.autograd.forward_ad.dual_level():
        return function(torch.autograd.forward_ad.make_dual(X, X))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch itself
@pytest.mark.parametrize(
    "transform",
    [
        lambda f: torch.func.jvp(f, (X,), (X,)),
        lambda f: torch.func.grad(lambda x: f(x).sum())(X),
        lambda f: torch.func.vmap(f)(X[None]),
        dual,
    ],
    ids=["jvp", "grad", "vmap", "forward-mode"],
)
@pytest.mark.parametrize("frozen", [False, True])
def test_transforms_are_refused(transform, frozen):
    module = peephole.torch.LSTM(3, 4).requires_grad_(not frozen)
    with pytest.raises(NotImplementedError, match=r"torch\.func"):
        transform(lambda x: module(x)[0])


def test_weights_and_states_without_values_are_refused():
    module = peephole.torch.LSTM(3, 4)
    state = torch.zeros(1, 2, 4)
    with pytest.raises(ValueError, match=r"hx\[1\]: expected a tensor on the CPU"):
        module(X, (state, state.to("meta")))
    with pytest.raises(ValueError, match="weight_ih_l0: expected a tensor on the CPU"):
        module.to("meta")(X)


def test_zoneout_in_evaluation_leaves_no_half_gradients():
    module = peephole.torch.LSTM(3, 4, zoneout=0.2).eval()
    state = torch.zeros(1, 2, 4, requires_grad=True)
    y, (h, _) = module(X, (state, state))
    assert not y.requires_grad and not h.requires_grad


def test_models_do_not_outlive_their_module():
    """Also where a backward pass runs after the module is gone."""
    for _ in range(3):
        module = peephole.torch.LSTM(3, 4)
        slot = module._slot
        loss = module(X)[0].sum()
        del module
        loss.backward()
        assert not any(key[0] == slot for key in models._idle)
    assert len(models._foreign) <= models._MOST_FOREIGN


def test_final_states_may_be_detached_in_place():
    _, (h, c) = peephole.torch.LSTM(3, 4)(X)
    h.detach_()
    assert not h.requires_grad and c.requires_grad


def test_distributed_checkpoints():
    checkpoint = pytest.importorskip("torch.distributed.checkpoint.state_dict")
    model = nn.Sequential(peephole.torch.LSTM(3, 4))
    state = checkpoint.get_model_state_dict(model)
    assert bool((state["0.bias_hh_l0"] == 0).all())
    assert bool((model[0].bias_hh_l0 == 0).all())
    with pytest.raises(AttributeError, match="bias_hh_l1"):
        _ = model[0].bias_hh_l1


def test_state_dicts_without_values_load():
    module = peephole.torch.LSTM(3, 4, device="meta")
    module.load_state_dict(module.state_dict())


@pytest.mark.parametrize("shape", [(1,), (5,)])
def test_a_second_bias_of_another_shape_is_refused(shape):
    module = peephole.torch.LSTM(3, 4)
    state = {**module.state_dict(), "bias_hh_l0": torch.ones(shape)}
    with pytest.raises(RuntimeError, match="size mismatch for bias_hh_l0"):
        module.load_state_dict(state)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (torch.zeros(4, 3).double(), TypeError, "input.data: expected torch.float32"),
        (torch.zeros(4, 3, dtype=torch.int64), TypeError, "input.data: .*int64"),
        (torch.zeros(4, 2), ValueError, r"input.data: expected \(steps, 3\), got \(4, 2\)"),
    ],
)
def test_packed_sequences_are_checked(data, error, message):
    with pytest.raises(error, match=message):
        peephole.torch.LSTM(3, 4)(pack_sequence([data]))


@pytest.mark.parametrize("hx", [(None, None), (None, torch.zeros(1, 2, 4)), ([None], [None])])
@pytest.mark.parametrize("x", [X, X[:, 0]])
def test_states_that_are_no_tensors(x, hx):
    with pytest.raises(TypeError, match=r"hx\[0\]: expected tensors, got NoneType"):
        peephole.torch.LSTM(3, 4)(x, hx)


def test_masks_follow_the_device():
    mask = torch.ones(16, 3, dtype=torch.bool)
    module = peephole.torch.LSTM(3, 4, masks={"weight_ih_l0": mask}, device="meta")
    assert module.weight_ih_l0_mask.device.type == "meta"


def test_dropout_may_be_set():
    module = peephole.torch.LSTM(3, 4, 2, dropout=0.5)
    module.dropout = 0.0
    assert torch.equal(module(X)[0], module(X)[0])
    with pytest.raises(ValueError, match="dropout"):
        module.dropout = 1.5
    assert module.dropout == 0.0


def test_numbers_that_torch_takes_for_flags_and_sizes():
    module = peephole.torch.LSTM(np.int64(3), np.int64(4), bias=1, bidirectional=0)
    assert module(X)[0].shape == (5, 2, 4)
    model = nn.Sequential(nn.LSTM(3, 4, 2, dropout=1.0))
    with pytest.raises(ValueError, match=r"^0: dropout"):
        peephole.torch.replace(model)

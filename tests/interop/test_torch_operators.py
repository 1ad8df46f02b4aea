"""peephole.torch.LSTM within torch's machinery: autograd, opcheck, compile, export, autocast."""

import threading
import weakref

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import peephole.torch  # noqa: E402
from peephole.torch import models  # noqa: E402
from support.torch_modules import operator_arguments, random_call  # noqa: E402


@pytest.mark.parametrize("seed", range(100))
def test_gradcheck(seed):
    torch.manual_seed(seed)
    run, inputs = random_call(np.random.default_rng(seed), sizes=5)
    assert torch.autograd.gradcheck(run, inputs, fast_mode=seed >= 20)


@pytest.mark.parametrize("noisy", [False, True])
def test_opcheck(noisy):
    weights, arguments = operator_arguments(noisy)
    x, flat, h, c, lengths, seed, *others = arguments
    check = torch.library.opcheck
    check(torch.ops.peephole.lstm.default, arguments)
    plain = [weight.detach() for weight in weights]
    check(
        torch.ops.peephole.lstm_inference.default,
        (x.detach(), plain, h.detach(), c.detach(), lengths, *others),
    )
    y, *_, tape = torch.ops.peephole.lstm(*arguments)
    check(
        torch.ops.peephole.lstm_backward.default,
        (y.detach(), None, None, flat.detach(), tape, lengths, seed, *others, True),
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch itself
def test_compiled_equals_eager():
    module = peephole.torch.LSTM(3, 6, 2, batch_first=True, bidirectional=True)
    compiled = torch.compile(module, fullgraph=True)
    for batch, time in [(2, 5), (3, 7), (4, 9)]:
        x = torch.randn(batch, time, 3)
        eager = module(x)[0]
        assert torch.equal(compiled(x)[0], eager)
        expected = torch.autograd.grad(eager.sin().sum(), module.parameters())
        found = torch.autograd.grad(compiled(x)[0].sin().sum(), module.parameters())
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
        with torch.no_grad():
            assert torch.equal(compiled(x)[0], eager)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch itself
def test_compiled_with_dropout_draws_anew_each_time():
    module = peephole.torch.LSTM(3, 6, 2, dropout=0.5)
    compiled = torch.compile(module, fullgraph=True)
    x = torch.randn(4, 2, 3)
    assert not torch.equal(compiled(x)[0], compiled(x)[0])


def test_exported_program_with_dynamic_batch_and_time():
    module = peephole.torch.LSTM(3, 6, 2, batch_first=True).eval()
    dims = {"input": {0: torch.export.Dim("batch"), 1: torch.export.Dim("time")}}
    with torch.no_grad():
        program = torch.export.export(module, (torch.randn(2, 5, 3),), dynamic_shapes=dims)
        names = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
        assert "peephole.lstm_inference.default" in names
        x = torch.randn(4, 11, 3)
        assert torch.equal(program.module()(x)[0], module(x)[0])


def test_exported_program_has_gradients():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), peephole.torch.LSTM(3, 4)).eval()
    x = torch.randn(5, 2, 3)
    program = torch.export.export(model, (x,)).module()
    program(x)[0].sum().backward()
    model(x)[0].sum().backward()
    expected = dict(model.named_parameters())
    for name, parameter in program.named_parameters():
        assert torch.equal(parameter.grad, expected[name].grad)


def test_autocast_computes_in_float32():
    module = peephole.torch.LSTM(4, 5)
    x = torch.randn(6, 2, 4)
    with torch.autocast("cpu", torch.bfloat16):
        y, (h, _) = module(torch.nn.functional.linear(x, torch.eye(4)))
        again, _ = module(x.bfloat16(), (h, h))
    assert y.dtype == h.dtype == again.dtype == torch.float32
    y.sum().backward()
    assert module.weight_hh_l0.grad.dtype == torch.float32


def test_checkpointing_by_torch():
    module = peephole.torch.LSTM(3, 4)
    x = torch.randn(7, 2, 3, requires_grad=True)
    expected = torch.autograd.grad(module(x)[0].sum(), x)
    y, _ = torch.utils.checkpoint.checkpoint(module, x, use_reentrant=False)
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], expected[0])


def test_saved_tensors_may_be_copied():
    """Hooks that move what is saved, as `save_on_cpu` does."""
    module = peephole.torch.LSTM(3, 4)
    x = torch.randn(7, 2, 3, requires_grad=True)
    expected = torch.autograd.grad(module(x)[0].sum(), x)
    with torch.autograd.graph.saved_tensors_hooks(torch.clone, torch.clone):
        y, _ = module(x)
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], expected[0])


def test_backward_has_the_weights_of_its_forward_pass():
    module = peephole.torch.LSTM(3, 4)
    x = torch.randn(7, 2, 3)
    y, _ = module(x)
    expected = torch.autograd.grad(y.sum(), module.weight_hh_l0, retain_graph=True)
    with torch.no_grad():
        module.weight_hh_l0 += 1
        module(x)
    assert torch.equal(torch.autograd.grad(y.sum(), module.weight_hh_l0)[0], expected[0])


def test_threads_share_a_module():
    module = peephole.torch.LSTM(3, 16, batch_first=True).eval()
    inputs = [torch.randn(2, 40, 3) for _ in range(4)]
    with torch.no_grad():
        expected = [module(x)[0] for x in inputs]
    wrong = []

    def run(x, y):
        with torch.no_grad():
            for _ in range(50):
                wrong.extend([] if torch.equal(module(x)[0], y) else [x])

    threads = [
        threading.Thread(target=run, args=pair) for pair in zip(inputs, expected, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_core_models_go_with_the_module():
    module = peephole.torch.LSTM(3, 4)
    module(torch.randn(2, 1, 3))
    slot, gone = module._slot, weakref.ref(module)
    assert any(key[0] == slot for key in models._idle)
    del module
    assert gone() is None
    assert not any(key[0] == slot for key in models._idle)

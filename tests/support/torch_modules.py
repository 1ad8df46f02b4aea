"""Modules of peephole.torch, and arguments of its operators, for tests where torch is installed."""

import peephole.torch
import torch

ACTIVATIONS = ["sigmoid", "tanh", "softsign", "softplus", "identity"]


def random_norm(rng):
    form = [None, "gates", "products"][rng.integers(3)]
    cell = str(rng.choice(["state", "output", "none"]))
    return {"layer_norm": form, "layer_norm_cell": cell, "layer_norm_epsilon": 0.1}


def random_module(rng, **options):
    sizes = [int(rng.integers(1, 6)) for _ in range(rng.integers(1, 4))]
    form = {
        "bias": bool(rng.integers(2)),
        "batch_first": bool(rng.integers(2)),
        "bidirectional": bool(rng.integers(2)),
        "peephole": str(rng.choice(["diagonal", "dense", "none"])),
        "peephole_gates": "".join(g for g in "ifgo" if rng.integers(2)) or "i",
        "output_peephole": str(rng.choice(["previous", "current"])),
        "activations": {k: str(rng.choice(ACTIVATIONS)) for k in "gc"},
        "coupled_input_forget": bool(rng.integers(2)),
        "proj_size": int(rng.integers(min(sizes))),
        **random_norm(rng),
        "dtype": torch.float64,
    }
    return peephole.torch.LSTM(int(rng.integers(1, 4)), sizes, **{**form, **options})


def random_call(rng, sizes):
    """A function of x, the state and the parameters of a random module, and arguments of it."""
    module = random_module(rng)
    shape = [int(size) for size in rng.integers(1, sizes, 2)]
    x = torch.randn(*shape, module.input_size, dtype=torch.float64, requires_grad=True)
    batch = shape[0 if module.batch_first else 1]
    directions = 2 if module.bidirectional else 1
    sizes_of_h = [module.proj_size or size for size in module.hidden_sizes]
    state = [
        torch.randn(directions, batch, size, dtype=torch.float64, requires_grad=True)
        for size in (*sizes_of_h, *module.hidden_sizes)
    ]
    layers = module.num_layers

    def run(x, *state_and_parameters):
        state = state_and_parameters[: 2 * layers]
        y, (h, c) = module(x, (list(state[:layers]), list(state[layers:])))
        return y, *h, *c

    return run, (x, *state, *module.parameters())


def operator_arguments(noisy):
    noise = {"dropout": 0.3, "recurrent_dropout": 0.2, "zoneout": 0.1} if noisy else {}
    module = peephole.torch.LSTM(3, [5, 4], bidirectional=True, peephole="dense", **noise)
    weights = module._weights()
    flat = module._flat(weights).detach().requires_grad_()
    state = [torch.randn(2 * 18, requires_grad=True) for _ in "hc"]
    options = module._options(torch.float32, noisy)
    seed = torch.tensor(7) if noisy else None
    x = torch.randn(2, 6, 3, requires_grad=True)
    return weights, (x, flat, *state, torch.tensor([6, 3]), seed, options, module._slot, False)

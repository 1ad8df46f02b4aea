"""Layer normalisation against a composition of PyTorch's operators with its autograd, and where it
degenerates: one unit, equal values, values that are not finite."""

import itertools

import numpy as np
import peephole
import pytest
from support.tolerances import assert_identical

torch = pytest.importorskip("torch")

FORMS = ("gates", "products")
CELLS = ("state", "output", "none")
B, T, INPUTS = 3, 5, 3
LENGTHS = [5, 0, 3]
# Relative to the largest value of an array. In float32 the two differ by up to 3e-5: to normalise
# scales small deviations up, and rounding errors with them.
TOLERANCE = {"float32": 1e-4, "float64": 1e-12}

ACTIVATIONS = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softsign": torch.nn.functional.softsign,
    "identity": lambda a: a,
}


class Composition:
    """One direction of a layer, as a composition of PyTorch's operators."""

    def __init__(self, model, weights, layer, suffix):
        self.options = model.options
        self.activations = self.options["activations"][layer]
        self.units = self.options["hidden_size"][layer]
        self.epsilon = self.options["layer_norm_epsilon"]
        ending = f"_l{layer}{suffix}"
        self.weights = {
            name.removesuffix(ending): weight
            for name, weight in weights.items()
            if name.endswith(ending)
        }

    def norm(self, z, gain, shift=None):
        of_layer = torch.nn.functional.layer_norm
        return of_layer(z, [z.shape[-1]], gain, shift, self.epsilon)

    def peephole(self, gate, c):
        if "weight_ch" not in self.weights or gate not in self.options["peephole_gates"]:
            return 0
        k = "ifgo".index(gate)
        if self.options["peephole"] == "diagonal":
            return self.weights["weight_ch"][k] * c
        return c @ self.weights["weight_ch"].chunk(4)[k].T

    def gate(self, gate, sums, c):
        k = "ifgo".index(gate)
        a = sums[k] + self.peephole(gate, c)
        if self.options["layer_norm"] == "gates":
            a = self.norm(a, self.weights["gain"].chunk(4)[k])
        if "bias" in self.weights:
            a = a + self.weights["bias"].chunk(4)[k]
        return ACTIVATIONS[self.activations[gate]](a)

    def step(self, x, h, c):
        w, cell = self.weights, self.options["layer_norm_cell"]
        of_x, of_h = x @ w["weight_ih"].T, h @ w["weight_hh"].T
        if self.options["layer_norm"] == "products":
            of_x, of_h = self.norm(of_x, w["gain_ih"]), self.norm(of_h, w["gain_hh"])
        sums = (of_x + of_h).chunk(4, -1)
        i = self.gate("i", sums, c)
        f = 1 - i if self.options["coupled_input_forget"] else self.gate("f", sums, c)
        new = f * c + i * self.gate("g", sums, c)
        if cell == "state":
            new = self.norm(new, w["gain_c"], w["shift_c"])
        current = self.options["output_peephole"] == "current"
        o = self.gate("o", sums, new if current else c)
        shown = self.norm(new, w["gain_c"], w["shift_c"]) if cell == "output" else new
        return o * ACTIVATIONS[self.activations["c"]](shown), new

    def run(self, x, h, c, reverse):
        """x (T, I) of one sequence; y (T, H) and the final h and c."""
        steps = list(range(len(x)))
        y = [None] * len(x)
        for t in reversed(steps) if reverse else steps:
            h, c = self.step(x[t], h, c)
            y[t] = h
        return torch.stack(y) if y else x.new_zeros(0, self.units), h, c


def composed(model, weights, x, state, lengths):
    """y (B, T, D*H) and the final states, of tensors."""
    final = []
    directions = ["", "_reverse"] if model.options["bidirectional"] else [""]
    for layer in range(model.num_layers):
        ys = []
        for suffix in directions:
            cell = Composition(model, weights, layer, suffix)
            h, c = state[len(final)]
            runs = [cell.run(x[b, :n], h[b], c[b], bool(suffix)) for b, n in enumerate(lengths)]
            padded = [
                torch.nn.functional.pad(y, (0, 0, 0, x.shape[1] - len(y))) for y, _, _ in runs
            ]
            ys.append(torch.stack(padded))
            final.append((torch.stack([h for _, h, _ in runs]), torch.stack([c for *_, c in runs])))
        x = torch.cat(ys, -1)
    return x, final


OPTIONS = [
    {},
    {"peephole": "none", "bias": False},
    {"peephole_gates": "ifo", "output_peephole": "current"},
    {"peephole": "dense", "output_peephole": "current"},
    {"coupled_input_forget": True, "activations": {"g": "softsign", "c": "identity"}},
]


def models(dtype):
    rng = np.random.default_rng(4)
    structures = itertools.cycle([{"hidden_size": 12}, {"hidden_size": [5, 8]}])
    for k, (form, cell, options) in enumerate(itertools.product(FORMS, CELLS, OPTIONS)):
        model = peephole.LSTM(
            INPUTS,
            **next(structures),
            **options,
            bidirectional=k % 3 == 0,
            layer_norm=form,
            layer_norm_cell=cell,
            layer_norm_epsilon=1e-3,
            dtype=dtype,
            seed=0,
        )
        for name in model.parameters:
            values = model.parameters[name]
            model.parameters[name] = values + rng.uniform(-0.3, 0.3, values.shape)
        yield model


def as_tensors(model, x, state):
    def leaf(value):
        return torch.from_numpy(np.array(value)).requires_grad_()

    weights = {name: leaf(model.parameters[name]) for name in model.parameters}
    return weights, leaf(x), [(leaf(h), leaf(c)) for h, c in state]


def check(actual, expected, dtype, what):
    expected = expected.detach().numpy()
    largest = np.abs(expected).max(initial=1e-3)
    error = np.abs(actual - expected).max(initial=0) / largest
    assert error <= TOLERANCE[dtype], f"{what}: {error:.1e}"


def test_values_and_gradients_are_those_of_a_composition_in_torch(dtype):
    rng = np.random.default_rng(5)
    for model in models(dtype):
        x = rng.standard_normal((B, T, INPUTS)).astype(dtype)
        _, zeros = model(x[:, :0])
        state = [tuple(rng.uniform(-1, 1, v.shape).astype(dtype) for v in pair) for pair in zeros]
        weights, x_leaf, state_leaves = as_tensors(model, x, state)
        y, final = composed(model, weights, x_leaf, state_leaves, LENGTHS)
        actual_y, actual_final, tape = model.forward(x, state, LENGTHS)
        what = repr(model)
        check(actual_y, y, dtype, f"y of {what}")
        for pair, wanted in zip(actual_final, final, strict=True):
            for value, expected in zip(pair, wanted, strict=True):
                check(value, expected, dtype, f"the state of {what}")

        dy = rng.standard_normal(actual_y.shape).astype(dtype)
        dstate = [tuple(rng.standard_normal(v.shape).astype(dtype) for v in p) for p in zeros]
        loss = (y * torch.from_numpy(dy)).sum()
        for pair, upstream in zip(final, dstate, strict=True):
            for value, d in zip(pair, upstream, strict=True):
                loss = loss + (value * torch.from_numpy(d)).sum()
        loss.backward()
        for row, length in enumerate(LENGTHS):
            dy[row, length:] = 0
        gradients = model.backward(tape, dy, dstate)
        check(gradients.x, x_leaf.grad, dtype, f"dx of {what}")
        for name, weight in weights.items():
            # A coupled gate, or a direction of no use, has none.
            wanted = torch.zeros_like(weight) if weight.grad is None else weight.grad
            check(gradients.parameters[name], wanted, dtype, f"{name} of {what}")
        for pair, leaves in zip(gradients.state, state_leaves, strict=True):
            for value, tensor in zip(pair, leaves, strict=True):
                check(value, tensor.grad, dtype, f"dstate of {what}")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cell", CELLS)
def test_one_unit(form, cell, dtype):
    """LN of one value is 0 whatever it is: what it is made of has no gradient."""
    model = peephole.LSTM(2, 1, layer_norm=form, layer_norm_cell=cell, dtype=dtype, seed=1)
    x = np.random.default_rng(0).standard_normal((3, 5, 2)).astype(dtype)
    y, _, tape = model.forward(x)
    assert np.isfinite(y).all()
    gradients = model.backward(tape, np.ones_like(y))
    assert all(np.isfinite(g).all() for g in gradients.parameters.values())
    if form == "gates":
        assert_identical(model(x + 1)[0], y, "y")
        assert not gradients.x.any()


@pytest.mark.parametrize("form", FORMS)
def test_equal_values(form, dtype):
    """With weights that are all equal, every gate sees the same: its shift is all that counts."""
    model = peephole.LSTM(2, 4, layer_norm=form, peephole="none", dtype=dtype, seed=1)
    for name in ("weight_ih_l0", "weight_hh_l0"):
        model.parameters[name] = np.full(model.parameters[name].shape, 0.25)
    x = np.random.default_rng(0).standard_normal((3, 5, 2)).astype(dtype)
    y, _, tape = model.forward(x)
    np.testing.assert_allclose(y, model(0 * x)[0], atol=1e-3)
    gradients = model.backward(tape, np.ones_like(y))
    assert all(np.isfinite(g).all() for g in gradients.parameters.values())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_not_finite(form, wrong, dtype):
    """It stays in its row of the batch."""
    model = peephole.LSTM(2, 9, layer_norm=form, dtype=dtype, seed=1)
    x = np.random.default_rng(0).standard_normal((4, 5, 2)).astype(dtype)
    y = model(x)[0]
    x[1, 2] = wrong
    changed = model(x)[0]
    assert_identical(np.delete(changed, 1, 0), np.delete(y, 1, 0), "other rows")
    assert_identical(changed[1, :2], y[1, :2], "earlier steps")
    assert np.isnan(changed[1, 2:]).all()


def test_gains_begin_at_one_and_leave_the_other_weights_as_they_are():
    plain = peephole.LSTM(3, 4, seed=7)
    for form in FORMS:
        model = peephole.LSTM(3, 4, layer_norm=form, seed=7)
        for name in model.parameters:
            value = np.asarray(model.parameters[name])
            if name in plain.parameters:
                assert_identical(value, np.asarray(plain.parameters[name]), name)
            else:
                assert (value == name.startswith("gain")).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layer_norm": "layers"}, ValueError, "layer_norm: expected one of gates, products"),
        ({"layer_norm": True}, TypeError, "layer_norm: expected a string"),
        ({"layer_norm_cell": "c"}, ValueError, "layer_norm_cell: expected one of state, output"),
        ({"layer_norm_cell": None}, TypeError, "layer_norm_cell: expected a string"),
        ({"layer_norm_epsilon": 0.0}, ValueError, "layer_norm_epsilon: .* 1e-30..1, got 0"),
        ({"layer_norm_epsilon": 1e-40}, ValueError, "layer_norm_epsilon: .* got 1e-40"),
        ({"layer_norm_epsilon": 2}, ValueError, "layer_norm_epsilon: .* got 2"),
        ({"layer_norm_epsilon": float("nan")}, ValueError, "layer_norm_epsilon: .* got nan"),
        ({"layer_norm_epsilon": "small"}, TypeError, "layer_norm_epsilon: "),
    ],
)
def test_wrong_options(options, error, message):
    with pytest.raises(error, match=message):
        peephole.LSTM(2, 3, **options)

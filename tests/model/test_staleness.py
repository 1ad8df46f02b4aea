"""Results never use old weights: a write through any view takes effect in the next call."""

import copy
import gc
import pickle
import threading

import numpy as np
import peephole
import pytest
from support.tolerances import assert_identical

INPUTS, UNITS = 3, 4


@pytest.fixture
def lstm():
    return peephole.LSTM(INPUTS, UNITS, 2, seed=1)


@pytest.fixture
def x(rng):
    return rng.standard_normal((2, 5, INPUTS)).astype(np.float32)


def fresh(model, x):
    """The result of a new model with these weights."""
    twin = peephole.LSTM(INPUTS, UNITS, 2, seed=9)
    for name in twin.parameters:
        twin.parameters[name] = model.parameters[name]
    return twin(x)[0]


def assert_current(model, x, before):
    """The model uses its current weights, which differ from those of `before`."""
    y, _ = model(x)
    assert not np.array_equal(y, before)
    assert_identical(y, fresh(model, x), "y")
    assert_identical(model.forward(x)[0], y, "y of forward")


NAMES = [f"{name}_l{k}" for k in (0, 1) for name in ("weight_ih", "weight_hh", "weight_ch", "bias")]


@pytest.mark.parametrize("name", NAMES)
def test_through_a_view(lstm, x, name):
    before, _ = lstm(x)
    view = lstm.parameters[name]
    view += 0.5
    assert_current(lstm, x, before)


@pytest.mark.parametrize("name", NAMES)
def test_through_a_view_held_long(lstm, x, name):
    view = lstm.parameters[name]
    for _ in range(3):
        before, _ = lstm(x)
        view.flat[0] += 0.5
        assert_current(lstm, x, before)


@pytest.mark.parametrize("name", NAMES)
def test_by_assignment(lstm, x, name):
    before, _ = lstm(x)
    lstm.parameters[name] = np.full(lstm.parameters.shape(name), 0.25, np.float32)
    assert_current(lstm, x, before)


def test_through_views_of_a_view(lstm, x):
    row = lstm.parameters["weight_hh_l0"][1]
    transposed = lstm.parameters["weight_hh_l1"].T[1:, ::2]
    gc.collect()
    for view in (row, transposed, row[2:3].reshape(1, 1), memoryview(row)):
        before, _ = lstm(x)
        np.asarray(view)[...] += 0.5
        assert_current(lstm, x, before)


def test_after_the_view_is_gone(lstm, x):
    """Weights that are packed after a view is deleted include what it wrote."""
    before, _ = lstm(x)
    view = lstm.parameters["weight_ih_l0"]
    lstm(x)
    view *= -1
    del view
    gc.collect()
    assert_current(lstm, x, before)
    before, _ = lstm(x)
    lstm.parameters["weight_ih_l0"][...] *= -1  # a view for the length of one expression
    assert_current(lstm, x, before)


def test_from_another_thread(lstm, x):
    view = lstm.parameters["weight_ih_l0"]
    before, _ = lstm(x)
    thread = threading.Thread(target=view.fill, args=(0.25,))
    thread.start()
    thread.join()
    assert_current(lstm, x, before)


@pytest.mark.parametrize("way", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_is_independent(lstm, x, way):
    held = lstm.parameters["weight_hh_l1"]
    before, _ = lstm(x)
    twin = way(lstm)
    assert_identical(twin(x)[0], before, "y of the copy")

    view = twin.parameters["weight_hh_l1"]
    view += 0.5
    assert_current(twin, x, before)
    assert_identical(lstm(x)[0], before, "y of the original")

    after, _ = twin(x)
    held -= 0.5
    assert_current(lstm, x, before)
    assert_identical(twin(x)[0], after, "y of the copy")


def test_a_copy_without_a_view(lstm, x):
    """Nothing packed for the original is used for the copy."""
    before, _ = lstm(x)
    twin = copy.deepcopy(lstm)
    twin.parameters["weight_ih_l0"] = np.zeros((4 * UNITS, INPUTS), np.float32)
    assert_current(twin, x, before)
    assert_identical(lstm(x)[0], before, "y of the original")


def test_through_torch(lstm, x):
    torch = pytest.importorskip("torch", reason="writes through a torch tensor of the same memory")
    tensor = torch.from_numpy(lstm.parameters["weight_ih_l0"])
    gc.collect()
    before, _ = lstm(x)
    with torch.no_grad():
        tensor.mul_(2.0)
    assert_current(lstm, x, before)
    assert np.shares_memory(tensor.numpy(), lstm.parameters["weight_ih_l0"])


def test_a_view_outlives_its_model():
    views = {}
    for seed in range(8):
        model = peephole.Network(INPUTS, UNITS, 2, seed=seed)
        views[seed] = model.parameters["weight_hh_l0"], model.parameters["weight_hh_l0"].copy()
        del model
    gc.collect()
    np.ones((64, 1024)).sum()  # would reuse the memory if it had been freed
    for view, value in views.values():
        assert_identical(view, value, "view")
        view[...] = 0.0
        assert not view.any()


def test_results_outlive_their_model(lstm, x):
    y, final, tape = lstm.forward(x)
    kept = y.copy(), final[0][1].copy()
    del lstm
    gc.collect()
    assert_identical(y, kept[0], "y")
    assert_identical(final[0][1], kept[1], "c")
    assert tape is not None


def test_network_and_its_stack_share_memory(x):
    net = peephole.Network(INPUTS, UNITS, 2, num_layers=2, seed=0)
    for name in net.lstm.parameters:
        assert np.shares_memory(net.lstm.parameters[name], net.parameters[name])
    assert set(net.parameters) - set(net.lstm.parameters) == {"head.weight", "head.bias"}

    stack, before = net.lstm, net.predict(x)
    hidden, _ = stack(x)
    net.parameters["weight_ih_l0"][...] += 0.5
    assert_current(stack, x, hidden)
    after = net.predict(x)
    assert not np.array_equal(after, before)
    stack.parameters["weight_ih_l0"][...] -= 0.5
    stack.parameters["bias_l1"] = np.ones(4 * UNITS, np.float32)
    assert not np.array_equal(net.predict(x), after)
    assert_current(net.lstm, x, hidden)


def test_the_head(x):
    net = peephole.Network(INPUTS, UNITS, 2, seed=0)
    view = net.parameters["head.weight"]
    before = net.predict(x)
    view += 0.5
    after = net.predict(x)
    assert not np.array_equal(after, before)
    net.parameters["head.bias"] = np.ones(2, np.float32)
    np.testing.assert_allclose(net.predict(x), after + 1, rtol=1e-6)


def test_a_stack_outlives_its_network(x):
    net = peephole.Network(INPUTS, UNITS, 2, num_layers=2, seed=0)
    stack = net.lstm
    y, _ = stack(x)
    del net
    gc.collect()
    assert_identical(stack(x)[0], y, "y")
    stack.parameters["weight_hh_l0"][...] *= 2
    assert_current(stack, x, y)


@pytest.mark.parametrize("hold", [True, False], ids=["view held", "no view"])
def test_a_step_of_an_optimiser(lstm, x, hold):
    view = lstm.parameters["weight_ch_l1"] if hold else None
    adam = peephole.optim.Adam(lstm.parameters, learning_rate=0.1)
    for _ in range(3):
        before, _, tape = lstm.forward(x)
        gradients = lstm.backward(tape, before)
        if hold:
            value = view.copy()
        adam.step(gradients)
        assert_current(lstm, x, before)
        if hold:
            assert not np.array_equal(view, value)
            assert np.shares_memory(view, lstm.parameters["weight_ch_l1"])


@pytest.mark.parametrize("hold", [True, False], ids=["view held", "no view"])
def test_training_shows(x, hold):
    """An optimiser's steps take effect in the next call, and in existing views."""
    net = peephole.Network(INPUTS, UNITS, 2, num_layers=2, seed=0)
    views = {name: net.parameters[name] for name in net.parameters} if hold else {}
    values = {name: np.array(net.parameters[name]) for name in net.parameters}
    before, hidden = net.predict(x), net.lstm(x)[0]
    targets = np.ones((*x.shape[:2], 2), np.float32)
    net.fit(x, targets, epochs=2, batch_size=2, learning_rate=0.01, seed=0, progress=False)
    for name, view in views.items():
        assert not np.array_equal(view, values[name]), name
        assert np.shares_memory(view, net.parameters[name])
    assert not np.array_equal(net.predict(x), before)
    assert_current(net.lstm, x, hidden)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("kind", ["lstm", "network"])
def test_a_tape_may_take_over_the_memory_of_one_that_is_gone(kind, recompute):
    """Of a larger model, of more and longer sequences, with dropout."""

    def model(inputs, units, **options):
        if kind == "lstm":
            return peephole.LSTM(inputs, units, seed=1, **options)
        return peephole.Network(inputs, units, 3, seed=1, **options)

    def train(of, x, **arguments):
        y, _, tape = of.forward(x, recompute=recompute, **arguments)
        gradients = of.backward(tape, y)
        return [y, gradients.x, *gradients.parameters.values()], tape.nbytes

    small, x = model(2, 5), np.random.default_rng(0).standard_normal((3, 7, 2), np.float32)
    expected, bytes_expected = train(small, x)
    large = model(4, 40, num_layers=3, dropout=0.5, bidirectional=True)
    train(large, np.ones((9, 30, 4), np.float32), seed=2, lengths=range(21, 30))
    got, bytes_got = train(small, x)
    assert bytes_got == bytes_expected
    for array, same in zip(got, expected, strict=True):
        assert_identical(array, same)

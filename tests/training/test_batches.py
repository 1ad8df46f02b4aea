"""Batches as validation data and as input of predict, and predict from a state."""

import numpy as np
import peephole
import pytest
from support.fitting import INPUTS, OUTPUTS, T, network, quiet, ragged, values_of
from support.refusals import refused

N = 6


@pytest.fixture
def data(rng):
    return rng.standard_normal((N, T, INPUTS)), rng.integers(0, OUTPUTS, N)


def in_two(x, y):
    return [(x[:4], y[:4]), (x[4:], y[4:])]


class Batches:
    """An iterable that is not a list."""

    def __init__(self, batches):
        self._batches = batches

    def __iter__(self):
        return iter(self._batches)


@pytest.mark.parametrize("form", [Batches, lambda b: lambda: iter(b)], ids=["iterable", "function"])
@pytest.mark.parametrize("train_on", ["arrays", "batches"])
def test_validation_with_batches(data, form, train_on):
    """As with the same data in memory, in batches of the same sizes."""
    x, y = data
    held = x[::-1].copy(), y[::-1].copy()
    histories = []
    for validation_data in (held, form(in_two(*held))):
        net = network()
        options = {"metrics": ["accuracy"], "epochs": 3, "early_stopping": 2}
        if train_on == "arrays":
            arguments, options["batch_size"] = (x, y), 4
        else:
            arguments = (form(in_two(x, y)), None)
        histories.append((quiet(net, *arguments, validation_data=validation_data, **options), net))
    (expected, twin), (history, net) = histories
    np.testing.assert_allclose(history.validation["loss"], expected.validation["loss"], rtol=1e-12)
    assert history.validation["accuracy"] == expected.validation["accuracy"]
    for name, value in values_of(twin).items():
        np.testing.assert_array_equal(net.parameters[name], value)


@pytest.mark.parametrize(
    ("batches", "says"),
    [
        (lambda: [], "at least one batch"),
        (lambda: [np.zeros((2, T, INPUTS))], "batches (x, y)"),
        (lambda: [(np.zeros((2, T, 9)), [0, 0])], "(2, 7, 9) (in batch 1)"),
    ],
)
def test_wrong_validation_batches(data, batches, says):
    with pytest.raises((TypeError, ValueError)) as caught:
        quiet(network(), *data, validation_data=batches)
    assert str(caught.value).startswith("validation_data: ")
    assert says in str(caught.value)


def test_an_iterator_to_validate_with_lasts_for_one_epoch(data):
    with refused(ValueError, "validation_data", "only once"):
        quiet(network(), *data, validation_data=iter(in_two(*data)))
    quiet(network(), *data, validation_data=iter(in_two(*data)), epochs=1)


@pytest.mark.parametrize("readout", ["all", "last"])
def test_predict_over_batches(rng, data, readout):
    x, _ = data
    net = network(readout=readout)
    expected = net.predict(x)
    taken = []

    def source():
        for k in range(0, N, 2):
            taken.append(k)
            yield x[k : k + 2]

    results = net.predict(source())
    assert taken == [], "one batch at a time, when it is asked for"
    np.testing.assert_array_equal(next(results), expected[:2])
    assert taken == [0]
    np.testing.assert_array_equal(np.concatenate(list(results)), expected[2:])
    np.testing.assert_array_equal(np.concatenate(list(net.predict(source))), expected)

    lengths = rng.integers(1, T + 1, N)
    (y,) = net.predict(iter([(x, lengths)]))
    np.testing.assert_array_equal(y, net.predict(x, lengths))
    sequences = ragged(rng)
    (y,) = net.predict(iter([sequences]))
    for mine, whole in zip(y, net.predict(sequences), strict=True):
        np.testing.assert_array_equal(mine, whole)


def test_wrong_batches_to_predict(data):
    net = network()
    results = net.predict(iter([data[0], np.zeros((2, T, 9))]))
    next(results)
    with refused(ValueError, "x", "(in batch 2)"):
        next(results)
    for name in ("lengths", "state"):
        with refused(ValueError, name, "allowed only with data in memory"):
            net.predict(iter([data[0]]), **{name: [1]})


@pytest.mark.parametrize("readout", ["all", "last"])
@pytest.mark.parametrize("batch_size", [2, 100])
def test_predict_from_a_state(rng, readout, batch_size):
    x = rng.standard_normal((N, T, INPUTS))
    net = network(readout=readout)
    expected, final = net(x)
    _, state = net.predict(x[:, :3], return_state=True, batch_size=batch_size)
    y, last = net.predict(x[:, 3:], state=state, return_state=True, batch_size=batch_size)
    np.testing.assert_array_equal(y, expected[:, 3:] if readout == "all" else expected)
    np.testing.assert_array_equal(last, final)
    np.testing.assert_array_equal(
        net.predict(x[:, 3:], state=state, batch_size=batch_size), y, "y alone"
    )
    one, of_one = net.predict(x[0, 3:], state=[(h[0], c[0]) for h, c in state], return_state=True)
    np.testing.assert_array_equal(one, y[0])
    np.testing.assert_array_equal(of_one[0][0], final[0][0][0])


@pytest.mark.parametrize("readout", ["all", "last"])
def test_predict_lists_from_a_state(rng, readout):
    x = ragged(rng)
    net = network(readout=readout)
    heads, tails = [s[: len(s) // 2] for s in x], [s[len(s) // 2 :] for s in x]
    _, state = net.predict(heads, return_state=True, batch_size=5)
    y = net.predict(tails, state=state, batch_size=5)
    for mine, tail, whole in zip(y, tails, net.predict(x), strict=True):
        np.testing.assert_array_equal(mine, whole[-len(tail) :] if readout == "all" else whole)


@pytest.mark.parametrize(
    ("state", "error", "argument"),
    [
        (3, TypeError, "state"),
        ([], ValueError, "state"),
        ([(np.zeros((N, 5)),)], TypeError, "state[0]"),
        ([(np.zeros((N, 5)), np.zeros((N, 4)))], ValueError, "state[0].c"),
        ([(np.zeros((2, 5)), np.zeros((N, 5)))], ValueError, "state[0].h"),
        ([(np.zeros((N, 5), "U1"), np.zeros((N, 5)))], TypeError, "state[0].h"),
    ],
)
def test_wrong_states(data, state, error, argument):
    with refused(error, argument):
        network().predict(data[0], state=state, batch_size=2)
    if argument != "state[0]":
        with refused(error, argument):
            network().predict(data[0], state=state)


def test_no_sequences():
    net = peephole.Network(INPUTS, 5, 2, seed=0)
    y, state = net.predict([], return_state=True)
    assert y == []
    assert state[0][0].shape == (0, 5)

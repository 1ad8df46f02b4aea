"""The arguments of a user's loss, and how its results are used."""

import numpy as np
import pytest
from support.fitting import INPUTS, OUTPUTS, N, T, network, quiet, ragged, values_of
from support.refusals import refused


class Noting:
    """The squared error of the first output, and a list of what it was given."""

    def __init__(self, dtype=None):
        self.calls, self.dtype = [], dtype

    def __call__(self, y_pred, y_true, lengths):
        self.calls.append((y_pred.copy(), y_true.copy(), lengths.copy()))
        dy = np.zeros(y_pred.shape, self.dtype or y_pred.dtype)
        dy[..., 0] = 2 * y_pred[..., 0] / len(y_pred)
        return float(np.square(y_pred[..., 0]).sum() / len(y_pred)), dy


@pytest.mark.parametrize("width", [(), (1,), (7,), (2, 3)])
@pytest.mark.parametrize("kind", ["int64", "float32", "bool", "U3"])
@pytest.mark.parametrize("readout", ["all", "last"])
def test_targets_of_any_width_and_dtype(readout, kind, width, rng):
    shape = (N, T, *width) if readout == "all" else (N, *width)
    x, y = rng.standard_normal((N, T, INPUTS)), rng.integers(0, 2, shape).astype(kind)
    loss = Noting()
    quiet(network("identity", readout), x, y, loss=loss, epochs=1, shuffle=False)
    seen = [y_true for _, y_true, _ in loss.calls]
    assert {a.dtype for a in seen} == {y.dtype}
    np.testing.assert_array_equal(np.concatenate(seen), y)


@pytest.mark.parametrize("readout", ["all", "last"])
def test_shapes_lengths_and_padding(readout, rng):
    x = ragged(rng)
    y = [np.ones((len(s), 2), np.int32) for s in x] if readout == "all" else np.ones((N, 2))
    net, loss = network("identity", readout, dtype="float32"), Noting()
    quiet(net, x, y, loss=loss, epochs=1, shuffle=False)
    lengths = np.concatenate([n for _, _, n in loss.calls])
    np.testing.assert_array_equal(lengths, [len(s) for s in x])
    for y_pred, y_true, n in loss.calls:
        assert y_pred.dtype == np.float32
        assert y_pred.shape == (len(n), *([n.max()] if readout == "all" else []), OUTPUTS)
        if readout == "all":
            padding = np.arange(n.max()) >= n[:, None]
            assert y_true.dtype == np.int32
            assert not y_pred[padding].any()
            assert not y_true[padding].any()


def test_pieces(rng):
    """With tbptt the lengths are those within the piece, and may be 0."""
    x = [rng.standard_normal((length, INPUTS)) for length in (7, 3, 5)]
    y = [s[:, 0] for s in x]
    loss = Noting()
    options = {"epochs": 1, "shuffle": False, "batch_size": 3}
    quiet(network("identity", "all"), x, y, loss=loss, tbptt=3, **options)
    assert [n.tolist() for _, _, n in loss.calls] == [[3, 3, 3], [3, 0, 2], [1, 0, 0]]
    loss = Noting()
    quiet(network("identity", "last"), x, np.zeros(3), loss=loss, tbptt=4, **options)
    assert [n.tolist() for _, _, n in loss.calls] == [[4, 3, 4]]


@pytest.mark.parametrize("of_dy", ["float32", "float64", "float16"])
def test_dtype_of_dy(of_dy, dtype, rng):
    x, y = rng.standard_normal((N, T, INPUTS)), np.zeros(N)
    net, same = (network("identity", "last", dtype=dtype) for _ in range(2))
    quiet(net, x, y, loss=Noting(of_dy))
    quiet(same, x, y, loss=Noting())
    for name, value in values_of(same).items():
        np.testing.assert_allclose(net.parameters[name], value, atol=1e-4)


def test_dy_in_padding_is_ignored(rng):
    x = ragged(rng)
    y = [np.zeros(len(s)) for s in x]

    def careless(y_pred, y_true, lengths):
        loss, dy = Noting()(y_pred, y_true, lengths)
        dy[np.arange(dy.shape[1]) >= lengths[:, None]] = 1e6
        return loss, dy

    net, same = network("identity", "all"), network("identity", "all")
    quiet(net, x, y, loss=careless)
    quiet(same, x, y, loss=Noting())
    np.testing.assert_equal(values_of(net), values_of(same))


@pytest.mark.parametrize("readout", ["all", "last"])
def test_missing_targets(readout, rng):
    """Refused, unless the function is said to leave them out: then it gets NaN."""
    shape = (N, T, 3) if readout == "all" else (N, 3)
    x, y = rng.standard_normal((N, T, INPUTS)), np.zeros(shape)
    y[4, ..., 1] = np.nan
    loss = Noting()
    with refused(ValueError, "y", 'missing="skip" passes it to the loss'):
        quiet(network("identity", readout), x, y, loss=loss)
    assert not loss.calls
    quiet(network("identity", readout), x, y, loss=loss, missing="skip", shuffle=False)
    seen = np.concatenate([y_true for _, y_true, _ in loss.calls])
    np.testing.assert_array_equal(seen[:N], y)


def test_nan_in_padding_is_not_missing():
    x, y = np.zeros((N, T, INPUTS)), np.zeros((N, T))
    y[:, 4:] = np.nan
    quiet(network("identity", "all"), x, y, lengths=np.full(N, 4), loss=Noting())

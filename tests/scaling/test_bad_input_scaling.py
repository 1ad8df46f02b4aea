"""Wrong arguments of Standardiser: each a clear error, and nothing is changed."""

import numpy as np
import pytest
from peephole import Standardiser
from support.refusals import refused

X = np.arange(24.0).reshape(2, 4, 3)


def with_value(value):
    x = X.copy()
    x[1, 2, 0] = value
    return x


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("x", "lengths", "error", "argument"),
    [
        (None, None, ValueError, "x"),
        ([], None, ValueError, "x"),
        (np.zeros(3), None, ValueError, "x"),
        (np.zeros((1, 2, 4, 3)), None, ValueError, "x"),
        (np.zeros((2, 4, 0)), None, ValueError, "x"),
        (np.zeros((0, 4, 3)), None, ValueError, "x"),
        (np.zeros((0, 3)), None, ValueError, "x"),
        (X, [0, 0], ValueError, "x"),
        (with_value(np.inf), None, ValueError, "x"),
        (with_value(-np.inf), None, ValueError, "x"),
        (with_value(1e200), None, ValueError, "x"),
        (X.astype(complex), None, TypeError, "x"),
        (X.astype(str), None, TypeError, "x"),
        (np.ma.masked_less(X, 3), None, TypeError, "x"),
        ([X[0], X[1, :, :2]], None, ValueError, "x[1]"),
        ([X[0], X[1, 0]], None, ValueError, "x[1]"),
        ([X[0, 0], X[1, 0]], None, ValueError, "x"),
        ([X[0], X[1].astype(str)], None, TypeError, "x[1]"),
        ([1.0, 2.0], None, ValueError, "x"),
        (X[0], [4], ValueError, "lengths"),
        (list(X), [4, 4], ValueError, "lengths"),
        (X, [4], ValueError, "lengths"),
        (X, [4, 5], ValueError, "lengths"),
        (X, [4, -1], ValueError, "lengths"),
        (X, [4.0, 2.0], TypeError, "lengths"),
    ],
)
def test_fit(method, x, lengths, error, argument):
    new, scaling = Standardiser(), Standardiser().fit(X)
    for before in (new, scaling):
        with refused(error, argument):
            getattr(before, method)(x, lengths)
    assert new == Standardiser()
    assert scaling == Standardiser().fit(X)


def test_other_features_than_before():
    scaling = Standardiser().fit(X)
    with refused(ValueError, "x", says="3"):
        scaling.partial_fit(X[..., :2])
    with refused(ValueError, "x[0]", says="3"):
        scaling.partial_fit([X[0, :, :2]])
    assert scaling == Standardiser().fit(X)


@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
@pytest.mark.parametrize(
    ("x", "lengths", "error", "argument"),
    [
        (None, None, TypeError, "x"),
        (3.0, None, ValueError, "x"),
        (X[..., :2], None, ValueError, "x"),
        (X[0, :, 0], None, ValueError, "x"),
        (X.astype(complex), None, TypeError, "x"),
        (np.ma.masked_less(X, 3), None, TypeError, "x"),
        ([X[0], X[1, :, :2]], None, ValueError, "x[1]"),
        ([X[0], X[1].astype(str)], None, TypeError, "x[1]"),
        (X[0], [4], ValueError, "lengths"),
        (list(X), [4, 4], ValueError, "lengths"),
        (X, [4], ValueError, "lengths"),
        (X, [4, 5], ValueError, "lengths"),
        (X, [4.0, 2.0], TypeError, "lengths"),
    ],
)
def test_transform(method, x, lengths, error, argument):
    with refused(error, argument):
        getattr(Standardiser().fit(X), method)(x, lengths)


@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_before_a_fit(method):
    with pytest.raises(ValueError, match=r"^Standardiser: expected a call of fit first"):
        getattr(Standardiser(), method)(X)


@pytest.mark.parametrize("name", ["mean_", "scale_", "variance_", "count_"])
def test_attributes_before_a_fit(name):
    assert not hasattr(Standardiser(), name)
    assert hasattr(Standardiser().fit(X), name)
    with pytest.raises(AttributeError):
        setattr(Standardiser().fit(X), name, np.zeros(3))

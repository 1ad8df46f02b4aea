"""Wrong arguments of training: each a clear error, and neither model nor data changed."""

import numpy as np
import peephole
import pytest
from support.refusals import Wrong, refused, table, unchanged

NAN, INFINITY = float("nan"), float("inf")

X = np.ones((4, 5, 3), np.float32)
LABELS = np.array([0, 1, 1, 0])
TARGETS = np.zeros((4, 2))


def spoilt(array, value):
    """A copy with one entry changed."""
    array = array.copy()
    array.flat[-1] = value
    return array


WRONG_FIT = [
    *table(
        "x",
        Wrong("other features", X[..., :2], ValueError, says="got (4, 5, 2)"),
        Wrong("single sequence", X[0], ValueError, "y", "got (1, 4, 2)"),
        Wrong("single sequence of other features", X[0, :, :2], ValueError, says="got (5, 2)"),
        Wrong("no sequences", X[:0], ValueError),
        Wrong("no steps", X[:, :0], ValueError),
        Wrong("an empty list", [], ValueError),
        Wrong("complex", X * 1j, TypeError, says="complex64"),
        Wrong("objects", X.astype(object), TypeError),
        Wrong("a list, one with other features", [*X[:3], X[3, :, :2]], ValueError, "x[3]"),
        Wrong("a list, one of objects", [*X[:3], X[3].astype(object)], TypeError, "x[3]"),
        Wrong("a list of steps", list(X[0]), ValueError, "x[0]"),
        Wrong("None", None, TypeError),
    ),
    *table(
        "lengths",
        Wrong("too few", [5], ValueError, says="(4,), got (1,)"),
        Wrong("beyond T", [5, 6, 5, 5], ValueError, says="0..5"),
        Wrong("negative", [5, -1, 5, 5], ValueError, says="-1"),
        Wrong("floats", [5.0] * 4, TypeError, says="float64"),
        Wrong("NaN", [5, NAN, 5, 5], TypeError),
        Wrong("a sequence without a step", [5, 0, 5, 5], ValueError, "x"),
    ),
    *table(
        "epochs",
        Wrong("zero", 0, ValueError),
        Wrong("negative", -1, ValueError),
        Wrong("float", 2.0, TypeError),
        Wrong("bool", True, TypeError),
    ),
    *table(
        "batch_size",
        Wrong("zero", 0, ValueError),
        Wrong("negative", -1, ValueError),
        Wrong("float", 2.0, TypeError),
    ),
    *table(
        "learning_rate",
        Wrong("negative", -1e-3, ValueError),
        Wrong("zero", 0.0, ValueError),
        Wrong("NaN", NAN, ValueError),
        Wrong("infinite", INFINITY, ValueError),
        Wrong("text", "1e-3", TypeError),
        Wrong("None", None, TypeError),
        Wrong("bool", True, TypeError),
    ),
    *table(
        "clip_norm",
        Wrong("negative", -1.0, ValueError),
        Wrong("zero", 0.0, ValueError),
        Wrong("NaN", NAN, ValueError),
        Wrong("text", "1", TypeError),
    ),
    *table("seed", Wrong("negative", -1, ValueError), Wrong("float", 0.5, TypeError)),
]
WRONG_LABELS = table(
    "y",
    Wrong("too large", spoilt(LABELS, 2), ValueError, says="0..1"),
    Wrong("negative", spoilt(LABELS, -1), ValueError, says="0..1"),
    Wrong("floats", LABELS.astype(float), TypeError, says="float64"),
    Wrong("bools", LABELS == 1, TypeError, says="bool"),
    Wrong("strings", LABELS.astype(str), TypeError),
    Wrong("too few", LABELS[:3], ValueError, says="(4,), got (3,)"),
    Wrong("one a step", np.zeros((4, 5), int), ValueError, says="got (4, 5)"),
    Wrong("one-hot", np.eye(2, dtype=int)[LABELS], ValueError, says="got (4, 2)"),
    Wrong("None", None, TypeError),
)
WRONG_TARGETS = table(
    "y",
    Wrong("NaN", spoilt(TARGETS, NAN), ValueError, says="nan"),
    Wrong("infinite", spoilt(TARGETS, -INFINITY), ValueError, says="-inf"),
    Wrong("beyond float32", spoilt(TARGETS, 1e300), ValueError, says="inf"),
    Wrong("too few", TARGETS[:3], ValueError, says="(4, 2), got (3, 2)"),
    Wrong("too many outputs", np.zeros((4, 3)), ValueError, says="got (4, 3)"),
    Wrong("without outputs", TARGETS[:, 0], ValueError, says="got (4,)"),
    Wrong("complex", TARGETS * 1j, TypeError, says="complex128"),
    Wrong("objects", TARGETS.astype(object), TypeError, says="object"),
)


def check_fit(head, argument, wrong, *, in_score):
    net = peephole.Network(3, 4, 2, head=head, readout="last", seed=0)
    y = LABELS if head == "softmax" else TARGETS
    arguments = {"x": X, "y": y} | {argument: wrong.value}
    expected = (wrong.error, wrong.argument or argument, wrong.says)
    with unchanged(net, list(arguments.values())), refused(*expected):
        net.fit(**arguments, progress=False)
    if in_score:
        with refused(*expected):
            net.score(**arguments)


@pytest.mark.parametrize(("argument", "wrong"), WRONG_FIT)
def test_fit(argument, wrong):
    check_fit("identity", argument, wrong, in_score=argument in ("x", "lengths"))


@pytest.mark.parametrize(("argument", "wrong"), WRONG_LABELS)
def test_labels(argument, wrong):
    check_fit("softmax", argument, wrong, in_score=True)


@pytest.mark.parametrize(("argument", "wrong"), WRONG_TARGETS)
def test_targets(argument, wrong):
    check_fit("tanh", argument, wrong, in_score=True)


def test_no_data():
    for readout, labels in (("last", LABELS[:0]), ("all", np.zeros((0, 5), int))):
        net = peephole.Network(3, 4, 2, head="softmax", readout=readout, seed=0)
        with unchanged(net), refused(ValueError, "x"):
            net.fit(X[:0], labels, progress=False)
        with refused(ValueError, "x"):
            net.score(X[:0], labels)


def test_lengths_of_a_list():
    net = peephole.Network(3, 4, 2, readout="last", seed=0)
    with unchanged(net), refused(ValueError, "lengths"):
        net.fit(list(X), TARGETS, lengths=[5] * 4, progress=False)
    with refused(ValueError, "lengths"):
        net.predict(list(X), [5] * 4)


def test_values_that_are_not_finite():
    """What only training finds: the weights are those from before the step."""
    net = peephole.Network(3, 4, 2, readout="last", seed=0)
    with unchanged(net), pytest.raises(FloatingPointError, match="nan"):
        net.fit(spoilt(X, NAN), TARGETS, batch_size=4, progress=False)


WRONG_PREDICT = [
    *table(
        "x",
        Wrong("other features", X[..., :2], ValueError),
        Wrong("a list, one with other features", [X[0], X[1, :, :2]], ValueError, "x[1]"),
        Wrong("a list, one of a batch", [X[0], X[:1]], ValueError, "x[1]"),
        Wrong("complex", X * 1j, TypeError),
    ),
    *table(
        "lengths", Wrong("beyond T", [6] * 4, ValueError), Wrong("floats", [5.0] * 4, TypeError)
    ),
    *table("batch_size", Wrong("zero", 0, ValueError), Wrong("float", 1.5, TypeError)),
]


@pytest.mark.parametrize("batch_size", [1, 1024])
@pytest.mark.parametrize(("argument", "wrong"), WRONG_PREDICT)
def test_predict(argument, wrong, batch_size):
    net = peephole.Network(3, 4, 2, seed=0)
    arguments = {"x": X, "batch_size": batch_size} | {argument: wrong.value}
    with refused(wrong.error, wrong.argument or argument, wrong.says):
        net.predict(**arguments)

"""The loss CTC refuses targets and options that it cannot use."""

import numpy as np
import pytest
from peephole import _core, losses
from support.fitting import INPUTS, network, quiet, values_of
from support.refusals import refused

X, Y = np.zeros((2, 6, INPUTS)), [[1], [1]]


@pytest.mark.parametrize(
    ("error", "argument", "part", "y", "options"),
    [
        (ValueError, "y", "2 label sequences as in x, got 3", [[1], [2], [3]], {}),
        (ValueError, "y", "labels in 0..3 other than the blank 0", [[1], [4]], {}),
        (ValueError, "y", "got 0 in sequence 1", [[1], [2, 0]], {}),
        (ValueError, "y[1]", "0 or more", [[1], [-1]], {}),
        (ValueError, "y", "got -1 in sequence 0", np.array([[1, -1, 2], [1, 1, 1]]), {}),
        (ValueError, "y", "got -2 in sequence 1", np.array([[1], [-2]]), {}),
        (ValueError, "y", "list of 2 label sequences", np.array([1, 2]), {}),
        (ValueError, "y[0]", "labels (S,)", [[[1]], [2]], {}),
        (TypeError, "y[0]", "integers", [[1.0], [2]], {}),
        (TypeError, "y", "integers", np.array([[1.0], [2.0]]), {}),
        (ValueError, "tbptt", "ctc", [[1], [2]], {"tbptt": 3}),
        (ValueError, "sample_weight", "(2,)", [[1], [2]], {"sample_weight": np.ones((2, 6))}),
        (ValueError, "class_weight", "cross_entropy", [[1], [2]], {"class_weight": "balanced"}),
        (
            ValueError,
            "metrics",
            "label_error_rate",
            [[1], [2]],
            {"metrics": "accuracy", "validation_data": (X, [[1], [2]])},
        ),
    ],
)
def test_bad_targets(error, argument, part, y, options):
    net = network("softmax", "all")
    before = values_of(net)
    with refused(error, argument, part):
        quiet(net, X, y, loss="ctc", **options)
    np.testing.assert_equal(values_of(net), before)


@pytest.mark.parametrize(
    ("error", "argument", "call"),
    [
        (ValueError, "blank", lambda: losses.CTC(-1)),
        (TypeError, "blank", lambda: losses.CTC(1.5)),
        (TypeError, "zero_infinity", lambda: losses.CTC(zero_infinity=1)),
        (ValueError, "loss", lambda: quiet(network("softmax", "all"), X, Y, loss=losses.CTC(4))),
        (ValueError, "loss", lambda: quiet(network("softmax", "last"), X, Y, loss="ctc")),
        (ValueError, "loss", lambda: quiet(network("sigmoid", "all"), X, Y, loss="ctc")),
        (ValueError, "ignore_label", lambda: network().score(X, Y, loss="ctc", ignore_label=2)),
        (TypeError, "loss", lambda: network().score(X, [1, 1], loss=len)),
        (ValueError, "loss", lambda: network("softmax", "all").score(X, [[1], [1]], loss="mse2")),
    ],
)  # fmt: skip
def test_bad_options(error, argument, call):
    with refused(error, argument):
        call()


def test_binding_refuses(rng):
    """The core checks what it is given, too."""
    logits, n = np.zeros((2, 3, 4)), np.array([3, 3])
    good = {"logits": logits, "lengths": n, "labels": np.array([1, 2]), "counts": np.array([1, 1])}
    _core.ctc(**good, blank=0)
    for change, argument in [
        ({"logits": logits[0]}, "logits"),
        ({"lengths": np.array([4, 3])}, "lengths"),
        ({"lengths": np.array([3])}, "lengths"),
        ({"labels": np.array([1, 0])}, "targets.labels"),
        ({"labels": np.array([1, 4])}, "targets.labels"),
        ({"labels": np.array([1, 2, 3])}, "targets.labels"),
        ({"counts": np.array([1, 2])}, "targets.counts"),
        ({"counts": np.array([3, -1])}, "targets.counts"),
        ({"counts": np.array([2])}, "targets.counts"),
        ({"blank": 4}, "blank"),
    ]:
        with pytest.raises(ValueError, match=f"^{argument}: "):
            _core.ctc(**{**good, "blank": 0, **change})

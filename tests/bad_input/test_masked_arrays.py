"""Masked arrays: values that are masked are never used, and never dropped silently."""

import numpy as np
import peephole
import pytest
from peephole import losses
from support.fitting import INPUTS, network, quiet
from support.refusals import refused

N, T = 4, 5
X, Y, LABELS = np.ones((N, T, INPUTS)), np.ones((N, T, 4)), np.zeros(N, int)


def masked(values):
    """The values with the first one masked."""
    mask = np.zeros(np.shape(values), bool)
    mask.flat[0] = True
    return np.ma.array(values, mask=mask)


H = np.zeros((N, 5))
STATE = ((masked(H), H),)


def fit(x=X, y=Y, **options):
    return lambda: quiet(network("identity", "all"), x, y, **options)


def backward(**gradients):
    def call():
        net = network("identity", "all")
        net.backward(net.forward(X)[2], **gradients)

    return call


def layer(dy=None, dstate=None):
    lstm = peephole.LSTM(INPUTS, 5, dtype="float64")
    return lstm.backward(lstm.forward(X)[2], np.ones((N, T, 5)) if dy is None else dy, dstate)


def stream():
    return peephole.Network(INPUTS, 5, 4, dtype="float64").stream(N)


def set_parameter():
    network().parameters["head.bias"] = masked(np.ones(4))


def set_state():
    stream().state = STATE


LENGTHS = masked(np.full(N, T))
CALLS = {
    "x of a call": ("x", lambda: network()(masked(X))),
    "x of a layer": ("x", lambda: peephole.LSTM(INPUTS, 2)(masked(X))),
    "x of forward": ("x", lambda: network().forward(masked(X))),
    "x of a layer's forward": ("x", lambda: peephole.LSTM(INPUTS, 2).forward(masked(X))),
    "x of predict": ("x", lambda: network().predict(masked(X))),
    "one sequence": ("x", lambda: network().predict(masked(X[0]))),
    "an item of a list": ("x[1]", lambda: network().predict([X[0], masked(X[0])])),
    "x of score": ("x", lambda: network().score(masked(X), LABELS)),
    "x of fit": ("x", fit(masked(X))),
    "an item of fit": ("x[2]", fit([X[0], X[0], masked(X[0]), X[0]])),
    "x of validation": ("validation_data: x", fit(validation_data=(masked(X), Y))),
    "x of a batch": ("x", fit(lambda: [(masked(X), Y)], None)),
    "y": ("y", fit(y=masked(Y))),
    "an item of y": ("y[0]", fit(list(X), [masked(Y[0]), *Y[1:]])),
    "y of a user's loss": ("y", fit(y=masked(Y), loss=lambda y, t, n: (0.0, y))),
    "y of validation": ("validation_data: y", fit(validation_data=(X, masked(Y)))),
    "labels": ("y", lambda: quiet(network(), X, masked(LABELS))),
    "y of score": ("y", lambda: network().score(X, masked(LABELS))),
    "weights": ("sample_weight", fit(sample_weight=masked(np.ones(N)))),
    "weights of steps": ("sample_weight", fit(sample_weight=masked(np.ones((N, T))))),
    "weights in a list": (
        "sample_weight[1]",
        fit(list(X), list(Y), sample_weight=[np.ones(T), masked(np.ones(T))] + [np.ones(T)] * 2),
    ),
    "weights of classes": (
        "class_weight",
        lambda: quiet(network(), X, LABELS, class_weight=masked(np.ones(4))),
    ),
    "weights of a loss": ("class_weight", lambda: losses.CrossEntropy(masked(np.ones(4)))),
    "pos_weight": ("pos_weight", lambda: losses.BinaryCrossEntropy(masked(np.ones(4)))),
    "quantiles": ("quantiles", lambda: losses.Quantile(masked(np.array([0.1, 0.5])))),
    "lengths of a call": ("lengths", lambda: network()(X, None, LENGTHS)),
    "lengths of predict": ("lengths", lambda: network().predict(X, LENGTHS)),
    "lengths of score": ("lengths", lambda: network().score(X, LABELS, LENGTHS)),
    "lengths of fit": ("lengths", fit(lengths=LENGTHS)),
    "state": ("state[0][0]", lambda: network()(X, STATE)),
    "state of a layer": ("state[0][0]", lambda: peephole.LSTM(INPUTS, 5)(X, STATE)),
    "state of a stream": ("state[0][0]", set_state),
    "step": ("x", lambda: stream().step(masked(X[:, 0]))),
    "block": ("x", lambda: stream().process(masked(X))),
    "dy": ("dy", backward(dy=masked(Y))),
    "dlogits": ("dlogits", backward(dlogits=masked(Y))),
    "dstate": ("dstate[0][0]", backward(dy=Y, dstate=STATE)),
    "dy of a layer": ("dy", lambda: layer(masked(np.ones((N, T, 5))))),
    "dstate of a layer": ("dstate[0][0]", lambda: layer(dstate=STATE)),
    "windows": ("series", lambda: peephole.windows(masked(np.arange(9.0)), 3)),
    "a parameter": ("head.bias", set_parameter),
    "masks": (
        "masks: head.bias",
        lambda: network(masks={"head.bias": masked(np.ones(4, bool))}),
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_is_refused(call):
    name, make = CALLS[call]
    with refused(TypeError, name, "masked"):
        make()


def test_says_how_to_leave_targets_out():
    with refused(TypeError, "y", 'y.filled(numpy.nan) and missing="skip"'):
        fit(y=masked(Y))()
    with refused(TypeError, "y", "ignore_label=-1"):
        quiet(network(), X, masked(LABELS))


def test_the_suggestion_works():
    gaps = masked(Y)
    net, same = network("identity", "all"), network("identity", "all")
    history = quiet(net, X, gaps.filled(np.nan), missing="skip")
    expected = quiet(same, X, np.where(gaps.mask, np.nan, Y), missing="skip")
    assert history == expected


def test_without_a_masked_value_it_is_an_array():
    x = np.ma.array(X, mask=False)
    np.testing.assert_array_equal(network().predict(x), network().predict(X))
    assert fit(x, np.ma.array(Y))() == fit()()

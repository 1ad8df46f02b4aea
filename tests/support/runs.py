"""Runs of a Case, and comparisons of their results."""


def run(case, lstm=None, dtype="float64"):
    return (lstm or case.build(dtype))(case.x, case.state, case.lengths)


def train(case, lstm=None, x=None, dy=None):
    """All results of a training pass, by name."""
    lstm = lstm or case.build()
    y, final, tape = lstm.forward(case.x if x is None else x, case.state, case.lengths)
    grads = lstm.backward(tape, case.dy if dy is None else dy, case.dstate)
    return named(y, final) | named(grads.x, grads.state, "d") | grads.parameters


def named(y, state, prefix=""):
    arrays = {prefix + "y": y}
    for k, (h, c) in enumerate(state):
        arrays |= {f"{prefix}state/{k}/h": h, f"{prefix}state/{k}/c": c}
    return arrays


def assert_all(check, actual, expected):
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        check(actual[name], array, name)


def rows(state, selection):
    """The state of some of the sequences."""
    return None if state is None else tuple((h[selection], c[selection]) for h, c in state)

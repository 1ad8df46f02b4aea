"""Networks with scalings, and texts of scalings in files."""

from support.model_files import network

NAMES = ("input_scaling", "target_scaling")


def with_scalings(scalings, **options):
    net = network(**options)
    net.input_scaling, net.target_scaling = scalings
    return net


def assert_same_scalings(net, scalings):
    for name, scaling in zip(NAMES, scalings, strict=True):
        assert getattr(net, name) == scaling


GOOD = {"mean": [0.5] * 3, "variance": [4.0] * 3, "scale": [2.0] * 3, "count": [5] * 3}
GOOD = {"kind": "Standardiser", **GOOD}
FORGED = {
    "no JSON": "{",
    "deep": "[" * 100_000,
    "no object": "[1, 2]",
    "another kind": {**GOOD, "kind": "MinMax"},
    "missing field": {k: v for k, v in GOOD.items() if k != "mean"},
    "unknown field": {**GOOD, "more": 1},
    "no list": {**GOOD, "mean": 0.5},
    "text": {**GOOD, "mean": ["0.5"] * 3},
    "bool": {**GOOD, "mean": [True] * 3},
    "NaN": {**GOOD, "mean": [float("nan")] * 3},
    "infinite": {**GOOD, "variance": [float("inf")] * 3},
    "large int": {**GOOD, "mean": [10**400] * 3},
    "large count": {**GOOD, "count": [2**63] * 3},
    "fractional count": {**GOOD, "count": [0.5] * 3},
    "negative count": {**GOOD, "count": [-1] * 3},
    "negative variance": {**GOOD, "variance": [-4.0] * 3},
    "another scale": {**GOOD, "scale": [2.0, 2.0, 3.0]},
    "lengths": {**GOOD, "mean": [0.5] * 2},
    "empty": {**GOOD, **{key: [] for key in ("mean", "variance", "scale", "count")}},
    "too few features": {k: v if k == "kind" else v[:2] for k, v in GOOD.items()},
}

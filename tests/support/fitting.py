"""Small networks and data for them, for the tests of training."""

import numpy as np
import peephole
from peephole.training import Callback
from peephole.training.data.sources import gives_batches

N, T, INPUTS, OUTPUTS = 12, 7, 3, 4


def ragged(rng, n=N, longest=T):
    """Some (T_i, I) arrays, the first of them the longest."""
    lengths = [longest, *rng.integers(1, longest, n - 1)]
    return [rng.standard_normal((length, INPUTS)) for length in lengths]


def padded(sequences, fill=0.0):
    """The same as one array, with its lengths."""
    lengths = np.array([len(sequence) for sequence in sequences])
    array = np.full((len(sequences), lengths.max(), *sequences[0].shape[1:]), fill)
    array = array.astype(sequences[0].dtype)
    for place, sequence in zip(array, sequences, strict=True):
        place[: len(sequence)] = sequence
    return array, lengths


def values_of(net):
    return {name: view.copy() for name, view in net.parameters.items()}


def assert_same_weights(net, twin, tolerance=1e-12):
    for name, value in values_of(net).items():
        np.testing.assert_allclose(twin.parameters[name], value, atol=tolerance, err_msg=name)


def network(head="softmax", readout="last", outputs=OUTPUTS, **options):
    options = {"seed": 0, "dtype": "float64", **options}
    return peephole.Network(INPUTS, 5, outputs, head=head, readout=readout, **options)


def quiet(net, x, y, **options):
    defaults = {"epochs": 2, "seed": 1, "progress": False}
    if not gives_batches(x):
        defaults["batch_size"] = 5
    return net.fit(x, y, **defaults | options)


def targets(rng, x, head, readout):
    """Fitting y for sequences x."""
    shapes = [(len(s),) if readout == "all" else () for s in x]
    if head == "softmax":
        y = [rng.integers(0, OUTPUTS, shape) for shape in shapes]
    else:
        y = [rng.uniform(0, 1, (*shape, OUTPUTS)) for shape in shapes]
    return y if readout == "all" else np.array(y)


KINDS = [
    (head, readout) for head in ("softmax", "sigmoid", "identity") for readout in ("last", "all")
]

GOOD_X = np.zeros((N, T, INPUTS))
GOOD_LABELS = np.zeros(N, int)


class StopAfter(Callback):
    def __init__(self, step):
        self.step = step

    def on_step(self, run):
        if run.step == self.step:
            run.stop()


def classification(rng, n=N):
    return rng.standard_normal((n, T, INPUTS)), rng.integers(0, OUTPUTS, n)

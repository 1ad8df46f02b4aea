"""Networks with a dense layer before the LSTM, and that layer in NumPy."""

import numpy as np
import peephole
from reference import lstm as reference

from support.strategies import fill


def built(case, inputs, activation, outputs=2, **options):
    """A network whose stack is that of `case`, its parameters and x.

    The dense layer has as many units as the case has features.
    """
    units = case.options["input_size"]
    dense = {"input_size": inputs, "input_dense_size": units, "input_activation": activation}
    sizes = {"output_size": outputs, "masks": case.masks or None}
    options = {**case.options, **dense, **sizes, "dtype": "float64", **options}
    net = peephole.Network(**options, seed=0)
    values = dict(case.parameters)
    for name in net.parameters:
        if name not in values:
            values[name] = case.rng(name).uniform(-0.6, 0.6, net.parameters[name].shape)
    fill(net, values)
    return (
        net,
        values,
        case.rng("x of the network").standard_normal((case.batch, case.time, inputs)),
    )


def dense(activation, parameters, x):
    """u (..., B, T, D) of x (..., B, T, I), with any leading axes."""
    weight, bias = parameters["input.weight"], parameters["input.bias"]
    z = np.einsum("...bti,...di->...btd", x, weight) + bias[..., None, None, :]
    return reference.ACTIVATIONS[activation](z)

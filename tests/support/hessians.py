"""Hessian-vector products of a case, by the library and by differences of its gradients."""

import numpy as np
from peephole import Tangents
from reference import derivatives

from support.quotients import initial_state

# Fourth-order differences of gradients in float64: truncation h^4, rounding 2^-52 / h.
HESSIAN = 1e-5
STEP = 1e-3


SMOOTH = {
    "input_size": 3,
    "hidden_size": [4, 3],
    "peephole": "dense",
    "peephole_gates": "ifgo",
    "output_peephole": "current",
    "bias": True,
    "activations": None,
    "coupled_input_forget": False,
    "bidirectional": True,
}


def point_of(case):
    return derivatives.make_point(case.x, initial_state(case), case.parameters)


def direction_of(case, purpose):
    """A direction in which everything moves, also masked weights, to no effect."""
    point = point_of(case)
    return derivatives.random_direction(case.rng(purpose), point, list(point))


def tangents_of(direction):
    return Tangents(
        direction["x"], derivatives.state_of(direction), derivatives.parameters_of(direction)
    )


def product(case, lstm, direction, **options):
    """The library's Hessian-vector product, as a point."""
    _, _, tape = lstm.forward(case.x, case.state, case.lengths, **options)
    _, moved = lstm.backward_jvp(tape, tangents_of(direction), case.dy, case.dstate)
    found = derivatives.gradient_point(moved)
    return {name: found[name] for name in direction}  # without a state that is not given


def gradient_at(case, model, point, backward, **options):
    for name in model.parameters:
        model.parameters[name] = point[name]
    _, _, tape = model.forward(point["x"], derivatives.state_of(point), case.lengths, **options)
    return derivatives.gradient_point(backward(tape))


def difference(case, model, direction, backward, **options):
    """The derivative of the gradient along a direction, by differences, as a point."""
    point = point_of(case) | {name: np.array(model.parameters[name]) for name in model.parameters}
    total = dict.fromkeys(point, 0.0)
    for factor, share in derivatives.STENCIL.items():
        for sign in (1, -1):
            moved = derivatives.move(point, direction, sign * factor * STEP)
            gradient = gradient_at(case, model, moved, backward, **options)
            for name in point:
                total[name] += sign * share / STEP * gradient[name]
    for name in model.parameters:
        model.parameters[name] = point[name]
    return total


def flat(point):
    return np.concatenate([np.ravel(point[name]) for name in sorted(point)])


def smooth(case, direction):
    model = derivatives.ReferenceModel(case)
    return not model.has_kinks or derivatives.is_smooth(
        model.regions_at, point_of(case), direction, STEP
    )

"""Difference quotients of a model's own values, to compare its gradients with."""

import numpy as np
from reference import derivatives
from reference import lstm as reference

from support.tolerances import relative_error

# Entries that are checked one by one in each array, and candidates among which they are looked for.
ENTRIES = 4
CANDIDATES = 3 * ENTRIES


def initial_state(case):
    """The state as a part of a point; nothing where sequences begin at parameters."""
    if case.state is None and case.options.get("initial_state") == "learned":
        return ()
    return case.state or tuple(
        (np.zeros((case.batch, P)), np.zeros((case.batch, H)))
        for P, H in reference.state_sizes(case.options)
    )


def weights_of(case):
    """The weights of y and the final states in the loss: dy without padding, dstate."""
    dy = np.where(case.real_steps[..., None], case.dy, 0.0)
    return [dy, *(array for pair in case.dstate for array in pair)]


def smooth_probes(rng, case, point, name):
    """Directions in one array, each with a step within which the model has no kink."""
    model = derivatives.ReferenceModel(case)
    entries = rng.permutation(point[name].size)[:CANDIDATES]
    candidates = list(derivatives.unit_entries(point, name, entries))
    every = [derivatives.random_direction(rng, point, [name]) for _ in range(3)]
    for group, wanted in ((candidates, ENTRIES), (every, 1)):
        found = 0
        for direction in group:
            for step in derivatives.STEPS:
                if found < wanted and (
                    not model.has_kinks
                    or derivatives.is_smooth(model.regions_at, point, direction, step)
                ):
                    found += 1
                    yield direction, step
                    break


def compare_quotients(case, model, gradient, point, weights):
    """For each array: its name, how many probes were made, and their relative error."""
    library, rng = derivatives.LibraryModel(case, model), case.rng("probes")
    for name in point:
        quotients, exact = [], []
        for direction, step in smooth_probes(rng, case, point, name):
            quotients.append(
                derivatives.difference_quotient(library.run, weights, point, direction, step)
            )
            exact.append(derivatives.inner(gradient, direction))
        # Of derivatives that are all 0, quotients have their rounding errors.
        error = (
            relative_error(quotients, exact) if np.any(exact) else np.abs(quotients).max(initial=0)
        )
        yield name, len(exact), error

"""Difference quotients of a model's own values, to compare its gradients with."""

import numpy as np
from reference import derivatives
from reference import lstm as reference

# Entries that are checked one by one in each array, and candidates among which they are looked for.
ENTRIES = 4
CANDIDATES = 3 * ENTRIES

# Arrays whose directions are tried in one pass of the reference: more of them need more memory.
ARRAYS_AT_ONCE = 6


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


def smooth_probes(rng, case, point):
    """For each array, its name and directions in it, each with a step without a kink."""
    model = derivatives.ReferenceModel(case)
    tried = {}
    for name in point:
        entries = rng.permutation(point[name].size)[:CANDIDATES]
        candidates = list(derivatives.unit_entries(point, name, entries))
        every = [derivatives.random_direction(rng, point, [name]) for _ in range(3)]
        tried[name] = (candidates, ENTRIES), (every, 1)
    names = list(tried)
    for begin in range(0, len(names), ARRAYS_AT_ONCE):
        chosen = names[begin : begin + ARRAYS_AT_ONCE]
        directions = [v for name in chosen for group, _ in tried[name] for v in group]
        smooth = np.ones((len(directions), len(derivatives.STEPS)), bool)
        if model.has_kinks:
            stacked = derivatives.stack_directions(point, directions)
            smooth = derivatives.smooth_steps(model.regions_at, point, stacked, derivatives.STEPS)
        rows = iter(smooth)
        for name in chosen:
            probes = []
            for group, wanted in tried[name]:
                found = [(v, row) for v, row in zip(group, rows, strict=False) if row.any()]
                probes += [(v, derivatives.STEPS[np.argmax(row)]) for v, row in found[:wanted]]
            yield name, probes


def compare_quotients(case, model, gradient, point, weights):
    """For each array: its name, how many probes were made, and their relative error."""
    library, rng = derivatives.LibraryModel(case, model), case.rng("probes")
    for name, probes in smooth_probes(rng, case, point):
        quotients, exact, rounding = [], [], []
        for direction, step in probes:
            quotients.append(
                derivatives.difference_quotient(library.run, weights, point, direction, step)
            )
            exact.append(derivatives.inner(gradient, direction))
            # Results are of about 1; a single unit that is normalised has derivatives so small that
            # the rounding of results is all that is seen of them.
            rounding.append(np.finfo(np.float64).eps / step)
        beyond = np.maximum(np.abs(np.subtract(quotients, exact)) - rounding, 0).max(initial=0)
        scale = np.abs(exact).max(initial=0)
        yield name, len(exact), beyond / scale if scale > 0 else beyond

"""Directional derivatives: of the library by differences, of the reference by complex steps.

A point is a dict of arrays: "x", "state/{k}/h", "state/{k}/c" and the parameters by name. A
direction is a dict of arrays too, of the arrays that change. A loss is the sum of the upstream
gradients times the results.
"""

import numpy as np

from reference import lstm as reference

# Its square is 0 in floating point: there is no truncation error, and real parts, whose signs
# select the side of a kink, do not change.
COMPLEX_STEP = 1e-200

# Fourth order: f' = (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h + O(h^4), by pairs, so that what
# does not change gives 0.
STENCIL = {1: 8 / 12, 2: -1 / 12}
# At the first one, truncation and rounding are about equal; the smaller is for points near a kink.
STEPS = (2e-3, 2e-4)


def make_point(x, state, parameters):
    point = {"x": x}
    for k, (h, c) in enumerate(state):
        point |= {f"state/{k}/h": h, f"state/{k}/c": c}
    return point | parameters


def state_of(point):
    """The initial state; None if the point has none."""
    count = sum(name.startswith("state/") for name in point) // 2
    if count == 0:
        return None
    return [(point[f"state/{k}/h"], point[f"state/{k}/c"]) for k in range(count)]


def parameters_of(point):
    return {name: a for name, a in point.items() if name != "x" and not name.startswith("state/")}


def move(point, direction, step):
    """point + step * direction. An array of steps gives one point each, along leading axes."""
    moved = dict(point)
    for name, v in direction.items():
        moved[name] = point[name] + np.reshape(step, (*np.shape(step), *(1,) * v.ndim)) * v
    return moved


def inner(gradient, direction):
    """<gradient, direction> over the arrays that change."""
    return sum(float(np.sum(gradient[name] * v)) for name, v in direction.items())


def weigh(weights, results):
    """The loss: sums of weight times result, keeping leading axes."""
    return sum(
        np.sum(weight * result, axis=tuple(range(-weight.ndim, 0)))
        for weight, result in zip(weights, results, strict=True)
    )


def complex_step(results, weights, point, direction):
    """The derivative of the loss, exact to rounding. results(point): the reference's, a list."""
    moved = move(point, direction, 1j * COMPLEX_STEP)
    return np.imag(weigh(weights, results(moved))) / COMPLEX_STEP


def difference_quotient(results, weights, point, direction, step):
    """The derivative of the loss by differences of the results."""
    total = [0.0] * len(weights)
    for factor, share in STENCIL.items():
        after = results(move(point, direction, factor * step))
        before = results(move(point, direction, -factor * step))
        total = [t + share * (a - b) for t, a, b in zip(total, after, before, strict=True)]
    return float(weigh(weights, total)) / step


def is_smooth(regions_at, point, direction, step):
    """Whether the stencil lies on one smooth piece of the model."""
    one = {name: v[None] for name, v in direction.items()}
    return bool(smooth_steps(regions_at, point, one, [step])[0, 0])


def stack_directions(point, directions):
    """One direction of arrays (N, ...), from N directions, each of some of the arrays."""
    names = {name for direction in directions for name in direction}
    return {
        name: np.stack(
            [direction.get(name, np.zeros_like(point[name])) for direction in directions]
        )
        for name in names
    }


def smooth_steps(regions_at, point, directions, steps):
    """(N, S): whether the stencil of each of N directions, at each of S steps, is smooth.

    `directions` are arrays (N, ...), all of which are tried in one pass of the reference.
    regions_at(point) lists the regions of the reference's kinked activations; see reference.lstm.
    """
    factors = np.array([0, *STENCIL, *(-factor for factor in STENCIL)])
    spread = {name: v[:, None, None] for name, v in directions.items()}
    moved = dict(point)
    for name, v in spread.items():
        scale = np.multiply.outer(steps, factors)
        moved[name] = point[name] + scale.reshape(*scale.shape, *(1,) * (v.ndim - 3)) * v
    count = len(next(iter(directions.values())))
    smooth = np.ones((count, len(steps)), bool)
    for regions in regions_at(moved):
        if np.ndim(regions) > 3:  # otherwise they do not depend on the directions
            smooth &= np.all(regions == regions[:, :, :1], axis=(2, 3))
    return smooth


def unit_entries(point, name, entries):
    """Directions along single entries, by flat index."""
    for entry in entries:
        v = np.zeros(point[name].shape)
        v.flat[entry] = 1.0
        yield {name: v}


def random_direction(rng, point, names):
    """A direction of norm 1 in which all of the named arrays change."""
    direction = {name: rng.standard_normal(point[name].shape) for name in names}
    norm = np.sqrt(sum(np.sum(v**2) for v in direction.values()))
    return {name: v / norm for name, v in direction.items()} if norm > 0 else direction


def entry_gradient(results, weights, point, name):
    """The gradient of the loss with respect to one array, every entry of it by complex step."""
    shape = point[name].shape
    each = np.eye(point[name].size).reshape(point[name].size, *shape)
    derivatives = complex_step(results, weights, point, {name: each})
    return np.broadcast_to(derivatives, point[name].size).reshape(shape)


class ReferenceModel:
    """The readable reference of a case as a function of a point, in y, logits and final states."""

    def __init__(self, case, head=None, readout=None, noise=None):
        self.case, self.head, self.readout, self.noise = case, head, readout, noise
        layers = reference.activations(case.options)
        self.has_kinks = any(name in reference.KINKS for names in layers for name in names.values())
        clips = ("cell_clip", "preactivation_clip", "projection_clip")
        self.has_kinks |= any(case.options.get(name) for name in clips)

    def run(self, point, regions=None):
        case = self.case
        parameters = parameters_of(point)
        keywords = {"lengths": case.lengths, "regions": regions, "noise": self.noise}
        keywords["masks"] = {name: case.connected(name) for name in case.shapes}
        state = state_of(point)
        if self.head is None:
            y, final = reference.forward(case.options, parameters, point["x"], state, **keywords)
            results = [y]
        else:
            y, logits, final = reference.network(
                case.options, self.head, self.readout, parameters, point["x"], state, **keywords
            )
            results = [y, logits]
        return [*results, *(array for pair in final for array in pair)]

    def regions_at(self, point):
        regions = []
        self.run(point, regions)
        return regions


class LibraryModel:
    """The library's model of a case as a function of a point, in y and final states."""

    def __init__(self, case, model):
        self.case, self.model = case, model
        self.views = {name: model.parameters[name] for name in model.parameters}

    def run(self, point):
        for name, view in self.views.items():
            view[...] = point[name]
        y, final = self.model(point["x"], state_of(point), self.case.lengths)
        return [y, *(array for pair in final for array in pair)]


def gradient_point(grads):
    """The library's gradients as a point."""
    return make_point(grads.x, grads.state, grads.parameters)

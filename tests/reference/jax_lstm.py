"""The stack in JAX operations, by `lax.scan`: what `peephole.jax.lstm` is compared with."""

import jax
import jax.numpy as jnp

from reference.lstm import GATES, activations, hidden_sizes, recurrent_sizes, suffixes

ACTIVATIONS = {
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "identity": lambda a: a,
    "relu": jax.nn.relu,
    "softsign": jax.nn.soft_sign,
    "softplus": jax.nn.softplus,
    "hard_sigmoid": lambda a: jnp.clip(0.2 * a + 0.5, 0, 1),
    "one": jnp.ones_like,
}


def _layer(options, parameters, k, suffix):
    """The step of one layer: (h, c), x_t (B, I) -> (h, c)."""
    names = activations(options)[k]
    units = hidden_sizes(options)[k]
    weight_ih = parameters[f"weight_ih_l{k}{suffix}"]
    weight_hh = parameters[f"weight_hh_l{k}{suffix}"]
    weight_ch = parameters.get(f"weight_ch_l{k}{suffix}")
    bias = parameters.get(f"bias_l{k}{suffix}", 0.0)
    weight_hr = parameters.get(f"weight_hr_l{k}{suffix}")
    bound = options.get("projection_clip")

    def peephole(gate, c):
        if weight_ch is None or gate not in options.get("peephole_gates", GATES):
            return 0.0
        index = GATES.index(gate)
        if options.get("peephole", "diagonal") == "diagonal":
            return weight_ch[index] * c
        return c @ weight_ch[index * units : (index + 1) * units].T

    def step(state, x):
        h, c = state
        parts = jnp.split(x @ weight_ih.T + h @ weight_hh.T + bias, 4, -1)
        sums = dict(zip(GATES, parts, strict=True))

        def gate(name, c):
            return ACTIVATIONS[names[name]](sums[name] + peephole(name, c))

        i = gate("i", c)
        f = 1 - i if options.get("coupled_input_forget") else gate("f", c)
        after = f * c + gate("g", c) * i
        current = options.get("output_peephole", "previous") == "current"
        o = gate("o", after if current else c)
        h = ACTIVATIONS[names["c"]](after) * o
        if weight_hr is not None:
            h = h @ weight_hr.T
        return h if bound is None else jnp.clip(h, -bound, bound), after

    return step


def _sequence(step, x, state, valid, reverse):
    """y (T, B, H) and (h, c) of one layer and direction; `valid` (T, B) holds where x is real."""

    def masked(state, inputs):
        x_t, valid_t = inputs
        after = step(state, x_t)
        state = tuple(jnp.where(valid_t[:, None], a, s) for a, s in zip(after, state, strict=True))
        return state, jnp.where(valid_t[:, None], state[0], 0)

    final, y = jax.lax.scan(masked, state, (x, valid), reverse=reverse)
    return y, final


def lstm(options, parameters, x, state=None, lengths=None, masks=None):
    """As `peephole.jax.lstm` of a batch x (B, T, I), with the options as a dict."""
    B, T, _ = x.shape
    parameters = {k: jnp.where((masks or {}).get(k, True), v, 0) for k, v in parameters.items()}
    valid = jnp.arange(T)[:, None] < jnp.asarray([T] * B if lengths is None else lengths)
    x, final = jnp.swapaxes(x, 0, 1), []
    sizes = list(zip(recurrent_sizes(options), hidden_sizes(options), strict=True))
    for k, (P, H) in enumerate(sizes):
        outputs = []
        for suffix in suffixes(options):
            zeros = jnp.zeros((B, P), x.dtype), jnp.zeros((B, H), x.dtype)
            initial = zeros if state is None else tuple(state[len(final)])
            step = _layer(options, parameters, k, suffix)
            y, last = _sequence(step, x, initial, valid, reverse=bool(suffix))
            outputs.append(y)
            final.append(last)
        x = jnp.concatenate(outputs, -1)
    return jnp.swapaxes(x, 0, 1), tuple(final)

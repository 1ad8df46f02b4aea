"""The whole model in readable form: one sequence, one step, one gate at a time.

    a_k,t = W_k x_t + R_k h_{t-1} + P_k c_{t-1} + b_k          k = i, f, g, o
    i = σ_i(a_i)   f = σ_f(a_f)   g = g(a_g)   o = σ_o(a_o)
    c_t = f * c_{t-1} + g * i
    h_t = h(c_t) * o, or with a projection clip(W_hr (h(c_t) * o))

preactivation_clip is the bound of each a_k, and cell_clip that of c_t; layer normalisation is as
peephole.LSTM documents it.

Options are the keyword arguments of peephole.LSTM as a dict. Forward only, but it gives exact
derivatives by complex steps, since every function takes complex numbers (Squire & Trapp 1998,
doi:10.1137/S003614459631241X), and any array may have leading axes (...) in front of its shape, for
many inputs or models at once.
"""

import numpy as np

GATES = "ifgo"

# Where the derivative of an activation, or for softsign the second one, jumps.
KINKS = {"relu": [0.0], "softsign": [0.0], "hard_sigmoid": [-2.5, 2.5]}


def softplus(a):
    sign = np.where(a.real > 0, 1, -1)
    return np.where(a.real > 0, a, 0) + np.log1p(np.exp(-sign * a))


def hard_sigmoid(a):
    line = 0.2 * a + 0.5
    return np.where(line.real < 0, 0, np.where(line.real > 1, 1, line))


def sigmoid(a):
    return 1 / (1 + np.exp(-np.where(a.real < -500, -500, a)))  # exp must not overflow


ACTIVATIONS = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "identity": lambda a: a,
    "relu": lambda a: np.where(a.real > 0, a, 0),
    "softsign": lambda a: a / (1 + np.where(a.real > 0, 1, -1) * a),
    "softplus": softplus,
    "hard_sigmoid": hard_sigmoid,
    "one": np.ones_like,
}


def softmax(a):
    e = np.exp(a - a.real.max(axis=-1, keepdims=True, initial=-np.inf))
    return e / e.sum(axis=-1, keepdims=True)


HEADS = {
    "identity": ACTIVATIONS["identity"],
    "sigmoid": ACTIVATIONS["sigmoid"],
    "tanh": ACTIVATIONS["tanh"],
    "softmax": softmax,
}


def hidden_sizes(options):
    hidden_size = options["hidden_size"]
    if isinstance(hidden_size, int):
        return [hidden_size] * options.get("num_layers", 1)
    return list(hidden_size)


def activations(options):
    """One complete mapping a layer, of "i", "f", "g", "o" and "c" (the cell output) to names."""
    defaults = {"i": "sigmoid", "f": "sigmoid", "g": "tanh", "o": "sigmoid", "c": "tanh"}
    given = options.get("activations")
    layers = len(hidden_sizes(options))
    if given is None:
        given = {}
    return [defaults | (given if isinstance(given, dict) else given[k]) for k in range(layers)]


def suffixes(options):
    return ["", "_reverse"] if options.get("bidirectional") else [""]


def recurrent_sizes(options):
    """P of each layer: the values of its h."""
    return [options.get("projection_size") or units for units in hidden_sizes(options)]


def parameter_shapes(options):
    """{name: shape}, in the order of the contract."""
    shapes = {}
    inputs = options["input_size"]
    for k, (units, values) in enumerate(
        zip(hidden_sizes(options), recurrent_sizes(options), strict=True)
    ):
        for suffix in suffixes(options):
            shapes[f"weight_ih_l{k}{suffix}"] = (4 * units, inputs)
            shapes[f"weight_hh_l{k}{suffix}"] = (4 * units, values)
            peephole = options.get("peephole", "diagonal")
            if peephole != "none":
                rows = 4 if peephole == "diagonal" else 4 * units
                shapes[f"weight_ch_l{k}{suffix}"] = (rows, units)
            if options.get("bias", True):
                shapes[f"bias_l{k}{suffix}"] = (4 * units,)
            if options.get("projection_size"):
                shapes[f"weight_hr_l{k}{suffix}"] = (values, units)
            if options.get("initial_state") == "learned":
                shapes[f"h0_l{k}{suffix}"], shapes[f"c0_l{k}{suffix}"] = (values,), (units,)
            for name in gains(options):
                size = units if name.endswith("_c") else 4 * units
                shapes[f"{name}_l{k}{suffix}"] = (size,)
        inputs = values * len(suffixes(options))
    return shapes


def gains(options):
    """The names of the parameters of layer normalisation."""
    form = options.get("layer_norm")
    if form is None:
        return []
    names = ["gain"] if form == "gates" else ["gain_ih", "gain_hh"]
    of_cell = options.get("layer_norm_cell", "state") != "none"
    return names + ["gain_c", "shift_c"] * of_cell


def state_sizes(options):
    """(P, H) of every state pair: layer 0 forward, layer 0 reverse, layer 1 forward, ..."""
    sizes = zip(recurrent_sizes(options), hidden_sizes(options), strict=True)
    return [pair for pair in sizes for _ in suffixes(options)]


def output_size(options):
    return recurrent_sizes(options)[-1] * len(suffixes(options))


def initial_states(options, parameters, batch):
    """A pair (h, c) for each layer and direction: zeros, or what is learned."""
    if options.get("initial_state") != "learned":
        return [(np.zeros((batch, P)), np.zeros((batch, H))) for P, H in state_sizes(options)]
    names = [name for name in parameter_shapes(options) if name.startswith("h0")]

    def repeat(value):
        return np.repeat(value[..., None, :], batch, axis=-2)

    return [(repeat(parameters[h]), repeat(parameters["c" + h[1:]])) for h in names]


def times(matrix, vector):
    """matrix (..., K, J) times vector (..., J)."""
    return np.einsum("...kj,...j->...k", matrix, vector)


def layer_norm(z, epsilon):
    """(z - mean) / sqrt(var + epsilon) over the last axis; analytic, for complex steps."""
    deviation = z - z.mean(axis=-1, keepdims=True)
    return deviation / np.sqrt((deviation * deviation).mean(axis=-1, keepdims=True) + epsilon)


class Layer:
    """One layer in one direction: W[k] (..., H, I), R[k] (..., H, P), P[k] or None, b[k], W_hr."""

    def __init__(self, options, parameters, k, suffix):
        units = hidden_sizes(options)[k]
        self.activations = activations(options)[k]
        self.coupled = options.get("coupled_input_forget", False)
        self.output_reads_current = options.get("output_peephole", "previous") == "current"
        self.diagonal = options.get("peephole", "diagonal") == "diagonal"
        self.cell_clip = options.get("cell_clip")
        self.preactivation_clip = options.get("preactivation_clip")
        self.norm = options.get("layer_norm")
        self.norm_cell = options.get("layer_norm_cell", "state") if self.norm else "none"
        self.epsilon = options.get("layer_norm_epsilon", 1e-5)
        self.gains = {name: parameters[f"{name}_l{k}{suffix}"] for name in gains(options)}
        gates = options.get("peephole_gates", GATES)
        self.W_hr = parameters.get(f"weight_hr_l{k}{suffix}")
        self.projection_clip = options.get("projection_clip")
        self.W, self.R, self.P, self.b = {}, {}, {}, {}
        for index, gate in enumerate(GATES):
            rows = slice(index * units, (index + 1) * units)
            self.W[gate] = parameters[f"weight_ih_l{k}{suffix}"][..., rows, :]
            self.R[gate] = parameters[f"weight_hh_l{k}{suffix}"][..., rows, :]
            bias = parameters.get(f"bias_l{k}{suffix}")
            self.b[gate] = 0.0 if bias is None else bias[..., rows]
            peephole = parameters.get(f"weight_ch_l{k}{suffix}")
            if peephole is None or gate not in gates:
                self.P[gate] = None
            else:
                self.P[gate] = peephole[..., index, :] if self.diagonal else peephole[..., rows, :]

    def peephole(self, gate, c):
        """P_k c, (..., H)."""
        if self.P[gate] is None:
            return 0.0
        return self.P[gate] * c if self.diagonal else times(self.P[gate], c)

    def clip(self, values, bound, regions):
        if bound is None:
            return values
        if regions is not None:
            regions.append(np.searchsorted([-bound, bound], values.real))
        return np.where(values.real > bound, bound, np.where(values.real < -bound, -bound, values))

    def activate(self, gate, a, regions):
        if gate != "c":
            a = self.clip(a, self.preactivation_clip, regions)
        name = self.activations[gate]
        if regions is not None and name in KINKS:
            regions.append(np.searchsorted(KINKS[name], a.real))
        return ACTIVATIONS[name](a)

    def products(self, x, h):
        """{gate: what x_t and h_{t-1} give it}, (..., H) each."""
        if self.norm != "products":
            return {k: times(self.W[k], x) + times(self.R[k], h) for k in GATES}
        of_x = np.concatenate([times(self.W[k], x) for k in GATES], axis=-1)
        of_h = np.concatenate([times(self.R[k], h) for k in GATES], axis=-1)
        sums = self.gains["gain_ih"] * layer_norm(of_x, self.epsilon)
        sums = sums + self.gains["gain_hh"] * layer_norm(of_h, self.epsilon)
        return dict(zip(GATES, np.split(sums, 4, axis=-1), strict=True))

    def sum_of_gate(self, gate, products, c):
        """a_k, from the cell state that the gate reads."""
        a = products[gate] + self.peephole(gate, c)
        if self.norm == "gates":
            gain = np.split(self.gains["gain"], 4, axis=-1)[GATES.index(gate)]
            a = gain * layer_norm(a, self.epsilon)
        return a + self.b[gate]

    def normalise_cell(self, c):
        return self.gains["gain_c"] * layer_norm(c, self.epsilon) + self.gains["shift_c"]

    def step(self, x, h, c, regions=None):
        """h_t and c_t from x_t (..., I), h_{t-1} (..., P) and c_{t-1} (..., H)."""
        previous = c
        products = self.products(x, h)
        i = self.activate("i", self.sum_of_gate("i", products, previous), regions)
        if self.coupled:
            f = 1 - i
        else:
            f = self.activate("f", self.sum_of_gate("f", products, previous), regions)
        g = self.activate("g", self.sum_of_gate("g", products, previous), regions)
        c = f * previous + g * i
        if self.norm_cell == "state":
            c = self.normalise_cell(c)
        c = self.clip(c, self.cell_clip, regions)
        read = c if self.output_reads_current else previous
        o = self.activate("o", self.sum_of_gate("o", products, read), regions)
        shown = self.normalise_cell(c) if self.norm_cell == "output" else c
        h = self.activate("c", shown, regions) * o
        return self.project(h, regions), c

    def project(self, m, regions):
        if self.W_hr is None:
            return m
        return self.clip(times(self.W_hr, m), self.projection_clip, regions)


def forward(options, parameters, x, state=None, lengths=None, masks=None, regions=None, noise=None):
    """y (..., B, T, D*P_last) and the final state, a list of (h, c), (..., B, P) and (..., B, H).

    A list given as `regions` receives, for every activation that has kinks, the number of kinks
    below its argument: two inputs with equal regions lie on one smooth piece of the model.
    `noise` is a reference.noise.Noise, for the training pass of a model with regularisation.
    """
    parameters = {name: np.asarray(value) for name, value in parameters.items()}
    for name, connected in (masks or {}).items():
        parameters[name] = np.where(connected, parameters[name], 0)
    x = np.asarray(x)
    batch, time = x.shape[-3:-1]
    lengths = [time] * batch if lengths is None else [int(n) for n in lengths]
    if state is None:
        state = initial_states(options, parameters, batch)
    shapes = parameter_shapes(options)
    lead = np.broadcast_shapes(
        x.shape[:-3],
        *(array.shape[:-2] for pair in state for array in pair),
        *(parameters[name].shape[: -len(shapes[name])] for name in shapes),
    )
    arrays = [x, *parameters.values(), *(array for pair in state for array in pair)]
    dtype = np.result_type(*arrays)

    final = []
    for k, units in enumerate(hidden_sizes(options)):
        directions, values = suffixes(options), recurrent_sizes(options)[k]
        y = np.zeros((*lead, batch, time, values * len(directions)), dtype)
        for d, suffix in enumerate(directions):
            layer = Layer(options, parameters, k, suffix)
            initial_h, initial_c = state[len(final)]
            final_h = np.zeros((*lead, batch, values), dtype)
            final_c = np.zeros((*lead, batch, units), dtype)
            for b in range(batch):
                steps = range(lengths[b])
                h, c = initial_h[..., b, :], initial_c[..., b, :]
                for t in reversed(steps) if suffix else steps:
                    if noise is None:
                        h, c = layer.step(x[..., b, t, :], h, c, regions)
                    else:
                        given = h * noise.recurrent(k, d, b, values)
                        after = layer.step(x[..., b, t, :], given, c, regions)
                        h, c = noise.zone(k, d, b, t, (h, c), after)
                    y[..., b, t, d * values : (d + 1) * values] = h
                final_h[..., b, :], final_c[..., b, :] = h, c
            final.append((final_h, final_c))
        x = y if noise is None else noise.between(k, y)
    return y, final


def read_out(options, readout, hidden):
    """What the head reads of h (..., T, F) of one sequence with T >= 1: a list of (..., F)."""
    if readout == "all":
        return [hidden[..., t, :] for t in range(hidden.shape[-2])]
    if readout == "mean":
        return [hidden.sum(axis=-2) / hidden.shape[-2]]
    if readout == "max":
        first = np.argmax(hidden.real, axis=-2)[..., None, :]
        return [np.take_along_axis(hidden, first, axis=-2)[..., 0, :]]
    last, units = hidden[..., -1, :], recurrent_sizes(options)[-1]
    if not options["bidirectional"]:
        return [last]
    return [np.concatenate([last[..., :units], hidden[..., 0, units:]], axis=-1)]


def network(options, head, readout, parameters, x, state=None, lengths=None, **keywords):
    """y (..., B, T, O), or (..., B, O) for readouts but "all"; the logits; the final state."""
    hidden, final = forward(options, parameters, x, state, lengths, **keywords)
    if noise := keywords.get("noise"):
        hidden = noise.between(len(hidden_sizes(options)) - 1, hidden)
    batch, time = hidden.shape[-3:-1]
    lengths = [time] * batch if lengths is None else lengths
    weight, bias = parameters["head.weight"], parameters["head.bias"]
    y, logits = [], []
    zero = np.zeros_like(hidden[..., 0, 0, :1] * weight[..., :, 0] + bias) if time else 0.0 * bias
    for b in range(batch):
        real = hidden[..., b, : int(lengths[b]), :]
        read = read_out(options, readout, real) if real.shape[-2] else []
        for features in read:
            logits.append(times(weight, features) + bias)
            y.append(HEADS[head](logits[-1]))
        for _ in range((time if readout == "all" else 1) - len(read)):
            logits.append(zero)
            y.append(zero)
    outputs = weight.shape[-2]
    shape = (batch, time, outputs) if readout == "all" else (batch, outputs)

    def arrange(rows):
        if not rows:
            return np.zeros(shape)
        rows = np.stack(np.broadcast_arrays(*rows), axis=-2)
        return rows.reshape(*rows.shape[:-2], *shape)

    return arrange(y), arrange(logits), final

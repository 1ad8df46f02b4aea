"""The network of the note: a head on the stack, its values, its gradients and its training."""

import numpy as np
import peephole
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from reference import derivatives
from reference import lstm as reference
from support.quotients import compare_quotients, initial_state
from support.runs import assert_all, rows
from support.strategies import cases
from support.tolerances import (
    COMPLEX_STEP,
    FINITE_DIFFERENCE,
    REFERENCE,
    assert_close,
    assert_identical,
)

HEADS = ["identity", "sigmoid", "tanh", "softmax"]
READOUTS = ["all", "last", "mean", "max"]
each_head = pytest.mark.parametrize("head", HEADS)
each_readout = pytest.mark.parametrize("readout", READOUTS)

output_sizes = st.integers(1, 4)
few = settings(max_examples=5)  # of each head and readout


def upstream(case, like, real):
    """A gradient of y or of the logits, 0 where no real step is read."""
    weights = case.rng("dy of the network").standard_normal(like.shape)
    return np.where(real[..., None], weights, 0.0)


def read_steps(case, readout):
    """Which entries of y, except for its last axis, depend on a real step."""
    return case.real_steps if readout == "all" else case.real_steps.any(axis=1)


@each_readout
@each_head
@few
@given(case=cases(), output_size=output_sizes)
def test_equals_the_readable_reference(head, readout, case, output_size):
    net, values = case.build_network(output_size, head=head, readout=readout)
    expected, _, final = reference.network(
        case.options, head, readout, values, case.x, case.state, case.lengths
    )
    y, state = net(case.x, case.state, case.lengths)
    assert_close(y, expected, REFERENCE["float64"], "y")
    for (h, c), (h_expected, c_expected) in zip(state, final, strict=True):
        assert_close(h, h_expected, REFERENCE["float64"], "h")
        assert_close(c, c_expected, REFERENCE["float64"], "c")
    assert not y[~read_steps(case, readout)].any()
    assert_identical(net.forward(case.x, case.state, case.lengths)[0], y, "y of forward")


@pytest.mark.parametrize("of_logits", [False, True], ids=["dy", "dlogits"])
@each_readout
@each_head
@few
@given(case=cases(), output_size=output_sizes)
def test_every_entry_by_complex_step(head, readout, of_logits, case, output_size):
    net, values = case.build_network(output_size, head=head, readout=readout)
    y, _, tape = net.forward(case.x, case.state, case.lengths)
    weight = upstream(case, y, read_steps(case, readout))
    given_gradient = {"dlogits": weight} if of_logits else {"dy": weight}
    grads = net.backward(tape, dstate=case.dstate, **given_gradient)

    point = derivatives.make_point(case.x, initial_state(case), values)
    model = derivatives.ReferenceModel(case, head, readout)
    unused = np.zeros_like(weight)
    states = [array for pair in case.dstate for array in pair]
    weights = [unused, weight, *states] if of_logits else [weight, unused, *states]
    gradient = derivatives.gradient_point(grads)
    assert gradient.keys() >= point.keys()  # more, if sequences begin at parameters
    for name in point:
        exact = derivatives.entry_gradient(model.run, weights, point, name)
        assert_close(gradient[name], exact, COMPLEX_STEP, name)


# Not "max", which has kinks where the largest step changes: the complex step covers it.
@pytest.mark.parametrize("readout", [name for name in READOUTS if name != "max"])
@each_head
def test_finite_differences(head, readout):
    checked = 0

    @settings(max_examples=8, phases=[Phase.generate, Phase.shrink])
    @given(case=cases(min_time=1), output_size=output_sizes)
    def check(case, output_size):
        nonlocal checked
        net, values = case.build_network(output_size, head=head, readout=readout)
        y, _, tape = net.forward(case.x, case.state, case.lengths)
        dy = upstream(case, y, read_steps(case, readout))
        grads = net.backward(tape, dy, case.dstate)
        point = derivatives.make_point(case.x, initial_state(case), values)
        weights = [dy, *(array for pair in case.dstate for array in pair)]
        gradient = derivatives.gradient_point(grads)
        compared = compare_quotients(case, net, gradient, point, weights)
        for name, probes, error in compared:
            assert error <= FINITE_DIFFERENCE, f"{name}: relative error {error:.2e}"
            checked += probes

    check()
    assert checked > 20 * 8


@given(case=cases(ragged=True))
def test_padding_changes_nothing(case):
    """NaN beyond the lengths of x and of dy has no effect, bit for bit."""

    def results(padding):
        net, _ = case.build_network(2, head="softmax")
        real = case.real_steps[..., None]
        y, final, tape = net.forward(np.where(real, case.x, padding), case.state, case.lengths)
        dy = case.rng("dy").standard_normal(y.shape)
        grads = net.backward(tape, np.where(real, dy, padding), case.dstate)
        return {"y": y, "h": final[-1][0], **derivatives.gradient_point(grads)}

    assert_all(assert_identical, results(np.nan), results(0.0))


@given(case=cases(ragged=True))
def test_last_reads_the_final_state(case):
    """Of both directions, with all forms of input."""
    net, _ = case.build_network(3, head="tanh", readout="last")
    y, state = net(case.x, case.state, case.lengths)
    directions = 2 if net.lstm.bidirectional else 1
    h = np.concatenate([pair[0] for pair in state[-directions:]], axis=-1)
    logits = h @ net.parameters["head.weight"].T + net.parameters["head.bias"]
    some = np.asarray(case.lengths) > 0
    assert_close(y[some], np.tanh(logits)[some], REFERENCE["float64"], "y")
    assert not y[~some].any()


@pytest.mark.parametrize("readout", ["mean", "max"])
@given(case=cases(ragged=True))
def test_mean_and_max_are_of_the_real_steps(readout, case):
    net, _ = case.build_network(3, readout=readout)
    hidden, _ = net.lstm(case.x, case.state, case.lengths)
    y, _ = net(case.x, case.state, case.lengths)
    weight, bias = (np.array(net.parameters[f"head.{name}"]) for name in ("weight", "bias"))
    for b, length in enumerate(case.lengths):
        if length:
            expected = getattr(hidden[b, :length], readout)(axis=0) @ weight.T + bias
            assert_close(y[b], expected, REFERENCE["float64"], f"y[{b}]")
        else:
            assert not y[b].any()


@pytest.mark.parametrize("readout", ["last", "mean", "max"])
def test_nan_stays_in_its_sequence(readout, rng):
    net = peephole.Network(2, 5, 3, readout=readout, bidirectional=True, seed=0)
    x = rng.standard_normal((3, 6, 2)).astype(np.float32)
    expected = net.predict(x)
    x[1, 2, 0] = np.nan
    y = net.predict(x)
    assert np.isnan(y[1]).all()
    assert_identical(y[[0, 2]], expected[[0, 2]], "y")


@pytest.mark.parametrize("readout", ["last", "mean", "max"])
def test_readouts_have_the_same_bits_alone_and_on_threads(readout, rng):
    net = peephole.Network(3, 130, 4, readout=readout, bidirectional=True, seed=0)
    x = rng.standard_normal((9, 20, 3)).astype(np.float32)
    lengths = [20, 3, 0, 7, 20, 1, 19, 8, 8]
    threads = peephole.num_threads()
    try:
        results = []
        for count in (1, 4):
            peephole.set_num_threads(count)
            y, _, tape = net.forward(x, lengths=lengths)
            gradients = net.backward(tape, np.ones_like(y))
            results.append([y, gradients.x, *gradients.parameters.values()])
    finally:
        peephole.set_num_threads(threads)
    for one, four in zip(*results, strict=True):
        assert_identical(one, four)
    for b, length in enumerate(lengths):
        if length:
            assert_identical(net.predict(x[b, :length]), results[0][0][b], f"y[{b}]")


def test_last_is_that_of_torch(rng):
    torch = pytest.importorskip("torch", reason="the final states of torch.nn.LSTM")
    net = peephole.Network(3, 5, 2, readout="last", bidirectional=True, peephole="none", seed=0)
    peer = torch.nn.LSTM(3, 5, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for name, value in peer.named_parameters():
            ours = name.replace("bias_ih", "bias")
            value.copy_(
                torch.zeros_like(value)
                if "bias_hh" in name
                else torch.from_numpy(np.array(net.parameters[ours]))
            )
        x = rng.standard_normal((4, 7, 3)).astype(np.float32)
        lengths = torch.tensor([7, 1, 4, 6])
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            torch.from_numpy(x), lengths, batch_first=True, enforce_sorted=False
        )
        _, (h_n, _) = peer(packed)
    logits = np.concatenate(list(h_n.numpy()), axis=1) @ net.parameters["head.weight"].T
    y, _ = net(x, lengths=lengths)
    np.testing.assert_allclose(y, logits + net.parameters["head.bias"], rtol=1e-5, atol=1e-6)


@each_readout
@given(case=cases(ragged=True))
def test_predict_takes_a_list(readout, case):
    """Sequences of their own lengths are the rows of a ragged batch."""
    net, _ = case.build_network(3, head="sigmoid", readout=readout)
    sequences = [x[:length] for x, length in zip(case.x, case.lengths, strict=True)]
    expected = net.predict(case.x, case.lengths)
    y = net.predict(sequences)
    assert len(y) == case.batch
    for b, length in enumerate(case.lengths):
        assert_identical(y[b], expected[b, :length] if readout == "all" else expected[b], f"y[{b}]")


@given(case=cases(ragged=False))
def test_single_sequence_is_a_batch_of_one(case):
    for readout in READOUTS:
        net, _ = case.build_network(2, readout=readout)
        y, final = net(case.x[0], rows(case.state, 0))
        y_batch, final_batch = net(case.x[:1], rows(case.state, slice(0, 1)))
        assert_identical(y, y_batch[0], "y")
        assert_identical(final[-1][1], final_batch[-1][1][0], "c")
        assert_identical(net.predict(case.x[0]), net.predict(case.x[:1])[0], "predicted y")


@each_readout
@pytest.mark.parametrize("head", ["softmax", "identity"])
def test_the_tape_has_the_logits(head, readout, rng):
    net = peephole.Network(2, 4, 3, head=head, readout=readout, seed=0)
    x = rng.standard_normal((3, 5, 2)).astype(np.float32)
    y, _, tape = net.forward(x)
    assert tape.logits.shape == y.shape
    if head == "identity":
        assert_identical(tape.logits, y, "logits")
    else:
        e = np.exp(tape.logits - tape.logits.max(axis=-1, keepdims=True))
        np.testing.assert_allclose(y, e / e.sum(axis=-1, keepdims=True), rtol=1e-5)
    assert net.lstm.forward(x)[2].logits is None
    assert net.forward(x[0])[2].logits.shape == y[0].shape


def train(net, readout="last", **arguments):
    rng = np.random.default_rng(5)
    x = rng.standard_normal((24, 7, 3))
    shape = (24, 7) if readout == "all" else (24,)
    labels = rng.integers(0, net.output_size, shape)
    values = rng.uniform(0, 1, (*shape, net.output_size))
    targets = labels if net.head == "softmax" else values
    lengths = rng.integers(1, 8, 24)
    options = {"epochs": 4, "batch_size": 5, "learning_rate": 0.02, "seed": 3, "progress": False}
    return net.fit(x, targets, lengths=lengths, **options | arguments)


@each_head
@pytest.mark.parametrize("form", ["diagonal", "dense"])
def test_masked_weights_stay_zero_in_fit(rng, head, form):
    options = {"peephole": form, "num_layers": 2, "bidirectional": True, "peephole_gates": "fo"}
    shapes = peephole.LSTM(3, 4, **options, seed=0).parameters
    masks = {
        name: rng.random(shapes[name].shape) < 0.5 for name in shapes if name.startswith("weight")
    }
    net = peephole.Network(3, 4, 2, head=head, masks=masks, dtype="float64", seed=1, **options)
    before = {name: np.array(net.parameters[name]) for name in net.parameters}
    history = train(net, "all")
    assert len(history) == 4 and np.all(np.isfinite(history.loss))
    for name in net.parameters:
        connected = masks.get(name, np.ones(before[name].shape, bool)).copy()
        if name.startswith("weight_ch"):
            i, _, g, _ = np.split(connected, 4)
            i[...] = g[...] = False
        value = np.array(net.parameters[name])
        assert_identical(value[~connected], np.zeros(np.sum(~connected)), name)
        assert np.all(value[connected] != before[name][connected]), name


@each_readout
@each_head
def test_fit_learns(head, readout):
    net = peephole.Network(3, 16, 2, head=head, readout=readout, seed=1)
    history = train(net, readout, epochs=60)
    assert history.loss[-1] < 0.8 * history.loss[0]


def test_fit_is_repeatable():
    """The same seeds and data give the same weights."""
    nets = [peephole.Network(3, 5, 2, head="softmax", readout="last", seed=1) for _ in range(2)]
    losses = [train(net).loss for net in nets]
    assert losses[0] == losses[1]
    for name in nets[0].parameters:
        assert_identical(nets[0].parameters[name], nets[1].parameters[name], name)

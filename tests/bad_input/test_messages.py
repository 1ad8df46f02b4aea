"""Mistakes that are often made get a message that says what to do instead."""

import re
import warnings
from pathlib import Path

import numpy as np
import peephole
import pytest
from peephole import metrics, optim, schedules
from peephole.__main__ import main
from support.fitting import INPUTS, OUTPUTS, N, T, classification, network, quiet, values_of
from support.refusals import refused, unchanged

NET = peephole.Network(2, 3, 1, seed=0)
PARAMETERS = NET.parameters
ZEROS = np.zeros((2, 4, 2)), np.zeros((2, 4))


def estimators():
    return pytest.importorskip("peephole.sklearn")


KEYWORDS = {
    "fit(optimizer=)": (lambda: NET.fit(*ZEROS, optimizer="adam"), "Network.fit", "optimiser"),
    "fit(lr=)": (lambda: NET.fit(*ZEROS, lr=1e-3), "Network.fit", "learning_rate"),
    "fit(epoch=)": (lambda: NET.fit(*ZEROS, epoch=1), "Network.fit", "epochs"),
    "fit(validation_split=)": (
        lambda: NET.fit(*ZEROS, validation_split=0.1),
        "Network.fit",
        "validation_share",
    ),
    "fit(pos_weight=)": (
        lambda: NET.fit(*ZEROS, pos_weight=2),
        "Network.fit",
        "BinaryCrossEntropy(",
    ),
    "score(batchsize=)": (lambda: NET.score(*ZEROS, batchsize=2), "Network.score", "batch_size"),
    "predict(batchsize=)": (lambda: NET.predict(ZEROS[0], batchsize=2), "Network", "batch_size"),
    "LSTM(peepholes=)": (lambda: peephole.LSTM(2, 3, peepholes="dense"), "LSTM()", "peephole"),
    "LSTM(Bias=)": (lambda: peephole.LSTM(2, 3, Bias=True), "LSTM()", "bias"),
    "LSTM(batch_first=)": (
        lambda: peephole.LSTM(2, 3, batch_first=True),
        "LSTM()",
        "(batch, time, features)",
    ),
    "Network(peepholes=)": (
        lambda: peephole.Network(2, 3, 1, peepholes="dense"),
        "Network()",
        "peephole",
    ),
    "Network(return_sequences=)": (
        lambda: peephole.Network(2, 3, 1, return_sequences=True),
        "Network()",
        "readout",
    ),
    "Adam(lr=)": (lambda: optim.Adam(PARAMETERS, lr=1e-3), "Adam()", "learning_rate"),
    "AdamW(eps=)": (lambda: optim.AdamW(PARAMETERS, eps=1e-3), "AdamW()", "epsilon"),
    "SGD(nestrov=)": (lambda: optim.SGD(PARAMETERS, nestrov=True), "SGD()", "nesterov"),
    "RMSprop(alpha=)": (lambda: optim.RMSprop(PARAMETERS, alpha=0.9), "RMSprop()", "rho"),
    "Cosine(T_max=)": (lambda: schedules.Cosine(T_max=10), "Cosine()", "steps"),
    "Step(step_size=)": (lambda: schedules.Step(step_size=10), "Step()", "every"),
    "LSTMClassifier(optimizer=)": (
        lambda: estimators().LSTMClassifier(optimizer="adam"),
        "LSTMClassifier()",
        "fit_options={name: value}",
    ),
    "LSTMRegressor(epoch=)": (
        lambda: estimators().LSTMRegressor(epoch=3),
        "LSTMRegressor()",
        "epochs",
    ),
}


@pytest.mark.parametrize("case", KEYWORDS)
def test_unknown_keywords(case):
    call, function, right = KEYWORDS[case]
    with pytest.raises(TypeError, match="unexpected keyword argument") as caught:
        call()
    message = str(caught.value)
    assert message.startswith(function), message
    assert case.split("(")[1].split("=")[0] in message
    assert right in message.partition(";")[2], message


def test_no_suggestion_where_nothing_is_near():
    with pytest.raises(TypeError, match=re.escape("unexpected keyword argument 'xyzzy'") + "$"):
        NET.fit(*ZEROS, xyzzy=1)


@pytest.mark.parametrize("cls", ["LSTMClassifier", "LSTMRegressor"])
def test_positional_arguments_of_estimators(cls):
    with pytest.raises(TypeError, match=rf"^{cls}\(\) takes at most 2 positional"):
        getattr(estimators(), cls)(3, 1, 5)


def test_dropout_that_has_no_effect():
    with pytest.warns(UserWarning, match="dropout=0.5 has no effect") as caught:
        peephole.LSTM(2, 3, dropout=0.5)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        peephole.LSTM(2, 3, 2, dropout=0.5)
        peephole.Network(2, 3, 1, dropout=0.5)  # before the head
        peephole.LSTM(2, 3)


def returning(*result):
    return lambda y, targets, lengths: result if len(result) != 1 else result[0]


DY = np.zeros((5, OUTPUTS))


@pytest.mark.parametrize(
    ("result", "error", "says"),
    [
        (returning(None), TypeError, r"return \(loss, dy\), got NoneType"),
        (returning(1.0), TypeError, r"return \(loss, dy\), got float"),
        (returning(1.0, DY, 2), TypeError, r"return \(loss, dy\), got tuple of 3"),
        (returning(np.zeros(5), DY), ValueError, r"one number.*array of \(5,\)"),
        (returning(np.zeros(1), DY), ValueError, r"one number.*array of \(1,\)"),
        (returning("1", DY), TypeError, "return a number, got '1'"),
        (returning(None, DY), TypeError, "return a number, got None"),
        (returning(1.0, DY[:, :1]), ValueError, r"dy of \(5, 4\), .*got \(5, 1\)"),
        (returning(1.0, None), TypeError, "dy of numbers, got object"),
        (returning(1.0, DY * 1j), TypeError, "dy of numbers, got complex128"),
        (returning(np.nan, DY), FloatingPointError, "function returned the loss nan at step 1"),
        (returning(1.0, DY + np.inf), FloatingPointError, r"dy with inf at \(0, 0\) at step 1"),
    ],
)
def test_results_of_a_loss_function(rng, result, error, says):
    x, y = classification(rng, 10)
    net = network(head="identity")
    with unchanged(net), pytest.raises(error, match=f"^loss: .*{says}"):
        quiet(net, x, y, loss=result)


def test_a_loss_function_that_forgets_missing_targets(rng):
    x = rng.standard_normal((10, T, INPUTS))
    y = np.where(np.arange(10)[:, None] == 3, np.nan, np.zeros((10, OUTPUTS)))
    net = network(head="identity")

    def squared(y_pred, y_true, lengths):
        return float(np.mean((y_pred - y_true) ** 2)), 2 * (y_pred - y_true) / y_pred.size

    with pytest.raises(FloatingPointError, match="y_true has missing values"):
        quiet(net, x, y, loss=squared, batch_size=10, missing="skip")


@pytest.mark.parametrize("metric", [metrics.mse, metrics.rmse, metrics.mae, metrics.r2])
def test_metrics_do_not_broadcast(metric):
    for y_pred, y_true in [((6, 1), (6,)), ((6,), (6, 1)), ((6, 2), (6, 1)), ((6, 2), (5, 2))]:
        with refused(ValueError, "y_true", str(y_true)):
            metric(np.zeros(y_pred), np.zeros(y_true))
    with refused(ValueError, "y_pred", "(2, 3, 4)"):
        metric(np.zeros((2, 3, 4)), np.zeros((2, 3, 4)))
    with refused(TypeError, "y_true"):
        metric(np.zeros(3), np.array(["a", "b", "c"]))
    assert metric([0.0, 2.0], [1.0, 2.0]) == metric(np.array([[0.0], [2.0]]), [[1.0], [2.0]])


def test_accuracy_does_not_broadcast():
    with refused(ValueError, "y_true", "(5,)"):
        metrics.accuracy(np.zeros((6, 2)), np.zeros(5, int))
    with refused(ValueError, "y_true", "(6, 1)"):
        metrics.accuracy(np.zeros((6, 2)), np.zeros((6, 1), int))
    assert metrics.accuracy(np.eye(3), np.array([0, 1, 1])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("head", ["softmax", "identity"])
@pytest.mark.parametrize("readout", ["last", "all"])
def test_a_single_sequence(rng, head, readout):
    """x (T, I) in all methods, as one sequence of x (1, T, I)."""
    x = rng.standard_normal((T, INPUTS))
    shape = (T,) if readout == "all" else ()
    y = rng.integers(0, 4, shape) if head == "softmax" else rng.standard_normal((*shape, OUTPUTS))
    one, batch = network(head, readout), network(head, readout)
    weight = rng.uniform(0.5, 1, shape)
    quiet(one, x, y, sample_weight=weight, validation_data=(x, y))
    quiet(batch, x[None], y[None], sample_weight=weight[None], validation_data=(x[None], y[None]))
    for name, value in values_of(batch).items():
        np.testing.assert_array_equal(one.parameters[name], value)
    np.testing.assert_array_equal(one.score(x, y), batch.score(x[None], y[None]))
    np.testing.assert_array_equal(one.predict(x), batch.predict(x[None])[0])


def test_wrong_single_sequences():
    net = network(head="identity", readout="all", outputs=1)
    with refused(ValueError, "x", "(time, 3) for a single sequence, got (7, 4)"):
        quiet(net, np.zeros((T, 4)), np.zeros(T))
    with refused(ValueError, "y", "(1, 6) (with a first axis for the single sequence x)"):
        quiet(net, np.zeros((T, 3)), np.zeros(6))
    with refused(ValueError, "lengths", "single sequence"):
        quiet(net, np.zeros((T, 3)), np.zeros(T), lengths=[T])


def test_input_that_seems_transposed():
    net = network(readout="last")
    x, y = np.zeros((N, INPUTS, T)), np.zeros(N, int)
    hint = "perhaps x.transpose(0, 2, 1)"
    for call in (
        lambda: quiet(net, x, y),
        lambda: net.score(x, y),
        lambda: net.predict(x),
        lambda: net.predict(x, batch_size=2),
        lambda: net(x),
        lambda: net.lstm(x),
    ):
        with refused(ValueError, "x", hint):
            call()
    with pytest.raises(ValueError) as caught:
        net.predict(np.zeros((N, T, 5)))
    assert "transpose" not in str(caught.value)


@pytest.mark.parametrize(
    "given", [{"batch_size": 5}, {"shuffle": True}, {"bucketing": True}], ids=str
)
def test_arguments_without_effect_on_batches(given):
    batches = [(np.zeros((2, T, INPUTS)), [0, 1])]
    (name,) = given
    with refused(ValueError, name, "allowed only with data in memory"):
        network().fit(batches.copy, progress=False, **given)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--output", "pic.xyz"], "ends in one of"),
        (["--output", "."], "expected a file"),
        pytest.param(
            ["--output", "/proc/none.png"],
            "expected a file that can be written",
            marks=pytest.mark.skipif(not Path("/proc").exists(), reason="there is no /proc"),
        ),
        (["--epochs", "many"], "expected an integer, got 'many'"),
        (["--seed", "x"], "expected an integer, got 'x'"),
    ],
)
def test_command_line_of_the_demo(arguments, says, capsys, monkeypatch):
    monkeypatch.setattr("peephole.__main__.run", lambda *_: pytest.fail("it trains"))
    with pytest.raises(SystemExit):
        main(["demo", *arguments])
    assert says in capsys.readouterr().err

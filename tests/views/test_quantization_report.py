"""peephole.quantization_report: its figures, computed another way, and what it refuses."""

import math

import numpy as np
import peephole
import pytest
from peephole.inspection import gate_activities
from peephole.views import quantization
from support.refusals import refused

LENGTHS = (7, 3, 0, 9)


@pytest.fixture
def x(rng):
    return rng.standard_normal((len(LENGTHS), max(LENGTHS), 20)).astype(np.float32)


def rms(values):
    return math.sqrt(np.mean(np.square(np.asarray(values, np.float64))))


def sequences(x):
    """The sequences that have a step, without their padding."""
    return [row[:length] for row, length in zip(x, LENGTHS, strict=True) if length]


@pytest.mark.parametrize("format", ["int16", "int8"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_errors_of_y_and_of_each_layer(x, format, bidirectional):
    lstm = peephole.LSTM(20, [17, 24], bidirectional=bidirectional, seed=0)
    quantized = lstm.quantize(format)
    report = peephole.quantization_report(lstm, quantized, x, lengths=LENGTHS)
    y, q = (np.concatenate([m(one)[0] for one in sequences(x)]) for m in (lstm, quantized))
    assert report.format == format
    assert report.rms == pytest.approx(rms(y), rel=1e-5)
    assert report.rms_error == pytest.approx(rms(q - y), rel=1e-3)
    assert report.max_error == pytest.approx(np.abs(q - y).max(), rel=1e-3)
    assert report.relative_error == pytest.approx(rms(q - y) / rms(y), rel=1e-3)
    assert report.changed is None and report.predictions is None
    ways = (False, True) if bidirectional else (False,)
    for k in range(2):
        h, h_q = (
            np.concatenate(
                [
                    gate_activities(m, one, layer=k, reverse=reverse).h
                    for reverse in ways
                    for one in sequences(x)
                ]
            )
            for m in (lstm, quantized)
        )
        assert 0 < report.layers[k] == pytest.approx(rms(h_q - h) / rms(h), rel=1e-3)


@pytest.mark.parametrize("readout", ["all", "last", "mean", "max"])
def test_changed_predictions(x, readout):
    net = peephole.Network(20, 32, 5, head="softmax", readout=readout, seed=0)
    net.parameters["head.weight"][...] *= 1e-3  # near ties: roundings change some of them
    quantized = net.quantize("int8", input_format="int8")
    report = peephole.quantization_report(net, quantized, x, lengths=LENGTHS)
    y, q = (
        np.concatenate([np.atleast_2d(m.predict(one)) for one in sequences(x)])
        for m in (net, quantized)
    )
    assert report.format == "int8_fast"
    assert report.predictions == len(y) == (sum(LENGTHS) if readout == "all" else 3)
    assert report.changed == (y.argmax(axis=1) != q.argmax(axis=1)).sum()
    assert f"{report.changed} of {report.predictions}" in str(report)


def test_counts_a_changed_prediction(x):
    """Classes of equal probability: the smallest error decides."""
    net = peephole.Network(20, 32, 2, head="softmax", seed=0)
    weight = net.parameters["head.weight"]
    weight[1] = weight[0]
    net.parameters["head.bias"][...] = 0
    opposite = net.quantize("int16")
    opposite.parameters["head.bias"] = np.array([0, 1], np.float32)
    report = peephole.quantization_report(net, opposite, x, lengths=LENGTHS)
    assert report.changed == report.predictions == sum(LENGTHS)


def test_other_forms_of_the_same_data(x):
    """A list, float64, padding that is not finite, batches of one sequence: the same figures."""
    net = peephole.Network(20, 16, 3, head="softmax", seed=0)
    quantized = net.quantize("int16")
    expected = peephole.quantization_report(net, quantized, x, lengths=LENGTHS)
    padded = x.astype(np.float64)
    for row, length in zip(padded, LENGTHS, strict=True):
        row[length:] = np.nan
    for report in (
        peephole.quantization_report(net, quantized, sequences(x)),
        peephole.quantization_report(net, quantized, padded, lengths=LENGTHS),
    ):
        assert report == expected
    one = peephole.quantization_report(net, quantized, x[3])
    assert one == peephole.quantization_report(net, quantized, x[3:])


def test_small_batches_change_roundings_of_the_sums_only(x, monkeypatch):
    lstm = peephole.LSTM(20, 16, seed=0)
    quantized = lstm.quantize("int16")
    whole = peephole.quantization_report(lstm, quantized, x, lengths=LENGTHS)
    monkeypatch.setattr(quantization, "_BATCH_BYTES", 1)
    parts = peephole.quantization_report(lstm, quantized, x, lengths=LENGTHS)
    assert parts.max_error == whole.max_error
    assert parts.rms_error == pytest.approx(whole.rms_error, rel=1e-12)
    assert parts.layers == pytest.approx(whole.layers, rel=1e-12)


def test_bytes(x):
    lstm = peephole.LSTM(20, 64, seed=0)
    figures = {}
    for format in ("int16", "int8"):
        report = peephole.quantization_report(lstm, lstm.quantize(format), x)
        assert report.model_bytes == 4 * lstm.parameters.size
        figures[format] = report.quantized_bytes / report.model_bytes
    assert 0.5 < figures["int16"] < 0.55 and 0.25 < figures["int8"] < 0.31


def test_of_float64(x):
    lstm = peephole.LSTM(20, 16, dtype="float64", seed=0)
    report = peephole.quantization_report(lstm, lstm.quantize("int16"), x)
    assert 0 < report.relative_error < 5e-4
    assert report.model_bytes == 8 * lstm.parameters.size


def test_of_outputs_that_are_zero(x):
    lstm = peephole.LSTM(20, 16, seed=0)
    for name in lstm.parameters:
        lstm.parameters[name] = np.zeros_like(lstm.parameters[name])
    report = peephole.quantization_report(lstm, lstm.quantize("int8"), x)
    assert report.rms == report.rms_error == report.relative_error == 0
    assert report.layers == (0,)


def test_printed(x):
    lstm = peephole.LSTM(20, [17, 24], seed=0)
    report = peephole.quantization_report(lstm, lstm.quantize("int16"), x)
    lines = str(report).splitlines()
    assert lines[0] == "int16"
    assert [line.split("  ")[1] for line in lines[1:]] == [
        "RMS of y",
        "RMS error of y",
        "RMS error / RMS of y",
        "largest error of y",
        "RMS error / RMS of h, layer 0",
        "RMS error / RMS of h, layer 1",
        "bytes of the parameters",
    ]
    assert f"{report.rms_error:.1e}" in lines[2]


class TestRefuses:
    @pytest.fixture
    def lstm(self):
        return peephole.LSTM(20, 16, seed=0)

    def test_models(self, lstm, x):
        report = peephole.quantization_report
        quantized = lstm.quantize("int16")
        net = peephole.Network(20, 16, 2, seed=0)
        with refused(TypeError, "model"):
            report("lstm", quantized, x)
        with refused(ValueError, "model", "floating point"):
            report(quantized, quantized, x)
        with refused(TypeError, "quantized"):
            report(lstm, net.quantize("int16"), x)
        with refused(TypeError, "quantized"):
            report(lstm, None, x)
        with refused(ValueError, "quantized", "floating point"):
            report(lstm, lstm, x)
        with refused(ValueError, "quantized", "hidden_size"):
            report(lstm, peephole.LSTM(20, 17, seed=0).quantize("int16"), x)
        with refused(ValueError, "quantized", "peephole"):
            report(lstm, peephole.LSTM(20, 16, peephole="none", seed=0).quantize("int16"), x)

    def test_data(self, lstm, x):
        def report(x, **arguments):
            peephole.quantization_report(lstm, lstm.quantize("int16"), x, **arguments)

        with refused(ValueError, "x"):
            report(x[..., :3])
        with refused(TypeError, "x"):
            report(x.astype(complex))
        with refused(ValueError, "x", "step"):
            report(x[:, :0])
        with refused(ValueError, "x", "step"):
            report([])
        with refused(ValueError, "x[1]"):
            report([x[0], x[1, :, :2]])
        with refused(ValueError, "lengths"):
            report(x, lengths=[1, 2, 3])
        with refused(ValueError, "lengths"):
            report(x, lengths=[1, 2, 3, 10])
        with refused(TypeError, "lengths"):
            report(x, lengths=[1.0, 2.0, 3.0, 4.0])
        with refused(ValueError, "lengths"):
            report(x[0], lengths=[3])
        for value in (np.nan, np.inf):
            x[1, 2, 3] = value
            with refused(ValueError, "x", "sequence 1"):
                report(x)

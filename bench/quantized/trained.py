"""Errors of trained classifiers: Japanese Vowels and handwritten digits."""

from __future__ import annotations

from typing import Any

import peephole
from peephole.datasets import japanese_vowels
from peephole.demo import speakers

from bench.implementations.interface import not_installed
from bench.progress import say
from bench.quantized.engines import FORMATS
from bench.quantized.exact import in_float64, relative_rms

PEEPHOLES = ("diagonal", "none")
SEED = 0


def measure() -> list[dict[str, Any]]:
    """A record for each data set, with peepholes and without, of its test set."""
    records = []
    for peepholes in PEEPHOLES:
        say(f"errors of trained models: vowels, peephole={peepholes}")
        records.append(_record(f"vowels, {peepholes}", *_vowels(peepholes)))
        if not_installed("sklearn") is None:  # it has the digits
            say(f"errors of trained models: digits, peephole={peepholes}")
            records.append(_record(f"digits, {peepholes}", *_digits(peepholes)))
    return records


def _record(name: str, net: Any, x: Any) -> dict[str, Any]:
    exact = in_float64(net)
    y = exact.predict(x)
    errors, changed, layers = {}, {}, {}
    for format, arguments in FORMATS.items():
        report = peephole.quantization_report(exact, net.quantize(**arguments), x)
        errors[format], changed[format] = report.relative_error, report.changed
        layers[format] = report.layers
    single = net.predict(x)
    errors["float32"] = relative_rms(single, y)
    changed["float32"] = int((single.argmax(axis=1) != y.argmax(axis=1)).sum())
    return {
        "kind": "trained",
        "model": f"{name}, H {net.hidden_sizes[0]}: {len(y)} predictions",
        "errors": errors,
        "changed": changed,
        "layers": layers,
    }


def _vowels(peepholes: Any) -> tuple[Any, Any]:
    data = japanese_vowels()
    train_x, test_x = speakers.standardise(data)
    net = peephole.Network(
        12,
        speakers.UNITS,
        speakers.SPEAKERS,
        head="softmax",
        readout="last",
        peephole=peepholes,
        seed=SEED,
    )
    speakers.train(net, train_x, data.train_y, SEED, progress=False)
    return net, test_x


def _digits(peepholes: Any) -> tuple[Any, Any]:
    from bench.tasks import digits

    options: Any = digits.OPTIONS
    train_x, test_x, train_y, _ = digits.data()  # type: ignore[no-untyped-call]
    steps = options["n_steps"]
    net = peephole.Network(
        train_x.shape[1] // steps,
        options["hidden_size"],
        10,
        head="softmax",
        readout="last",
        peephole=peepholes,
        seed=SEED,
    )
    net.fit(
        train_x.reshape(len(train_x), steps, -1),
        train_y,
        epochs=options["epochs"],
        learning_rate=options["learning_rate"],
        seed=SEED,
        progress=False,
    )
    return net, test_x.reshape(len(test_x), steps, -1)

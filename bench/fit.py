"""What `Network.fit` adds to the calls it makes, and the time of an epoch of the demo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import peephole
from numpy.typing import NDArray

from bench.answers import WrongAnswerError
from bench.progress import say
from bench.tables import markdown, significant, threads
from bench.timing import Call, Effort, Timed, take_turns

# Of the calls: few units, where the overhead of Python is largest, and many.
BATCH, TIME, INPUTS, OUTPUTS = 32, 100, 16, 4
UNITS = (20, 128)
BATCHES, EPOCHS = 10, 2
# Of the demo; see peephole.demo.
SPEAKERS, FEATURES, DEMO_UNITS, DEMO_BATCH = 9, 12, 100, 32
# Two float32 computations of about 30 steps.
TOLERANCE = 1e-5


def measure(counts: Sequence[int], effort: Effort, torch: bool) -> list[dict[str, Any]]:
    """Milliseconds a step, and of an epoch of the demo, with each number of threads.

    torch: Whether PyTorch takes part in the demo.
    """
    records = []
    for count in counts:
        for units in UNITS:
            say(f"fit, H = {units}, {threads(count)}")
            seconds = take_turns(_fit_and_calls(units, count), effort)
            steps = BATCHES * EPOCHS
            for name, value in seconds.items():
                ratio = value / seconds["calls"]
                records.append(_record(f"a step, H = {units}", name, count, value / steps, ratio))
        say(f"an epoch of the demo, {threads(count)}")
        seconds = take_turns(_demo_epochs(count, torch), effort)
        for name, value in seconds.items():
            ratio = value / seconds["peephole"]
            records.append(_record("an epoch of the demo", name, count, value, ratio))
    return records


def _record(what: str, name: str, count: int, seconds: float, ratio: float) -> dict[str, Any]:
    milliseconds = 1e3 * seconds
    return {"what": what, "by": name, "threads": count, "ms": milliseconds, "ratio": ratio}


def table(records: Sequence[dict[str, Any]]) -> str:
    """The records, a row each."""
    rows = [
        [r["what"], r["by"], threads(r["threads"]), significant(r["ms"]), f"{r['ratio']:.2f}"]
        for r in records
    ]
    return markdown(["", "by", "with", "ms", "ratio"], rows)


def _fit_and_calls(units: int, count: int) -> dict[str, Timed]:
    """The same steps by `fit` and by forward, backward and step on batches in memory."""
    random = np.random.default_rng(20)
    x = random.standard_normal((BATCH * BATCHES, TIME, INPUTS), np.float32)
    y = random.standard_normal((BATCH * BATCHES, TIME, OUTPUTS), np.float32)
    net = peephole.Network(INPUTS, units, OUTPUTS, seed=0)
    optimiser = peephole.optim.Adam(net.parameters)
    batches = [np.array(x[at : at + BATCH]) for at in range(0, len(x), BATCH)]
    dy = random.standard_normal((BATCH, TIME, OUTPUTS), np.float32) / TIME

    def calls() -> None:
        for _ in range(EPOCHS):
            for batch in batches:
                _, _, tape = net.forward(batch)
                optimiser.step(net.backward(tape, dy))

    def fit() -> None:
        net.fit(x, y, epochs=EPOCHS, batch_size=BATCH, seed=0, progress=False)

    def turn() -> None:
        peephole.set_num_threads(count)

    return {"calls": Call(calls, turn=turn), "fit": Call(fit, turn=turn)}


def _demo_epochs(count: int, torch: bool) -> dict[str, Timed]:
    data = peephole.datasets.japanese_vowels()
    x = [utterance.astype(np.float32) for utterance in data.train_x]
    net = peephole.Network(FEATURES, DEMO_UNITS, SPEAKERS, head="softmax", readout="last", seed=0)

    def epoch() -> None:
        net.fit(x, data.train_y, epochs=1, batch_size=DEMO_BATCH, seed=0, progress=False)

    runs: dict[str, Timed] = {"peephole": Call(epoch, turn=lambda: peephole.set_num_threads(count))}
    if torch:
        for name, run in _torch_epochs(x, data.train_y).items():
            runs[name] = Call(run, turn=lambda: _set_torch_threads(count))
    return runs


def _set_torch_threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)


def _torch_epochs(
    x: list[NDArray[np.float32]], labels: NDArray[np.int64]
) -> dict[str, Callable[[], None]]:
    """The same epoch with torch.nn.LSTM, over padded batches and over packed ones."""
    import torch
    from torch.nn.utils import clip_grad_norm_
    from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

    net = peephole.Network(
        FEATURES, DEMO_UNITS, SPEAKERS, head="softmax", readout="last", peephole="none", seed=0
    )
    lstm = torch.nn.LSTM(FEATURES, DEMO_UNITS)
    head = torch.nn.Linear(DEMO_UNITS, SPEAKERS)
    values = {
        lstm.weight_ih_l0: "weight_ih_l0",
        lstm.weight_hh_l0: "weight_hh_l0",
        lstm.bias_ih_l0: "bias_l0",
        head.weight: "head.weight",
        head.bias: "head.bias",
    }
    with torch.no_grad():
        for tensor, name in values.items():
            tensor.copy_(torch.from_numpy(net.parameters[name].copy()))
        lstm.bias_hh_l0.zero_()
    parameters = [*lstm.parameters(), *head.parameters()]
    optimiser = torch.optim.Adam(parameters)
    lengths = torch.tensor([len(utterance) for utterance in x])
    padded = pad_sequence([torch.from_numpy(utterance) for utterance in x])  # (T, n, I)
    targets = torch.from_numpy(labels)

    def logits_padded(rows: Any) -> Any:
        of_rows = lengths[rows]
        y, _ = lstm(padded[: int(of_rows.max()), rows])
        return head(y[of_rows - 1, torch.arange(len(rows))])

    def logits_packed(rows: Any) -> Any:
        packed = pack_padded_sequence(padded[:, rows], lengths[rows], enforce_sorted=False)
        _, (h, _) = lstm(packed)
        return head(h[0])

    def epoch(logits: Callable[[Any], Any]) -> None:
        for rows in torch.randperm(len(x)).split(DEMO_BATCH):
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(logits(rows), targets[rows])
            loss.backward()
            clip_grad_norm_(parameters, 1.0)
            optimiser.step()

    everyone = torch.arange(len(x))
    expected = net.predict(x)
    for logits in (logits_padded, logits_packed):
        with torch.no_grad():
            found = torch.softmax(logits(everyone), dim=1).numpy()
        if not np.abs(found - expected).max() < TOLERANCE:
            raise WrongAnswerError("the demo: torch's probabilities are not ours")
    return {
        "torch, padded": lambda: epoch(logits_padded),
        "torch, packed": lambda: epoch(logits_packed),
    }

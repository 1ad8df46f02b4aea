"""A speaker classifier on real speech, from data to picture."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from peephole._fork_gate import fork_gate
from peephole.datasets import JapaneseVowels, japanese_vowels
from peephole.models.network import Network

SPEAKERS = 9
UNITS = 100
# One round of training each: large steps first, small ones to converge.
LEARNING_RATES = (3e-3, 1e-3, 3e-4)
EPOCHS = 3
# Each round has this many copies of every utterance, each with different noise. The amount of
# noise, in standard deviations of a feature, was chosen by cross-validation on the training set.
COPIES = 4
NOISE = 0.75
FRAME_MS = 6.4  # from one frame of the recordings to the next

Utterances = list[NDArray[np.float32]]


def run(seed: int, epochs: int, output: Path, quiet: bool) -> float:
    """Trains, tests, and shows the results; returns the test accuracy."""

    def say(text: str = "") -> None:
        if not quiet:
            print(text, flush=True)

    data = japanese_vowels()
    train_x, test_x = standardise(data)
    say(data.description)
    net = Network(12, UNITS, SPEAKERS, head="softmax", readout="last", seed=seed)
    say(f"The model, to be trained with a little noise on its input:\n  {net}\n")

    begin = time.perf_counter()
    train(net, train_x, data.train_y, seed, epochs, progress=False if quiet else None)
    seconds = time.perf_counter() - begin
    predicted = net.predict(test_x).argmax(axis=1)
    right = int((predicted == data.test_y).sum())
    accuracy = right / len(test_x)
    say()
    print(
        f"Test accuracy {accuracy:.1%} ({right} of {len(test_x)} utterances) "
        f"after {seconds:.1f} s of training"
    )
    say("\n" + confusion_table(data.test_y, predicted))

    chosen = max(range(len(test_x)), key=lambda k: len(test_x[k]))
    utterance, speaker = test_x[chosen], int(data.test_y[chosen])
    probabilities = np.array(list(listen(net, utterance)))
    say(f"\nThe longest utterance, of speaker {speaker + 1}, frame by frame as if it were live:\n")
    say(live_table(probabilities, speaker))
    message = draw(net, utterance, speaker, probabilities, output)
    say(f"\n{message}")
    return accuracy


def standardise(data: JapaneseVowels) -> tuple[Utterances, Utterances]:
    """Both sets, with each feature of the training set at mean 0 and standard deviation 1."""
    frames = np.concatenate(data.train_x)
    mean, deviation = frames.mean(axis=0), frames.std(axis=0)

    def scaled(utterances: list[NDArray[np.float64]]) -> Utterances:
        return [((x - mean) / deviation).astype(np.float32) for x in utterances]

    return scaled(data.train_x), scaled(data.test_x)


def train(
    net: Network,
    x: Utterances,
    y: NDArray[np.int64],
    seed: int,
    epochs: int = EPOCHS,
    progress: bool | None = None,
) -> None:
    """Trains on copies with noise, against overfitting."""
    random = np.random.default_rng(seed)
    for learning_rate in LEARNING_RATES:
        noisy = [
            utterance + NOISE * random.standard_normal(utterance.shape, np.float32)
            for utterance in x * COPIES
        ]
        net.fit(
            noisy,
            np.tile(y, COPIES),
            epochs=epochs,
            learning_rate=learning_rate,
            seed=random,
            progress=progress,
        )


def listen(net: Network, utterance: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The probabilities (O,) of the speakers after each frame; one call per frame."""
    state = None
    for frame in utterance:
        probabilities, state = net(frame[None], state)
        yield probabilities


def confusion_table(speakers: NDArray[np.int64], predicted: NDArray[np.int64]) -> str:
    """Rows: the speaker; columns: the prediction; last column: the correct fraction."""
    counts = np.zeros((SPEAKERS, SPEAKERS), int)
    np.add.at(counts, (speakers, predicted), 1)
    head = "spoke \\ heard" + "".join(f"{k + 1:5}" for k in range(SPEAKERS)) + "   right"
    rows = [
        f"{k + 1:13}"
        + "".join(f"{n:5}" if n else "    ." for n in row)
        + f"{row[k] / max(row.sum(), 1):8.0%}"
        for k, row in enumerate(counts)
    ]
    return "\n".join([head, *rows])


def live_table(probabilities: NDArray[np.float32], speaker: int) -> str:
    """For every third frame and the last one: the most probable speaker, and a bar for it."""
    shown = sorted({*range(0, len(probabilities), 3), len(probabilities) - 1})
    rows = []
    for t in shown:
        best = int(probabilities[t].argmax())
        probability = float(probabilities[t, best])
        mark = "" if best == speaker else "  (wrong)"
        bar = "#" * round(30 * probability)
        when = f"{(t + 1) * FRAME_MS:4.0f} ms"
        rows.append(f"  {when}  speaker {best + 1}  {probability:4.0%} {bar}{mark}")
    return "\n".join(rows)


def picture_problem(output: Path) -> str | None:
    """Why no picture can be written to `output`, checked before the training; None if it can."""
    if output.is_dir():
        return f"expected a file, got the folder {output}"
    new = not output.exists()
    try:
        if new or output.is_file():
            output.open("ab").close()  # opened as for the picture, but not emptied
        if new:
            output.unlink()
    except OSError as error:
        return f"expected a file that can be written, got {output}: {error.strerror}"
    if find_spec("matplotlib") is None:
        return None  # `draw` says so
    with fork_gate:
        from matplotlib.backend_bases import FigureCanvasBase

    known = sorted(FigureCanvasBase.get_supported_filetypes())
    suffix = output.suffix[1:].lower()
    if suffix and suffix not in known:
        return f"expected a name that ends in one of {', '.join(known)}, got {output.name}"
    return None


def draw(
    net: Network,
    utterance: NDArray[np.float32],
    speaker: int,
    probabilities: NDArray[np.float32],
    output: Path,
) -> str:
    """Writes the picture; returns a message about it."""
    if find_spec("matplotlib") is None:
        return 'No picture without matplotlib: pip install "peephole[demo]"'
    with fork_gate:
        from peephole.demo.picture import picture

        picture(net, utterance, speaker, probabilities, FRAME_MS).savefig(output)
    return f"A picture of it, gate by gate: {output}"

"""Two small real data sets of the kinds on which the variants of LSTM were compared.

Speech, in place of TIMIT: the utterances of `peephole.datasets.japanese_vowels`, eight joined to a
stream; each frame is classified by its speaker, who changes unannounced. Music, in place of JSB
Chorales: four-part chorales of Bach (`chorales`); from the pitches up to a quarter note those of
the next one are predicted.
"""

from dataclasses import dataclass

import numpy as np
import peephole

from bench.tasks import chorales

UTTERANCES = 8  # a stream
ORDERS = 4  # in which the utterances are joined to streams
HELD_OUT = 6  # utterances of each speaker, for validation; the data have their own test set
LOWEST, HIGHEST = 36, 81  # MIDI numbers of the chorales
VALIDATION, TEST = 0.2, 0.2  # of the chorales


@dataclass(frozen=True)
class Part:
    """Sequences (T_i, I), and their targets: labels (T_i,), or (T_i, O)."""

    x: list[np.ndarray]
    y: list[np.ndarray]


def streams(utterances, speakers, random):
    """Every utterance joined with others at random, in several orders."""
    x, y = [], []
    for _ in range(ORDERS):
        order = random.permutation(len(utterances))
        for begin in range(0, len(order), UTTERANCES):
            joined = order[begin : begin + UTTERANCES]
            x.append(np.concatenate([utterances[k] for k in joined]))
            y.append(np.concatenate([np.full(len(utterances[k]), speakers[k]) for k in joined]))
    return Part(x, y)


def speech(seed=0):
    """Training, validation and test parts of the joined utterances."""
    random = np.random.default_rng(seed)
    told = peephole.datasets.japanese_vowels()
    held = np.concatenate(
        [
            random.permutation(np.flatnonzero(told.train_y == speaker))[:HELD_OUT]
            for speaker in np.unique(told.train_y)
        ]
    )
    kept = np.setdiff1d(np.arange(len(told.train_y)), held)
    frames = np.concatenate([told.train_x[k] for k in kept])
    mean, deviation = frames.mean(axis=0), frames.std(axis=0)

    def scaled(utterances):
        return [((each - mean) / deviation).astype(np.float32) for each in utterances]

    train, validation = (
        streams(scaled([told.train_x[k] for k in chosen]), told.train_y[chosen], random)
        for chosen in (kept, held)
    )
    return train, validation, streams(scaled(told.test_x), told.test_y, random)


def next_steps(scores):
    """The pitches of each step but the last, 0 or 1, and those of the step after it."""
    rolls = []
    for score in scores:
        roll = np.zeros((len(score), HIGHEST - LOWEST + 1), np.float32)
        for step, pitches in zip(roll, score, strict=True):
            step[[pitch - LOWEST for pitch in pitches]] = 1
        rolls.append(roll)
    return Part([roll[:-1] for roll in rolls], [roll[1:] for roll in rolls])


def music(seed=0):
    """Training, validation and test parts of the chorales."""
    paths = chorales.files()
    if not paths:
        raise ModuleNotFoundError("the chorales come with music21: pip install music21")
    scores = chorales.chorales(paths)
    order = np.random.default_rng(seed).permutation(len(scores))
    test, validation = (round(part * len(scores)) for part in (TEST, VALIDATION))
    cuts = np.split(order, [len(scores) - test - validation, len(scores) - test])
    return tuple(next_steps([scores[k] for k in cut]) for cut in cuts)

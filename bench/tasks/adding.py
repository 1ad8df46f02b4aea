"""The adding problem: of 100 random numbers add the two that are marked.

S. Hochreiter, J. Schmidhuber, "Long short-term memory", Neural Computation 9 (1997) 1735-1780, in
the form since usual: numbers uniform in 0..1, one mark in each half of the sequence. Always
predicting 1 has a squared error of 1/6.
"""

import time

import numpy as np
import peephole

STEPS = 100
UNITS = 32
TRAINING, TEST = 10_000, 5_000  # sequences
EPOCHS = 20
BATCH = 50
LEARNING_RATE = 5e-3
MARK = 0.01
SEED = 0


def sequences(count, random, steps=STEPS):
    """X (count, steps, 2), numbers and marks, and the sums (count, 1)."""
    numbers = random.random((count, steps), np.float32)
    first = random.integers(0, steps // 2, count)
    second = random.integers(steps // 2, steps, count)
    marks = np.zeros_like(numbers)
    rows = np.arange(count)
    marks[rows, first] = marks[rows, second] = 1
    sums = numbers[rows, first] + numbers[rows, second]
    return np.stack([numbers, marks], axis=2), sums[:, None]


def main():
    """Prints the result; returns whether it reaches the mark."""
    begin = time.perf_counter()
    random = np.random.default_rng(SEED)
    x, y = sequences(TRAINING, random)
    net = peephole.Network(2, UNITS, 1, readout="last", seed=SEED)
    net.fit(
        x,
        y,
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        schedule=peephole.schedules.Cosine(),
        seed=SEED,
        progress=False,
    )
    x, y = sequences(TEST, random)
    error = float(np.mean((net.predict(x) - y) ** 2))
    print(
        f"Adding problem, T = {STEPS}, {UNITS} units: squared error {error:.5f} on {TEST} new "
        f"sequences (seed {SEED}; mark {MARK}); {time.perf_counter() - begin:.0f} s",
        flush=True,
    )
    return error < MARK


if __name__ == "__main__":
    raise SystemExit(not main())

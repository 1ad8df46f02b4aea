"""Measuring the interval between spikes, with peepholes and without.

The input is 0 but for spikes of 1, 5 to 25 steps apart; at each spike after the first the target is
the number of steps since the last one. There is no target between spikes. After F. A. Gers, N. N.
Schraudolph, J. Schmidhuber, "Learning precise timing with LSTM recurrent networks", JMLR 3 (2002)
115-143.
"""

import time

import numpy as np
import peephole

SHORTEST, LONGEST = 5, 25  # intervals
STEPS = 100
UNITS = 8
TRAINING, TEST = 1_000, 1_000  # sequences
EPOCHS = 60
LEARNING_RATE = 1e-2
MARK = 0.5  # steps: rounded, such a prediction is right
SEED = 0


def sequences(count, random, steps=STEPS):
    """X (count, steps, 1), and intervals over LONGEST (count, steps, 1), NaN between spikes."""
    x = np.zeros((count, steps, 1), np.float32)
    y = np.full((count, steps, 1), np.nan, np.float32)
    for spikes, intervals in zip(x, y, strict=True):
        t = random.integers(0, LONGEST)
        spikes[t] = 1
        while (t := t + (interval := random.integers(SHORTEST, LONGEST + 1))) < steps:
            spikes[t] = 1
            intervals[t] = interval / LONGEST
    return x, y


def errors(peepholes, seed=SEED, epochs=EPOCHS):
    """The error of a trained network at each spike of the test sequences, in steps."""
    random = np.random.default_rng(seed)
    x, y = sequences(TRAINING, random)
    net = peephole.Network(1, UNITS, 1, peephole=peepholes, seed=seed)
    net.fit(
        x,
        y,
        epochs=epochs,
        learning_rate=LEARNING_RATE,
        missing="skip",
        schedule=peephole.schedules.Cosine(),
        seed=seed,
        progress=False,
    )
    x, y = sequences(TEST, random)
    asked = ~np.isnan(y)
    return LONGEST * np.abs(net.predict(x)[asked] - y[asked])


def main():
    """Prints the result; returns whether it reaches the mark."""
    begin = time.perf_counter()
    with_peepholes, without = errors("diagonal"), errors("none")
    print(
        f"Intervals of {SHORTEST} to {LONGEST} steps between spikes, {UNITS} units: off by "
        f"{with_peepholes.mean():.2f} steps, {np.mean(with_peepholes < 0.5):.1%} right when "
        f"rounded (without peepholes {without.mean():.2f}, {np.mean(without < 0.5):.1%}; seed "
        f"{SEED}; mark {MARK} steps); {time.perf_counter() - begin:.0f} s",
        flush=True,
    )
    return with_peepholes.mean() < MARK


if __name__ == "__main__":
    raise SystemExit(not main())

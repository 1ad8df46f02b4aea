"""The streams of the precise-timing tasks.

F. A. Gers, N. N. Schraudolph, J. Schmidhuber, "Learning precise timing with LSTM recurrent
networks", JMLR 3 (2002) 115-143. Spike n is at step T(n) = T(n-1) + F + I(n), counted from 1 with
T(0) = 0, and the offset I(n) is 0 or 1 at random.

Each function returns x and y, both (count, F * periods, 1); y is NaN where there is no target.
Streams without randomness are all the same: then count is 1.
"""

import numpy as np

PERIOD = 10  # F


def spike_times(count, periods, random):
    """Offsets I (count, periods), and the indices of the steps of the spikes, T - 1."""
    offsets = random.integers(0, 2, (count, periods))
    return offsets, np.cumsum(PERIOD + offsets, axis=1) - 1


def empty(count, periods, value=0.0):
    """An array of streams, (count, F * periods, 1)."""
    return np.full((count, PERIOD * periods, 1), value, np.float32)


def spike_delays(count, periods, random):
    """MSD: x has spikes of 1; at each, y is the offset I of the delay that it ends."""
    x, y = empty(count, periods), empty(count, periods, np.nan)
    for k, (offsets, times) in enumerate(zip(*spike_times(count, periods, random), strict=True)):
        inside = times < x.shape[1]
        x[k, times[inside], 0] = 1
        y[k, times[inside], 0] = offsets[inside]
    return x, y


def timed_spikes(count, periods, random):
    """GTS: x is the offset of the next spike, at all steps up to it; y has the spikes."""
    x, y = empty(count, periods), empty(count, periods)
    for k, (offsets, times) in enumerate(zip(*spike_times(count, periods, random), strict=True)):
        steps = np.repeat(offsets, PERIOD + offsets)
        x[k, :, 0] = steps[: x.shape[1]]
        y[k, times[times < x.shape[1]], 0] = 1
    return x, y


def regular_spikes(count, periods, random):
    """GTS without offsets: x is 0; y has a spike at every F-th step."""
    y = empty(1, periods)
    y[:, PERIOD - 1 :: PERIOD] = 1
    return np.zeros_like(y), y


def wave(form):
    """PFG: a function that returns streams in which x is 0 and y is `form` of t, t = 1, 2, ..."""

    def streams(count, periods, random):
        x = empty(1, periods)
        return x, form(np.arange(1, x.shape[1] + 1)).astype(np.float32)[None, :, None]

    return streams


def cosine(t):
    """(1 - cos(2π t / F)) / 2."""
    return (1 - np.cos(2 * np.pi * t / PERIOD)) / 2


def triangle(t):
    """Falls from 1 to 0 in the first half of a period and rises to 1 in the second."""
    return np.abs(1 - 2 * (t % PERIOD) / PERIOD)


def rectangle(t):
    """1 where t mod F > F / 2, otherwise 0."""
    return np.where(t % PERIOD > PERIOD / 2, 1.0, 0.0)

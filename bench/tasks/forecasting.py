"""Forecasts of a real series from many origins, compared with seasonal naive ones.

Each of five networks reads some steps of the series and predicts all steps of the horizon at once;
the forecast is their mean. They are trained on all horizons that end before the test begins. Epochs
and context were chosen on the last part of that, without the test.
"""

from dataclasses import dataclass

import numpy as np
import peephole

SEEDS = range(5)
LEARNING_RATE = 1e-2
UNITS = 16


@dataclass(frozen=True)
class Series:
    """A series, and how it is forecast."""

    values: np.ndarray  # (n,)
    season: int
    horizon: int
    context: int  # steps read
    test_from: int  # index of the first value forecast in the test
    changes: bool  # forecast the change since a season ago rather than the value
    epochs: int


def naive(series, origin):
    """The last season before the origin, repeated over the horizon."""
    last = series.values[origin - series.season : origin]
    return np.resize(last, series.horizon)


def cut(series, first, end):
    """Origins whose horizons lie in first..end, the values read before each, and those after it."""
    values, season = series.values, series.season
    told = values[season:] - values[:-season] if series.changes else values
    offset = season if series.changes else 0
    origins = np.arange(max(first, offset + series.context), end - series.horizon + 1)
    x = np.stack([told[t - offset - series.context : t - offset] for t in origins])
    if series.changes:
        y = np.stack([values[t : t + series.horizon] - naive(series, t) for t in origins])
    else:
        y = np.stack([values[t : t + series.horizon] for t in origins])
    return origins, x[..., None], y


def forecasts(series):
    """The networks' mean forecasts in the test, the seasonal naive ones, and the true values.

    Each (origins, horizon).
    """
    _, train_x, train_y = cut(series, 0, series.test_from)
    origins, x, _ = cut(series, series.test_from, len(series.values))
    mean, deviation = train_x.mean(), train_x.std()

    def scaled(values):
        return (values - mean) / deviation

    said = []
    for seed in SEEDS:
        net = peephole.Network(1, UNITS, series.horizon, readout="last", seed=seed)
        net.fit(
            scaled(train_x),
            scaled(train_y),
            epochs=series.epochs,
            learning_rate=LEARNING_RATE,
            schedule=peephole.schedules.Cosine(),
            seed=seed,
            progress=False,
        )
        said.append(net.predict(scaled(x)) * deviation + mean)
    seasonal = np.stack([naive(series, t) for t in origins])
    came = np.stack([series.values[t : t + series.horizon] for t in origins])
    return np.mean(said, axis=0) + (seasonal if series.changes else 0), seasonal, came


def errors(series):
    """Mean absolute errors in the test: the networks', and the seasonal naive forecast's."""
    ours, seasonal, came = forecasts(series)
    return float(np.abs(ours - came).mean()), float(np.abs(seasonal - came).mean())

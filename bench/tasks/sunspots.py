"""Yearly sunspots 1700-2008, from statsmodels (SILSO, Royal Observatory of Belgium), a year ahead.

The seasonal naive forecast is the number of 11 years before, about one cycle; for the next year the
last value is a better one. A whole cycle ahead such networks did not beat it: with horizon 11 their
error was 37.0, the naive one 27.8.
"""

import time

import statsmodels.api as sm

from bench.tasks.forecasting import Series, errors

FIRST = 1700
CYCLE = 11


def series():
    """The numbers, forecast from 1960 on."""
    values = sm.datasets.sunspots.load_pandas().data["SUNACTIVITY"].to_numpy()
    return Series(
        values,
        season=CYCLE,
        horizon=1,
        context=3 * CYCLE,
        test_from=1960 - FIRST,
        changes=False,
        epochs=30,
    )


def main():
    """Prints the result; returns whether it is better than the naive forecast."""
    begin = time.perf_counter()
    ours, naive = errors(series())
    print(
        f"Sunspots, a year ahead, from 1960: mean absolute error {ours:.1f}, seasonal "
        f"naive {naive:.1f} (mean forecast of seeds 0..4); {time.perf_counter() - begin:.0f} s",
        flush=True,
    )
    return ours < naive


if __name__ == "__main__":
    raise SystemExit(not main())

"""Weekly CO2 at Mauna Loa 1958-2001 (statsmodels; C. D. Keeling, T. P. Whorf), a year ahead.

The seasonal naive forecast repeats the last year; the network predicts its error.
"""

import time

import statsmodels.api as sm

from bench.tasks.forecasting import Series, errors

YEAR = 52  # weeks


def series():
    """Parts per million, weeks without a value interpolated, forecast from 1990 on."""
    data = sm.datasets.co2.load_pandas().data["co2"].interpolate()
    return Series(
        data.to_numpy(),
        season=YEAR,
        horizon=YEAR,
        context=YEAR,
        test_from=int((data.index < "1990").sum()),
        changes=True,
        epochs=5,
    )


def main():
    """Prints the result; returns whether it is better than the naive forecast."""
    begin = time.perf_counter()
    ours, naive = errors(series())
    print(
        f"CO2, the next {YEAR} weeks, from 1990: mean absolute error {ours:.2f} ppm, seasonal "
        f"naive {naive:.2f} ppm (mean forecast of seeds 0..4); {time.perf_counter() - begin:.0f} s",
        flush=True,
    )
    return ours < naive


if __name__ == "__main__":
    raise SystemExit(not main())

"""The example that forecasts CO2 by quantiles, with less training than the program."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from peephole import metrics

pytest.importorskip("statsmodels")

PATH = Path(__file__).parents[2] / "docs" / "examples" / "quantile_forecast.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("quantile_forecast", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_windows(example):
    """What is predicted follows on what is read; the year is that of the first week predicted."""
    x, y, years = example.windows()
    assert x.shape[1:] == (52, 1)
    assert y.shape[1:] == (13,)
    np.testing.assert_array_equal(x[13:, -13:, 0], y[:-13])
    assert years[0] == 1960  # the series begins in March 1958
    assert years[-1] == 2001


def test_forecasts(example):
    ours, naive, true = example.forecasts(seeds=[0], epochs=1)
    assert ours.shape == naive.shape == (5, *true.shape)
    assert (np.diff(ours, axis=0) >= 0).all()
    scores = [metrics.crps_quantiles(q, true, example.LEVELS) for q in (ours, naive)]
    assert scores[0] < scores[1]

"""DataFrames of pandas. It is never imported here: where it is not, there are none."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_frame(x: Any) -> bool:
    """Whether x is a DataFrame."""
    pandas = sys.modules.get("pandas")
    # While another thread imports it, there are none.
    return pandas is not None and hasattr(pandas, "DataFrame") and isinstance(x, pandas.DataFrame)


def are_frames(x: Any) -> bool:
    """Whether x is a list of DataFrames only."""
    return isinstance(x, (list, tuple)) and len(x) > 0 and all(map(is_frame, x))


def framed(x: Any, y: Any) -> Any:
    """Predictions y for x, as DataFrames if x is one or a list of them.

    The index is that of x, or for one prediction (O,) of a sequence the last label of it. Lists of
    sequences with one prediction each stay an array.
    """
    if is_frame(x):
        return frame_of(y, x.index) if y.ndim == 2 else frame_of(y[None], x.index[-1:])
    if isinstance(y, list) and are_frames(x):
        return [frame_of(values, item.index) for values, item in zip(y, x, strict=True)]
    return y


def frame_of(values: NDArray[Any], index: Any, columns: Any = None) -> Any:
    """(T, O) as a DataFrame."""
    return sys.modules["pandas"].DataFrame(values, index=index, columns=columns)


def sampled_frame(values: NDArray[Any], index: Any, columns: Any = None) -> Any:
    """(K, T, O) as a DataFrame, with the sample before the time in its index."""
    pandas = sys.modules["pandas"]
    names = ["sample", index.name]
    both = pandas.MultiIndex.from_product([range(len(values)), index], names=names)
    return frame_of(values.reshape(-1, values.shape[2]), both, columns)


def index_after(index: Any, steps: int, name: str) -> Any:
    """The next `steps` labels of an index of times or integers at equal distances.

    Raises ValueError if the distances are not equal, or there are not enough labels to know them.
    """
    pandas = sys.modules["pandas"]
    last = index[-1]
    if isinstance(index, pandas.PeriodIndex):
        return pandas.period_range(last + 1, periods=steps, freq=index.freq, name=index.name)
    if isinstance(index, pandas.DatetimeIndex):
        frequency = index.freq or _inferred(index)
        if frequency is not None:
            following = pandas.date_range(last, periods=steps + 1, freq=frequency, name=index.name)
            return following[1:]
    elif isinstance(index, pandas.TimedeltaIndex) or index.dtype.kind in "iu":
        apart = np.diff(index.to_numpy())
        if len(apart) and (apart == apart[0]).all():
            labels = index.to_numpy()[-1] + apart[0] * np.arange(1, steps + 1)
            return (
                type(index)(labels, name=index.name)
                if index.dtype.kind == "m"
                else (pandas.Index(labels, name=index.name))
            )
    raise ValueError(
        f"{name}: expected an index of times or integers at equal distances, to go on from, "
        f"got {type(index).__name__}"
    )


def _inferred(index: Any) -> Any:
    """The frequency of a DatetimeIndex that does not know it; None: it has none."""
    if len(index) < 3:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas 3 says that pandas 4 returns another type
        return sys.modules["pandas"].infer_freq(index)


def scaled_frame(x: Any, values: NDArray[Any]) -> Any:
    """Transformed values of the DataFrame x: with its columns, and any more for missing values."""
    columns: Sequence[Any] = list(x.columns)
    if values.shape[1] > len(columns):
        columns = [*columns, *(f"{column}_missing" for column in columns)]
    return frame_of(values, x.index, columns)

"""The tables of the times beside the peers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.peers import OURS, Measurement
from bench.shapes import Shape
from bench.tables import markdown, significant, threads


def of_ratios(measurements: Sequence[Measurement], peak_of_one_core: float) -> str:
    """A row a shape, a column a mode: the ratio, our milliseconds, our fraction of the peak."""

    def cell(one: Measurement) -> str:
        ratio = "–" if one.ratio is None else f"{one.ratio:.2f}"
        ours = significant(1e3 * one.seconds[OURS])
        return f"{ratio} ({ours} ms, {one.share_of_peak(peak_of_one_core):.0%})"

    return _by_shape(measurements, cell)


def of_times(measurements: Sequence[Measurement]) -> str:
    """The milliseconds of each implementation."""
    names = list(dict.fromkeys(name for one in measurements for name in one.seconds))
    rows = [
        [
            one.shape.sizes,
            _mode(one),
            *(significant(1e3 * one.seconds[n]) if n in one.seconds else "–" for n in names),
        ]
        for one in measurements
    ]
    return markdown(["T,B,I,H", "ms", *names], rows)


def _by_shape(measurements: Sequence[Measurement], cell: Callable[[Measurement], str]) -> str:
    modes = list(dict.fromkeys(map(_mode, measurements)))
    cells: dict[Shape, dict[str, str]] = {}
    for one in measurements:
        cells.setdefault(one.shape, {})[_mode(one)] = cell(one)
    rows = [[shape.sizes, *(of[mode] for mode in modes)] for shape, of in cells.items()]
    return markdown(["T,B,I,H", *modes], rows)


def _mode(one: Measurement) -> str:
    return f"{'training' if one.training else 'inference'}, {threads(one.threads)}"

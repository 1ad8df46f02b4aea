"""Tables in Markdown, aligned so that their source is readable too."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.peers import OURS, Measurement
from bench.shapes import Shape


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        texts = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
        return f"| {' | '.join(texts)} |"

    first, *others = widths
    rule = "|".join(["-" * (first + 2), *("-" * (width + 1) + ":" for width in others)])
    return "\n".join([line(head), f"|{rule}|", *map(line, rows)])


def significant(value: float, digits: int = 3) -> str:
    """To so many digits, without an exponent."""
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e" in text else text


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


def threads(count: int) -> str:
    """For example "1 thread" or "2 threads"."""
    return f"{count} thread{'s' if count > 1 else ''}"

"""Tables in Markdown, aligned so that their source is readable too."""

from __future__ import annotations

from collections.abc import Sequence


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


def threads(count: int) -> str:
    """For example "1 thread" or "2 threads"."""
    return f"{count} thread{'s' if count > 1 else ''}"

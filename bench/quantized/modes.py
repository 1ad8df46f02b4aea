"""The modes of the command that are about quantized models."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from bench.build import BuildError
from bench.quantized import errors, speed, streams
from bench.shapes import Shape
from bench.timing import Effort

MODES = ("quantized", "quantized-streams", "quantized-errors")
SHAPES = speed.SHAPES
QUICK_MODELS, MODELS = 4, 40


def run(
    mode: str,
    options: argparse.Namespace,
    shapes: Sequence[Shape],
    counts: Sequence[int],
    effort: Effort,
) -> tuple[str, list[dict[str, Any]], str]:
    """Title, records and table of one of MODES."""
    if mode == "quantized":
        names, missing = speed.available(options.peers)
        records = speed.measure(shapes, counts, names, effort)
        return "Reduced precision: fastest calls", records, speed.table(records, missing)
    if mode == "quantized-streams":
        title = "Single steps of quantized models in C++, 1 thread"
        try:
            records = streams.measure(effort, options.isa)
        except BuildError as error:
            print(f"bench/step: {error}", file=sys.stderr)
            return title, [], "not built"
        return title, records, streams.table(records)
    models = QUICK_MODELS if options.quick else options.models
    records = errors.measure(models, with_trained=not options.quick)
    return "Errors of quantized models", records, errors.table(records)

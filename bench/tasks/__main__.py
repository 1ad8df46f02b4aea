"""`python -m bench.tasks`, or with names of tasks; fails if one misses its mark."""

import sys
from importlib import import_module

TASKS = ("counting", "adding", "spikes", "sunspots", "co2", "digits", "timing", "variants")


def main(names):
    """Runs the named tasks, or all; returns the exit status."""
    unknown = set(names) - set(TASKS)
    if unknown:
        sys.exit(f"no task is named {', '.join(sorted(unknown))}; there are {', '.join(TASKS)}")
    met = [import_module(f"bench.tasks.{name}").main() for name in names or TASKS]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

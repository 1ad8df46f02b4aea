"""`python -m bench`."""

import sys

from bench.command_line import main

if __name__ == "__main__":  # not where a process of a shape imports it
    sys.exit(main())

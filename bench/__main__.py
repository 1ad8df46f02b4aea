"""`python -m bench`."""

import sys

from bench.command_line import main

if __name__ == "__main__":  # not in the process of a shape, which imports this module
    sys.exit(main())

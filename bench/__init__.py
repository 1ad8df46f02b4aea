"""The benchmarks: `python -m bench` from the root of the checkout. See README.md beside this."""

import os

# NumPy is only the reference and one of the ways to find the machine's peak, which is that of one
# core; idle threads of its own would disturb the others' turns. Must precede the import of NumPy.
for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

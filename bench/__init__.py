"""The benchmarks: `python -m bench` from the root of the checkout. See README.md in this folder."""

import os

# NumPy computes only the reference and the peak of one core; its idle threads would disturb other
# measurements. This must run before NumPy is imported.
for _variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

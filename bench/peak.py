"""The arithmetic peak of one core, measured by the fastest large matrix product.

`python -m bench.peak float32 torch` prints it in FLOP/s, by NumPy and torch: a process of its own,
because a BLAS chooses its instruction set when it is loaded.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench.timing import Call

SIZE = 1536  # beyond the caches, still tens of milliseconds
SECONDS = 0.6

# Makes OpenBLAS and MKL use only the instructions of a set.
RESTRICTIONS = {
    "avx2": {"OPENBLAS_CORETYPE": "Haswell", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "baseline": {"OPENBLAS_CORETYPE": "Nehalem", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
}


def measure(dtype: str, libraries: Sequence[str], isa: str | None = None) -> float:
    """FLOP/s of one core by the best of the libraries, of the instructions of `isa` or of all."""
    root = Path(__file__).resolve().parent.parent
    output = subprocess.run(
        [sys.executable, "-m", "bench.peak", dtype, *libraries],
        env=os.environ | RESTRICTIONS.get(isa or "", {}),
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return float(output)


def _products(dtype: str, libraries: Sequence[str]) -> list[Callable[[], object]]:
    """A product of two square matrices by each library."""
    a, b = np.random.default_rng(0).random((2, SIZE, SIZE)).astype(dtype)
    result = np.empty_like(a)
    products: list[Callable[[], object]] = [lambda: np.matmul(a, b, out=result)]
    if "torch" in libraries:
        import torch

        torch.set_num_threads(1)
        tensors = torch.from_numpy(a), torch.from_numpy(b)
        products.append(lambda: torch.mm(*tensors, out=torch.from_numpy(result)))
    return products


def main() -> None:
    """Prints the peak for the dtype and by the libraries that are the arguments."""
    dtype, *libraries = sys.argv[1:]
    fastest = min(Call(product).fastest(SECONDS) for product in _products(dtype, libraries))
    print(2 * SIZE**3 / fastest)


if __name__ == "__main__":
    main()

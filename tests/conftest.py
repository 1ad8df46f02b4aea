"""How Hypothesis runs: the same examples on every machine.

To try other examples: pytest --hypothesis-profile=explore
"""

import os

import numpy as np
import peephole
import pytest
from hypothesis import HealthCheck, settings

# scikit-learn checks array API input of estimators only with this, which SciPy reads on import.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

pytest.register_assert_rewrite("support")  # before a test imports it

settings.register_profile(
    "fixed",
    derandomize=True,
    deadline=None,  # CI machines stall, and these tests measure no time
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", settings.get_profile("fixed"), derandomize=False)
settings.load_profile("fixed")


@pytest.fixture
def runtime_as_before():
    """Leaves the instruction set and the number of threads as they were."""
    before = peephole.build_info()
    yield
    peephole.set_isa(before["isa"])
    peephole.set_num_threads(before["num_threads"])


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param

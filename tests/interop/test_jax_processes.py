"""peephole.jax.lstm where JAX itself differs: without buffer callbacks, and with two devices."""

import subprocess
import sys

import numpy as np
import pytest
from support.tolerances import assert_identical

jax = pytest.importorskip("jax")

import peephole.jax  # noqa: E402

B, T, I = 3, 6, 2  # noqa: E741


def run(program, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


WITHOUT_BUFFERS = """
import sys

sys.modules["jax.experimental.buffer_callback"] = None  # importing it fails
import jax
import numpy as np
import peephole.jax

parameters = peephole.jax.init(0, 2, 5)
x = np.load(sys.argv[1])["x"]
gradient = jax.jit(jax.value_and_grad(lambda p, x: (peephole.jax.lstm(p, x)[0] ** 2).sum(), (0, 1)))
assert "xla_buffer" not in gradient.lower(parameters, x).as_text()
value, (of_parameters, dx) = gradient(parameters, x)
np.savez(sys.argv[2], value=value, dx=dx, **of_parameters)
"""


def test_without_buffer_callback(tmp_path, rng):
    """What runs on devices other than the CPU, and in versions of JAX without it, is the same."""
    pytest.importorskip("jax.experimental.buffer_callback")
    x = rng.standard_normal((B, T, I)).astype("float32")
    np.savez(tmp_path / "x.npz", x=x)
    run(WITHOUT_BUFFERS, tmp_path / "x.npz", tmp_path / "results.npz")
    with np.load(tmp_path / "results.npz") as found:
        gradient = jax.jit(
            jax.value_and_grad(lambda p, x: (peephole.jax.lstm(p, x)[0] ** 2).sum(), (0, 1))
        )
        parameters = peephole.jax.init(0, 2, 5)
        assert "xla_buffer" in gradient.lower(parameters, x).as_text()
        value, (of_parameters, dx) = gradient(parameters, x)
        for name, values in {"value": value, "dx": dx, **of_parameters}.items():
            assert_identical(found[name], values, name)


DEVICES = """
import jax
import jax.numpy as jnp
import numpy as np
import peephole.jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

assert len(jax.devices()) == 2
mesh = Mesh(np.array(jax.devices()), ("batch",))
parameters = peephole.jax.init(0, 2, 5)
x = jnp.asarray(np.random.default_rng(0).standard_normal((8, 6, 2)), "float32")
rows = NamedSharding(mesh, PartitionSpec("batch"))


def loss(parameters, x):
    return (peephole.jax.lstm(parameters, x)[0] ** 2).sum()


gradient = jax.jit(jax.value_and_grad(loss, (0, 1)))
expected = gradient(parameters, x)
found = gradient(parameters, jax.device_put(x, rows))
jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6), found, expected)

if hasattr(jax, "shard_map"):  # older versions have it elsewhere
    shares = jax.shard_map(
        lambda p, x: peephole.jax.lstm(p, x)[0],
        mesh=mesh,
        in_specs=(PartitionSpec(), PartitionSpec("batch")),
        out_specs=PartitionSpec("batch"),
        check_vma=False,
    )
    y = jax.jit(shares)(parameters, x)
    assert len(y.sharding.device_set) == 2
    assert np.array_equal(y, peephole.jax.lstm(parameters, x)[0])
    dx = jax.jit(jax.grad(lambda p, x: (shares(p, x) ** 2).sum(), 1))(parameters, x)
    np.testing.assert_allclose(dx, expected[1][1], rtol=1e-6, atol=1e-6)
"""


def test_devices():
    """Two devices, with arrays that are divided between them, by jit and by shard_map."""
    flags = "--xla_force_host_platform_device_count=2"
    run(f"import os\nos.environ['XLA_FLAGS'] = '{flags}'\n{DEVICES}")

"""Objects of the binding cannot be pickled, copied, or made by `__new__` alone."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import peephole
import pytest
from peephole import _core

CLASSES = [value for value in vars(_core).values() if isinstance(value, type)]
CLASSES = [cls for cls in CLASSES if not issubclass(cls, BaseException)]


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """One of each kind of class."""
    net = peephole.Network(2, 3, 1, seed=0)
    _, _, tape = net.forward(np.zeros((1, 2, 2), np.float32))
    adam = peephole.optim.Adam(net.parameters)
    path = tmp_path_factory.mktemp("model") / "net"
    net.save(path)
    others = [_core.TensorFile(path), _core.executor("own")]
    cores = [net._core, net.lstm._core, net.parameters._core, adam._core]
    cores += [net.stream()._core, net.sessions(1)._core]
    made = [tape, adam, *cores, *others]
    kinds = {type(thing).__name__.removesuffix("Float32") for thing in made}
    assert kinds >= {
        cls.__name__.removesuffix("Float32").removesuffix("Float64") for cls in CLASSES
    }
    return made


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_refuse_pickling(objects, protocol):
    for thing in objects:
        with pytest.raises(TypeError, match="cannot pickle"):
            pickle.dumps(thing, protocol)


def test_refuse_copying(objects):
    for thing in objects:
        if type(thing).__module__ == _core.__name__:
            for way in (copy.copy, copy.deepcopy):
                with pytest.raises(TypeError, match="cannot pickle or copy"):
                    way(thing)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_refuse_new_alone(cls):
    with pytest.raises(TypeError, match="expected a call of the class"):
        cls.__new__(cls)
    with pytest.raises(TypeError):
        object.__new__(cls)


def test_no_way_around_crashes():
    """Errors may be raised, but the process does not crash."""
    code = """
import copyreg, numpy as np, peephole
from peephole import _core
net = peephole.Network(2, 3, 1, seed=0)
y, _, tape = net.forward(np.zeros((1, 2, 2), "f4"))
for cls in (type(tape), type(net._core), type(net.lstm._core)):
    for way in (copyreg.__newobj__, lambda c: copyreg._reconstructor(c, object, None)):
        try: made = way(cls)
        except TypeError: continue
        raise SystemExit(1)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_masked_values_are_refused():
    net = peephole.Network(2, 3, 1, seed=0)
    x = np.ma.masked_array(np.ones((1, 4, 2), np.float32), mask=np.zeros((1, 4, 2), bool))
    assert net(x)[0].shape == (1, 4, 1)  # none is masked
    x[0, 1, 0] = np.ma.masked
    with pytest.raises(TypeError, match=r"x: expected .* without masked values, got .* masked"):
        net(x)
    with pytest.raises(TypeError, match="without masked values"):
        net.parameters["bias_l0"] = np.ma.masked_less(np.arange(12.0), 3)


def test_a_tensor_that_requires_gradients_is_refused():
    torch = pytest.importorskip("torch")
    net = peephole.Network(2, 3, 1, seed=0)
    with pytest.raises(TypeError, match=r"x: expected .*grad"):
        net(torch.ones((1, 4, 2), requires_grad=True))


def test_gradients_are_a_mapping():
    net = peephole.Network(2, 3, 1, seed=0)
    adam = peephole.optim.Adam(net.parameters)
    for call in (adam.step, lambda g: peephole.optim.clip_norm(g, 1.0)):
        for wrong in (None, 5, [1.0], "text"):
            with pytest.raises(TypeError, match="gradients: expected a mapping"):
                call(wrong)


def test_lengths_are_read_once():
    """Another thread may write to them: the call uses the values that it has checked."""
    code = """
import sys, threading, time, numpy as np, peephole
sys.setswitchinterval(1e-6)
lstm = peephole.LSTM(1, 1, seed=0)
x, lengths = np.zeros((2000, 5, 1), "f4"), np.full(2000, 5)
def flip():
    while True:
        lengths[:] = 1000
        lengths[:] = 5
threading.Thread(target=flip, daemon=True).start()
end = time.time() + 2
while time.time() < end:
    try: lstm(x, None, lengths)
    except ValueError: pass
import os; os._exit(0)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_workspaces_can_be_released(rng):
    net = peephole.Network(2, 64, 1, seed=0)
    x = rng.standard_normal((4, 50, 2)).astype(np.float32)
    y, _, tape = net.forward(x)
    expected = net.backward(tape, y).parameters["weight_hh_l0"]
    net.release_workspaces()
    np.testing.assert_array_equal(net.backward(tape, y).parameters["weight_hh_l0"], expected)
    net.lstm.release_workspaces()
    np.testing.assert_array_equal(net.predict(x), y)

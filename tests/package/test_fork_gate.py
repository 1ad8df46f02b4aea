"""A child process that is forked while another thread is in a call of ours can make the same call.

Modules that the thread is importing, and locks of other packages that it holds, must not stay
locked in the child.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.imports import modules_of

PACKAGE = Path(__file__).parents[2] / "python" / "peephole"

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")

MODEL = """
import os, signal, sys, threading, time
import numpy as np
import peephole

net = peephole.Network(2, 3, 1, readout="last", seed=0)
x, y = np.ones((4, 5, 2), "f4"), np.ones((4, 1), "f4")
"""

# `pause` says that the thread is at the place in question, and stays there for a while. A child
# that hangs is ended by its alarm.
SCRIPT = """
started = threading.Event()

def pause():
    if not started.is_set():
        started.set()
        time.sleep(0.5)

{pausing}

def call():
    {call}

thread = threading.Thread(target=call)
thread.start()
assert started.wait(20), "the place was not reached"
child = os.fork()
if child == 0:
    signal.alarm(20)
    call()
    os._exit(0)
thread.join()
assert os.waitpid(child, 0)[1] == 0, "the child hung or failed"
"""

# Python locks a module before it asks the finders.
SLOW_IMPORT = """
class Finder:
    def find_spec(name, path=None, target=None):
        if name == "{module}":
            pause()

assert "{module}" not in sys.modules
sys.meta_path.insert(0, Finder)
"""

# tqdm writes while it holds its lock.
SLOW_TERMINAL = """
class Terminal:
    def write(self, text):
        if "loss" in text:
            pause()

    def flush(self):
        pass

sys.stderr = Terminal()
"""

FIT = "net.fit(x, y, epochs=1, progress=True)"


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_fork
@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("tqdm", FIT),
        ("multiprocessing.synchronize", FIT),  # when tqdm makes its first bar
        ("matplotlib", "net.fit(x, y, epochs=1, progress=False).plot()"),
        ("matplotlib.backends.backend_agg", "net.fit(x, y, epochs=1, progress=False).plot()"),
        ("encodings.cp437", "peephole.datasets.japanese_vowels()"),
        ("threadpoolctl", "peephole.register_with_threadpoolctl()"),
        ("wave", "__import__('peephole.interop').interop.packages.needed('wave', 'wave')"),
    ],
)
def test_fork_during_an_import(module, call):
    imports = "import peephole.interop.packages\n" if "interop" in call else ""
    pausing = SLOW_IMPORT.format(module=module)
    run(MODEL + imports + SCRIPT.format(pausing=pausing, call=call))


@needs_fork
def test_fork_while_a_bar_is_drawn():
    run(MODEL + SCRIPT.format(pausing=SLOW_TERMINAL, call=FIT))


@needs_fork
def test_a_package_may_fork_while_it_is_imported():
    forking = """
class Finder:
    def find_spec(name, path=None, target=None):
        if name == "tqdm":
            child = os.fork()
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)
            print("forked")

sys.meta_path.insert(0, Finder)
signal.alarm(20)
"""
    run(MODEL + forking + FIT)


@needs_fork
def test_a_fork_does_not_wait_for_ever():
    """As for a thread that needs a lock which the forking thread holds."""
    run(
        """
import os, threading
from peephole import _fork_gate

_fork_gate._LONGEST_WAIT = 0.1
held, done = threading.Event(), threading.Event()

def hold():
    with _fork_gate.fork_gate:
        held.set()
        assert done.wait(50)

thread = threading.Thread(target=hold)
thread.start()
assert held.wait(20)
child = os.fork()
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
done.set()
thread.join()
"""
    )


COMPUTING = """
mapped = np.memmap({file!r}, "f4", "w+", shape=x.shape)
imported = []
sys.addaudithook(lambda event, given: event == "import" and imported.append(given[0]))
net(x)
net(mapped)
net.predict(list(x), batch_size=2)
net.stream().step(x[0, 0])
net.fit(x, y, epochs=2, validation_share=0.5, metrics=["r2"], early_stopping=2, progress=False)
net.fit(x, y, epochs=1)
net.save({file!r})
peephole.load({file!r})
assert imported == [], imported
"""


def test_computing_imports_nothing(tmp_path):
    """Not even tqdm, if no bar is shown, or numpy.ma, for a subclass of ndarray."""
    run(MODEL + COMPUTING.format(file=str(tmp_path / "file")))


def outside_of_the_gate(source: str) -> list[int]:
    """The lines that import inside a function, but not `with fork_gate`."""
    lines = []

    def visit(node: ast.AST, in_function: bool, held: bool) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            in_function, held = True, False
        elif isinstance(node, ast.With):
            held |= any(ast.unparse(item.context_expr) == "fork_gate" for item in node.items)
        by_call = isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("import_module", "__import__")
        )
        imports = by_call or isinstance(node, (ast.Import, ast.ImportFrom))
        if imports and in_function and not held:
            lines.append(node.lineno)
        for child in ast.iter_child_nodes(node):
            visit(child, in_function, held)

    visit(ast.parse(source), in_function=False, held=False)
    return lines


def test_all_imports_inside_functions_hold_the_gate():
    found = {
        name: lines
        for name, path in modules_of(PACKAGE).items()
        if (lines := outside_of_the_gate(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import a", []),
        ("def f():\n    import a", [2]),
        ("def f():\n    from a import b", [2]),
        ("def f():\n    return importlib.import_module('a')", [2]),
        ("def f():\n    with fork_gate:\n        import a", []),
        ("def f():\n    with other:\n        import a", [3]),
        ("def f():\n    with fork_gate:\n        def g():\n            import a", [4]),
        ("class A:\n    def f(self):\n        if True:\n            import a", [4]),
    ],
)
def test_finds_imports_outside_of_the_gate(source, lines):
    assert outside_of_the_gate(source) == lines

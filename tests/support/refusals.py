"""A refused call raises an error that names the argument, and changes nothing."""

import contextlib
import re
import sys
from pathlib import Path

import numpy as np
import pytest

# What follows the argument's name: what was expected and what came; or, where an argument has no
# place in a call, where it has one.
FORMS = (
    r"(.+: )?expected .+, got .+",
    r"no .+ is named .+; there are .+",
    r"allowed only with(out)? .+",
    r".+, which .+ needs",
)


class Wrong:
    """A wrong value of an argument, and the error that it must give.

    `argument` is what the message begins with where that is not the argument's own name, such as
    "state[0].h".
    """

    def __init__(self, id, value, error, argument=None, says=""):
        self.id, self.value, self.error = id, value, error
        self.argument, self.says = argument, says


def table(argument, *rows):
    """Parameter sets (argument, Wrong) for pytest.mark.parametrize."""
    return [pytest.param(argument, row, id=f"{argument}: {row.id}") for row in rows]


@contextlib.contextmanager
def refused(error, argument, says=""):
    """The block raises exactly `error`, by a message of the FORMS, with `says` in it."""
    with pytest.raises(error) as caught:
        yield
    assert type(caught.value) is error, repr(caught.value)
    message = str(caught.value)
    assert message.startswith(argument + ": "), message
    rest = message.removeprefix(argument + ": ")
    assert any(re.match(form, rest, re.DOTALL) for form in FORMS), message
    assert says in message, message


@contextlib.contextmanager
def bounded_memory(gigabytes):
    """Turns an attempt to use more memory into a MemoryError."""
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + gigabytes * 2**30, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextlib.contextmanager
def unchanged(*things):
    """Arrays, models and (nested) sequences of them are unchanged, bit for bit."""
    before = [value.tobytes() for value in _arrays(things)]
    yield
    assert [value.tobytes() for value in _arrays(things)] == before


def _arrays(thing):
    if isinstance(thing, np.ndarray):
        yield thing
    elif hasattr(thing, "parameters"):
        for name in thing.parameters:
            yield np.array(thing.parameters[name])
    elif isinstance(thing, (tuple, list)):
        for item in thing:
            yield from _arrays(item)

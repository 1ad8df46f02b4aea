"""What os.fork() waits for: imports inside calls, and locks of other packages.

A module is locked while a thread imports it. A child process that is forked meanwhile inherits the
locked module but not the thread, so an import of the module never ends there. Locks that other
packages hold, such as that of progress bars, have the same effect. The C++ core has a gate of the
same name for its mutexes.
"""

from __future__ import annotations

# Of what is registered for a fork, the last is called first: the lock of logging, which many
# packages use while they are imported, must not be held while the gate is waited for.
import logging  # noqa: F401
import os
import threading

# All imports inside functions, and calls that import something, are made `with fork_gate`.
# Re-entrant, because packages import each other, and may fork while they are imported.
fork_gate = threading.RLock()

# In seconds. The wait has an end, because other packages may have registered locks of their own,
# which the import may need.
_LONGEST_WAIT = 60.0

_this_thread = threading.local()


def _before_fork() -> None:
    _this_thread.holds = False
    _this_thread.holds = fork_gate.acquire(timeout=_LONGEST_WAIT)


def _after_fork() -> None:
    if _this_thread.holds:
        fork_gate.release()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
    )

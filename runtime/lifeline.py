"""Processes that end with their parent: nothing of ours outlives a supervisor that was killed.

Linux tells the child itself (a parent-death signal, which survives exec and holds for the thread that
forked, so only the main thread forks); elsewhere a thread of the child looks whether it has been orphaned.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
WATCH_S = 0.5


def death_signal() -> Callable[[], None] | None:
    """Give what a child runs between fork and exec to be killed with us; None where there is no such call."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)  # loaded before the fork: after it only the call is made
    return lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def tie() -> None:
    """Tie this process to its parent; for processes that somebody else forks, such as a door's workers."""
    parent = os.getppid()
    call = death_signal()
    if call is None:
        threading.Thread(target=_watch, args=(parent,), name="lifeline", daemon=True).start()
        return
    call()
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os._exit(1)

"""Named places where a test may have the process killed: the only code here that exists for tests.

`FAILPOINT=after_store:3` kills the process with SIGKILL when it comes to `after_store` for the third
time. It is no setting, so its name lacks their prefix. Unset (always in production) a fail point costs
one comparison.
"""

from __future__ import annotations

import os
import signal

_name, _, _count = os.environ.get("FAILPOINT", "").partition(":")
_left = int(_count or "1")


def reach(name: str) -> None:
    """Die here if the environment says so."""
    global _left  # noqa: PLW0603 - a process has one fail point, counted down once
    if name != _name:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)

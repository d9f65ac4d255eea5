"""Measures the memory of all processes of a system (a store of its own included), idle and under load.

Memory is the proportional share (PSS), so what processes share counts once. A thread looks beside the load.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from bench.systems import System


@dataclass(slots=True)
class Trace:
    """Seconds since the first look, and bytes."""

    seconds: list[float] = field(default_factory=list)
    resident: list[int] = field(default_factory=list)

    @property
    def peak(self) -> int:
        """Give the most that was seen; 0 when nothing was."""
        return max(self.resident, default=0)


@contextmanager
def watched(system: System, every_s: float = 1.0) -> Iterator[Trace]:
    """Look now, at regular times while the body runs, and once at its end."""
    trace, ended, began = Trace(), threading.Event(), monotonic()

    def look() -> None:
        trace.seconds.append(monotonic() - began)
        trace.resident.append(system.resident_bytes())

    def keep_looking() -> None:
        while not ended.wait(every_s):
            look()

    look()
    thread = threading.Thread(target=keep_looking, daemon=True)
    thread.start()
    try:
        yield trace
    finally:
        ended.set()
        thread.join()
        look()

"""The clocks: the machine's, and one that only moves when it is told to."""

from __future__ import annotations

import time


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Give the present as milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Give seconds that never run backwards."""
        return time.monotonic()


class ManualClock:
    """A clock that stands still until somebody moves it."""

    def __init__(self, now_ms: int) -> None:
        """Stand at the given moment, in milliseconds since 1970, UTC."""
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Give the moment at which the clock stands."""
        return self._now_ms

    def monotonic_s(self) -> float:
        """Give the same moment in seconds."""
        return self._now_ms / 1_000

    def advance(self, milliseconds: int) -> None:
        """Move on; never back."""
        assert milliseconds >= 0
        self._now_ms += milliseconds

"""When which shard is trimmed: some time after its entries were stored, for many turns at once."""

from __future__ import annotations

import math

TRIMS_A_DELAY = 12
"""Trims of a shard while an entry waits for its own: each costs the server some 30 µs whatever it removes."""


class Trims:
    """What is stored and still in the stream."""

    def __init__(self, delay_s: float) -> None:
        """Keep entries for `delay_s`, and up to a twelfth of it longer."""
        self._delay_s = delay_s
        self._waiting: dict[tuple[float, int], int] = {}
        """Time and shard → up to which position, in the order of time."""

    def note(self, shard: int, position: int, now_s: float) -> None:
        """Everything up to this position of a shard was stored just now."""
        due_s, step_s = now_s + self._delay_s, self._delay_s / TRIMS_A_DELAY
        if step_s:
            due_s = math.ceil(due_s / step_s) * step_s
        self._waiting[due_s, shard] = position

    def due(self, now_s: float) -> dict[int, int]:
        """Take what is due: up to which position each shard is to be trimmed."""
        found: dict[int, int] = {}
        for due_s, shard in list(self._waiting):
            if due_s > now_s:
                break
            found[shard] = self._waiting.pop((due_s, shard))
        return found

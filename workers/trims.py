"""When which shard is trimmed: some time after its entries were stored, sooner where much is kept.

Nothing needs an applied entry: chains end at `applied`, proofs and receipts rest on marks, and a writer that
finds entries gone that it did not see lets go of the shard. They stay as a margin for a store that loses the
last seconds in a power cut, which `everysec` accepts.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

STEPS = 12
"""Trims of a shard while an entry waits for its own: each costs the server some 30 µs whatever it removes."""

KEPT_BYTES_MAX = 128 * 1024 * 1024
"""Applied entries that a writer leaves in the server's memory: seconds of the highest rate, the whole delay
of any usual one."""


@dataclass(slots=True)
class _Step:
    """What was stored within one step, and is trimmed together."""

    due_s: float
    bytes_count: int = 0
    positions: dict[int, int] = field(default_factory=dict)
    """Up to which position each shard is to be trimmed."""


class Trims:
    """What is stored and still in the stream."""

    def __init__(self, delay_s: float) -> None:
        """Keep entries for `delay_s` and up to a twelfth of it longer, but KEPT_BYTES_MAX at most."""
        self._delay_s = delay_s
        self._steps: deque[_Step] = deque()
        self._kept = 0

    def note(self, shard: int, position: int, bytes_count: int, now_s: float) -> None:
        """Everything up to this position of a shard was stored just now: so many bytes more."""
        due_s, step_s = now_s + self._delay_s, self._delay_s / STEPS
        if step_s:
            due_s = math.ceil(due_s / step_s) * step_s
        if not self._steps or self._steps[-1].due_s < due_s or self._is_full(self._steps[-1]):
            self._steps.append(_Step(due_s))
        step = self._steps[-1]
        step.positions[shard] = position
        step.bytes_count += bytes_count
        self._kept += bytes_count

    def due(self, now_s: float) -> dict[int, int]:
        """Take what is due: up to which position each shard is to be trimmed."""
        found: dict[int, int] = {}
        while self._steps and (self._steps[0].due_s <= now_s or self._kept > KEPT_BYTES_MAX):
            step = self._steps.popleft()
            found |= step.positions
            self._kept -= step.bytes_count
        return found

    def _is_full(self, step: _Step) -> bool:
        return step.bytes_count >= KEPT_BYTES_MAX // STEPS

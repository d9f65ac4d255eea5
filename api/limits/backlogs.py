"""What a tenant has in the stream at this door that no writer has applied yet, in bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

STEP_US: Final = 250_000
"""Entries of a shard are added up over so much of its order: a minute's backlog is 240 numbers."""


class Backlog:
    """Bytes by shard and place in its order."""

    __slots__ = ("_waiting", "total_bytes")

    def __init__(self) -> None:
        """Wait for nothing."""
        self._waiting: dict[int, deque[list[int]]] = {}
        """Shard → [first position, last position, bytes] of each step, ascending."""
        self.total_bytes = 0

    def __bool__(self) -> bool:
        """Tell whether anything waits."""
        return bool(self._waiting)

    @property
    def shards(self) -> set[int]:
        """The shards in which something waits."""
        return set(self._waiting)

    def add(self, shard: int, position: int, size: int) -> None:
        """Take in an entry; a position is a time in microseconds."""
        steps = self._waiting.setdefault(shard, deque())
        self.total_bytes += size
        if steps and position - steps[-1][0] < STEP_US:
            steps[-1][1] = max(steps[-1][1], position)
            steps[-1][2] += size
        else:
            steps.append([position, position, size])

    def settle(self, applied: Mapping[int, int]) -> None:
        """Let go of what is applied by now."""
        for shard, upto in applied.items():
            steps = self._waiting.get(shard)
            while steps and steps[0][1] <= upto:
                self.total_bytes -= steps.popleft()[2]
            if not steps:
                self._waiting.pop(shard, None)

"""Which shards this writer works on: a fair share of all, under leases (design 4: for efficiency only).

Two writers on one shard are harmless (order, cut and compare-and-set see to that), just wasteful.
Live writers are ranked by name; shard k belongs to the one of rank k modulo their number, so that
they agree on the division without talking to each other.
"""

from __future__ import annotations

import asyncio

from streams.port import RecordStream


class Leases:
    """The leases of one writer."""

    def __init__(self, stream: RecordStream, owner: str, shards: int, ttl_ms: int) -> None:
        """Hold nothing yet."""
        self._stream = stream
        self._owner = owner
        self._shards = shards
        self._ttl_ms = ttl_ms
        self.held: set[int] = set()

    async def refresh(self) -> tuple[set[int], set[int]]:
        """Renew, take what is ours and give back what is another's; gives (gained, lost)."""
        members = sorted({*await self._stream.join(self._owner, self._ttl_ms), self._owner})
        rank = members.index(self._owner)
        mine = {shard for shard in range(self._shards) if shard % len(members) == rank}
        await asyncio.gather(*(self._stream.release_lease(shard, self._owner) for shard in self.held - mine))
        answers = await asyncio.gather(
            *(self._stream.acquire_lease(shard, self._owner, self._ttl_ms) for shard in sorted(mine))
        )
        held = {shard for shard, got in zip(sorted(mine), answers, strict=True) if got}
        gained, lost = held - self.held, self.held - held
        self.held = held
        return gained, lost

    async def release(self) -> None:
        """Give everything back, so that the next writer need not wait."""
        held, self.held = self.held, set()
        await asyncio.gather(*(self._stream.release_lease(shard, self._owner) for shard in held))
        await self._stream.leave(self._owner)

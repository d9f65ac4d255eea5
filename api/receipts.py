"""What became of a write: receipts given, waited for and looked up (design 8.1, 8.17, 4)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum

from schemas.errors import Gone, StreamUnavailable
from schemas.ids import TenantId
from schemas.receipts import Place, decode_receipt, encode_receipt
from storage.port import SeriesStore
from streams.port import RecordStream

WAIT_S_MAX = 10.0
"""How long `?wait=applied` and `Read-After` may wait (design 8.17)."""

LOOK_S = 0.05
"""Pause between two looks: a turn takes at least four of them."""


class Fate(Enum):
    """What a receipt says; a request with several entries has the worst of them."""

    APPLIED = "applied"
    PENDING = "pending"
    DEAD_LETTERED = "dead-lettered"
    LOST = "lost"


class Receipts:
    """Receipts of one installation: every door signs with the same key."""

    def __init__(self, stream: RecordStream, store: SeriesStore, key: bytes) -> None:
        """Sign with `key`, 32 bytes from the catalogue."""
        self._stream = stream
        self._store = store
        self._key = key

    def give(self, tenant: TenantId, places: Sequence[Place]) -> str:
        """Write the receipt of these entries."""
        return encode_receipt(places, tenant, self._key)

    def read(self, tenant: TenantId, text: str) -> list[Place]:
        """Read a receipt of this tenant; NotFound for any other text."""
        return decode_receipt(text, tenant, self._key)

    async def fate(self, places: Sequence[Place]) -> tuple[Fate, str]:
        """Tell what became of the entries, with the reason where one was set aside."""
        fates = [await self._fate(place) for place in places]
        order = list(Fate)
        return max(fates, key=lambda found: order.index(found[0]), default=(Fate.APPLIED, ""))

    async def _fate(self, place: Place) -> tuple[Fate, str]:
        # Lost comes before applied: `applied` only rises, also past positions that no longer exist.
        survived = await self._store.read_survived(place.shard)
        if any(later > place.incarnation and place.position > upto for later, upto in survived.items()):
            return Fate.LOST, "the stream server lost it; send it again"
        for letter in await self._stream.dead_letters(place.shard):
            if letter.position == place.position:
                return Fate.DEAD_LETTERED, letter.reason
        applied = await self._applied(place.shard)
        return (Fate.APPLIED if place.position <= applied else Fate.PENDING), ""

    async def _applied(self, shard: int) -> int:
        try:
            return (await self._stream.read_state(shard)).applied
        except StreamUnavailable:
            return await self._store.read_cursor(shard)

    @staticmethod
    def demand_kept(fate: Fate, reason: str) -> None:
        """Raise Gone for a lost entry (410: send it again)."""
        if fate is Fate.LOST:
            message = f"The receipt's entry was lost: {reason}."
            raise Gone(message)

    async def wait_applied(self, places: Sequence[Place], seconds: float = WAIT_S_MAX) -> bool:
        """Wait until the store has the entries; False if that takes longer. Gone for a lost one."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    fate, reason = await self.fate(places)
                    self.demand_kept(fate, reason)
                    if fate is not Fate.PENDING:
                        return True
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            return False

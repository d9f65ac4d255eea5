"""What became of a write: receipts given, waited for and looked up (design 8.1, 8.17, 4)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from enum import Enum

from schemas.errors import Gone, StreamUnavailable, Unavailable
from schemas.ids import TenantId
from schemas.receipts import Place, decode_receipt, encode_receipt
from storage.port import SeriesStore
from streams.port import Letterhead, RecordStream

WAIT_S_MAX = 10.0
"""How long `?wait=applied` and `Read-After` may wait (design 8.17)."""

LOOK_S = 0.05
"""Pause between two looks: a turn takes at least four of them."""


LOST = "The stream server lost what the receipt names; send it again."
DISCARDED = "It was set aside, and an operator discarded it."


class Fate(Enum):
    """What a receipt says; a request with several entries has the worst of them, which is the last here."""

    APPLIED = "applied"
    PENDING = "pending"
    DEAD_LETTERED = "dead-lettered"
    LOST = "lost"


_ORDER = list(Fate)


class Receipts:
    """Receipts of one installation: every door signs with the same key."""

    def __init__(self, stream: RecordStream, store: SeriesStore, key: bytes) -> None:
        """Sign with `key`, 32 bytes from the catalogue."""
        self._stream = stream
        self._store = store
        self._key = key
        self.wait_s = WAIT_S_MAX
        self.look_s = LOOK_S

    @property
    def key(self) -> bytes:
        """Give the installation's key, with which cursors are signed, too."""
        return self._key

    def give(self, tenant: TenantId, places: Sequence[Place]) -> str:
        """Write the receipt of these entries."""
        return encode_receipt(places, tenant, self._key)

    def sign(self, octets: bytes) -> str:
        """Sign what is no receipt of a write, such as a proof."""
        return hashlib.blake2b(b"proof " + octets, digest_size=32, key=self._key).hexdigest()

    def read(self, tenant: TenantId, text: str) -> list[Place]:
        """Read a receipt of this tenant; NotFound for any other text."""
        return decode_receipt(text, tenant, self._key)

    async def fate(self, places: Sequence[Place]) -> tuple[Fate, str]:
        """Tell what became of the entries, with the reason where one was set aside or lost."""
        worst = Fate.APPLIED, ""
        for shard, each in _by_shard(places).items():
            worst = _worse(worst, await self._fate(shard, each))
        return worst

    async def _fate(self, shard: int, places: Sequence[Place]) -> tuple[Fate, str]:
        # Lost comes before applied: `applied` only rises, also past positions that no longer exist.
        if await self._is_lost(shard, places):
            return Fate.LOST, LOST
        applied = await self._applied(shard)
        worst = Fate.APPLIED, ""
        for place in places:
            # A letter is buried before its turn is stored, so an applied entry without one is really applied.
            known = place.position <= applied
            worst = _worse(worst, await self._letter(place) if known else (Fate.PENDING, ""))
        return worst

    async def _letter(self, place: Place) -> tuple[Fate, str]:
        """Tell whether an applied entry was set aside, and what became of it then."""
        found = await self._stream.find_letter(place.shard, place.position)
        if found is None:
            return Fate.APPLIED, ""
        if isinstance(found, Letterhead):
            return Fate.DEAD_LETTERED, found.reason
        if found.position == 0:
            return Fate.DEAD_LETTERED, DISCARDED
        return await self._fate(place.shard, [Place(place.shard, found.incarnation, found.position)])

    async def _is_lost(self, shard: int, places: Sequence[Place]) -> bool:
        survived = await self._store.read_survived(shard)
        return any(
            later > place.incarnation and place.position > upto
            for later, upto in survived.items()
            for place in places
        )

    async def _applied(self, shard: int) -> int:
        """Give the position up to which the store has everything; the store knows it for certain."""
        try:
            state = await self._stream.read_state(shard)
        except StreamUnavailable:
            return await self._store.read_cursor(shard)
        # A server that was emptied or restored and is not proved yet tells of another state.
        return state.applied if state.proved == state.run_id else await self._store.read_cursor(shard)

    async def demand_kept(self, places: Sequence[Place]) -> None:
        """Raise Gone if one of the entries was lost (410: send it again)."""
        for shard, each in _by_shard(places).items():
            if await self._is_lost(shard, each):
                raise Gone(LOST)

    async def wait_applied(self, places: Sequence[Place]) -> bool:
        """Wait until the store has the entries; Gone for a lost one.

        False: it takes longer than `wait_s`, an entry was set aside, or the store cannot be asked. The
        entries are durable all the same.
        """
        try:
            async with asyncio.timeout(self.wait_s):
                while True:
                    fate, reason = await self.fate(places)
                    if fate is Fate.LOST:
                        raise Gone(reason)
                    if fate is not Fate.PENDING:
                        return fate is Fate.APPLIED
                    await asyncio.sleep(self.look_s)
        except (TimeoutError, Unavailable):
            return False

    async def wait_readable(self, places: Sequence[Place]) -> bool:
        """Wait until the store can show the entries, as far as it ever will; False after `wait_s`."""
        try:
            async with asyncio.timeout(self.wait_s):
                while True:
                    if await self._are_applied(places):
                        return True
                    await asyncio.sleep(self.look_s)
        except TimeoutError:
            return False

    async def _are_applied(self, places: Sequence[Place]) -> bool:
        for shard, each in _by_shard(places).items():
            if max(place.position for place in each) > await self._applied(shard):
                return False
        return True


def _worse(one: tuple[Fate, str], other: tuple[Fate, str]) -> tuple[Fate, str]:
    return max(one, other, key=lambda found: _ORDER.index(found[0]))


def _by_shard(places: Iterable[Place]) -> dict[int, list[Place]]:
    groups: dict[int, list[Place]] = {}
    for place in places:
        groups.setdefault(place.shard, []).append(place)
    return groups

"""How much a tenant's files take, and whether more fits (wire 8).

Counted where the bytes lie, so that no crash, and no other door, leaves the count wrong for long: at least
once a minute while it is asked for, and before anything is refused. In between a door adds what it stores and
takes off what it removes. Two doors may so let in, together, what one of them takes in a minute.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import Final

from api.catalog.index import CatalogIndex
from runtime.ports import Clock, Ports
from schemas.durations import HOUR_MS, SECOND_MS
from schemas.errors import Quota, TooMany
from schemas.ids import TenantId

COUNT_S: Final = 60.0
"""How long a count is believed; a walk over 100,000 contents takes about a second of a thread."""

REFUSAL_COUNT_S: Final = 1.0
"""The same where something is to be refused, so that refusals do not cost a walk each."""

RULE: Final = "files_bytes"
"""The limit's name in answers."""

RETRY_AFTER_S: Final = HOUR_MS // SECOND_MS
"""Room comes back when somebody removes files."""


@dataclass(slots=True)
class _Room:
    """What is known of one tenant."""

    counted_bytes: int
    counted_s: float
    since_bytes: int = 0
    """Stored since, less what was removed."""
    flying_bytes: int = 0
    """Of bodies that are coming in."""

    @property
    def bytes_count(self) -> int:
        return max(self.counted_bytes + self.since_bytes, 0) + self.flying_bytes


class FileRoom:
    """The room of all tenants at one door, used on its event loop only."""

    def __init__(self, ports: Ports, index: CatalogIndex) -> None:
        """Take the store of bytes and the index that knows the limits."""
        self._files = ports.files
        self._clock: Clock = ports.clock
        self._index = index
        self._rooms: dict[TenantId, _Room] = {}

    async def stored_bytes(self, tenant: TenantId, age_s: float = COUNT_S) -> int:
        """Give what the tenant's contents take, bodies that come in included; counted at most so long ago."""
        return (await self._counted(tenant, age_s)).bytes_count

    async def admitted(self, tenant: TenantId, body: AsyncIterable[bytes]) -> AsyncIterable[bytes]:
        """Give a body that ends with TooMany where the tenant's files would take more than they may."""
        await self.demand(tenant)
        limit = self._index.profile_of(tenant).files_bytes_max
        return body if limit is None else self._metered(tenant, limit, body)

    async def demand(self, tenant: TenantId) -> None:
        """Raise TooMany where the tenant's files take all that they may."""
        limit = self._index.profile_of(tenant).files_bytes_max
        if limit is not None and (await self._counted(tenant, COUNT_S)).bytes_count >= limit:
            await self._demand(tenant, limit, is_full=True)

    def freed(self, tenant: TenantId, size: int) -> None:
        """Take off what was removed."""
        if tenant in self._rooms:
            self._rooms[tenant].since_bytes -= size

    async def _counted(self, tenant: TenantId, age_s: float) -> _Room:
        room = self._rooms.get(tenant)
        if room is None or self._clock.monotonic_s() >= room.counted_s + age_s:
            before = 0 if room is None else room.since_bytes
            kept = [] if self._files is None else await self._files.kept(tenant)
            room = self._rooms.setdefault(tenant, _Room(0, 0.0))
            # What ended while it was counted may be in it or not; it is added, so that the limit holds.
            room.since_bytes -= before
            room.counted_bytes = sum(each.content.size for each in kept)
            room.counted_s = self._clock.monotonic_s()
        return room

    async def _demand(self, tenant: TenantId, limit: int, *, is_full: bool = False) -> None:
        """Count once more, and refuse what is over the limit; with `is_full` also what is at it."""
        used = (await self._counted(tenant, REFUSAL_COUNT_S)).bytes_count
        if used + is_full > limit:
            message = f"The files of the tenant take {used} of the {limit} bytes that they may; remove some."
            raise TooMany(message, RETRY_AFTER_S, Quota(RULE, limit, used, RETRY_AFTER_S))

    async def _metered(
        self, tenant: TenantId, limit: int, body: AsyncIterable[bytes]
    ) -> AsyncGenerator[bytes]:
        room = self._rooms[tenant]
        size = 0
        try:
            async for piece in body:
                size += len(piece)
                room.flying_bytes += len(piece)
                if room.bytes_count > limit:
                    await self._demand(tenant, limit)
                yield piece
            room.since_bytes += size
        finally:
            room.flying_bytes -= size

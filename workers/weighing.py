"""What the series of a tenant take in the store, counted once a day where a policy limits it (design 7).

Heads say how many bytes their blocks have. Deltas that no seal has taken up yet are not counted, since they
are those of ten minutes.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Collection
from typing import Final

import msgspec
import structlog

from runtime.ports import Clock
from schemas.ids import CORE, SeriesId, TenantId
from schemas.policies import Profile
from schemas.tenants import Tenant
from storage.heads import decode_head
from storage.port import CatalogStore, SeriesStore, SliceId
from streams.port import RecordStream
from streams.shards import shard_of

log = structlog.get_logger("writer")

POLICIES_S: Final = 600.0
"""How often policies are looked at: a new limit holds from the count after that."""

PASS_S: Final = 24 * 3600.0
"""Between two counts: listing series walks the whole store, and most of what is stored stays."""

SERIES_AT_ONCE: Final = 8
"""Series a look; there are five looks a second."""


class Weighing:
    """The count of one writer's shards."""

    def __init__(
        self, stream: RecordStream, store: SeriesStore, catalog: CatalogStore, *, shards: int, clock: Clock
    ) -> None:
        """Have counted nothing."""
        self._stream = stream
        self._store = store
        self._catalog = catalog
        self._shards = shards
        self._clock = clock
        self._limited: frozenset[TenantId] = frozenset()
        self._waiting: deque[SeriesId] = deque()
        self._found: Counter[tuple[TenantId, int]] = Counter()
        self._policies_s = self._pass_s = 0.0

    async def look(self, held: Collection[int]) -> None:
        """Count some series of these shards, or find out which are next."""
        now_s = self._clock.monotonic_s()
        if now_s >= self._policies_s:
            self._policies_s = now_s + POLICIES_S
            limited = await self._limited_tenants()
            if limited - self._limited:
                self._pass_s = now_s
            self._limited = limited
        if self._waiting:
            await self._count_some(held)
        elif self._limited and held and now_s >= self._pass_s:
            self._pass_s = now_s + PASS_S
            await self._begin(held)

    async def _limited_tenants(self) -> frozenset[TenantId]:
        """Read whose policy limits what is stored."""
        limiting = set()
        for document in await self._catalog.list(CORE, "policy"):
            try:
                policy = msgspec.json.decode(document.body, type=Profile)
            except msgspec.MsgspecError:
                log.warning("policy_not_read", policy=document.id)  # of a newer release
            else:
                if policy.stored_bytes_max is not None:
                    limiting.add(policy.name)
        if not limiting:
            return frozenset()
        tenants = (
            msgspec.json.decode(each.body, type=Tenant) for each in await self._catalog.list(CORE, "tenant")
        )
        return frozenset(tenant.name for tenant in tenants if tenant.profile in limiting)

    async def _begin(self, held: Collection[int]) -> None:
        listed = [series for series in await self._store.list_series() if series.tenant in self._limited]
        self._waiting.extend(series for series in listed if self._shard(series) in held)
        # A shard without series is told too: it may have had some.
        self._found = Counter({(tenant, shard): 0 for tenant in self._limited for shard in held})
        if not self._waiting:
            await self._tell()

    async def _count_some(self, held: Collection[int]) -> None:
        several = [self._waiting.popleft() for _ in range(min(SERIES_AT_ONCE, len(self._waiting)))]
        for series, size in zip(several, await asyncio.gather(*map(self._weigh, several)), strict=True):
            self._found[series.tenant, self._shard(series)] += size
        if not self._waiting:
            self._found = Counter({place: size for place, size in self._found.items() if place[1] in held})
            await self._tell()

    async def _weigh(self, series: SeriesId) -> int:
        """Add up what the blocks of a series take."""
        size = 0
        for start_ms in await self._store.read_slices(series):
            head = await self._store.read_head(SliceId(series, start_ms))
            if head.version:
                size += sum(ref.stored_bytes for ref in decode_head(head.body).blocks)
        return size

    async def _tell(self) -> None:
        for (tenant, shard), size in self._found.items():
            await self._stream.tell_stored(tenant, shard, size)
        log.info("stored_bytes_counted", tenants=len(self._limited), bytes=self._found.total())

    def _shard(self, series: SeriesId) -> int:
        return shard_of(series.tenant, series.asset, self._shards)

"""How wide slices become: the shard's writer decides, from what sealed ones take (design 4.8).

A version of a plan is written once and starts at least 32 days ahead, records lie at most 31 days ahead, and
every holder of a shard reads its plans when it takes over and a few times a day: so whoever folds a record
knows the version that it falls under.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from runtime.ports import Clock
from storage.heads import HeadContent
from storage.port import SeriesStore
from storage.sealing import Sealed
from storage.slices import (
    FIRST_PLAN,
    PARTITION_BYTES_MAX,
    PARTITION_BYTES_MIN,
    next_version,
    slice_range,
    width_at,
)
from workers.tenure import Tenure

log = structlog.get_logger("planner")

READ_AGAIN_S = 6 * 3600.0
"""A quarter of the day within which every writer must know a new version."""


class Planner:
    """The slice plans of one writer's series."""

    def __init__(self, store: SeriesStore, clock: Clock) -> None:
        """Know nothing; plans live in tenures."""
        self._store = store
        self._clock = clock

    async def informed(self, tenure: Tenure) -> Tenure:
        """Read the plans of a shard; StoreUnavailable leaves what was known."""
        tenure.plans = await self._store.read_plans(tenure.shard)
        tenure.plans_read_s = self._clock.monotonic_s()
        return tenure

    async def read_again(self, tenures: Sequence[Tenure]) -> None:
        """Read the plans of shards for which it is time."""
        now_s = self._clock.monotonic_s()
        for tenure in tenures:
            if now_s - tenure.plans_read_s >= READ_AGAIN_S:
                await self.informed(tenure)

    async def look_at(self, tenure: Tenure, sealed: Sealed) -> None:
        """Change the plan of a series if its slices come out too large or too small."""
        series, start_ms = sealed.slice
        plan = tenure.plans.get(series, FIRST_PLAN)
        width_ms = width_at(plan, start_ms + 1)
        now_ms = self._clock.now_ms()
        stored_bytes, span_ms = _measured(sealed.head)
        _, end_ms = slice_range(start_ms, width_ms)
        if end_ms < now_ms - width_ms:
            return  # Old data that comes in now says nothing of what comes in 32 days.
        grown = stored_bytes > PARTITION_BYTES_MAX
        over = end_ms <= now_ms and span_ms >= width_ms // 2 and stored_bytes < PARTITION_BYTES_MIN
        if not grown and not over:
            return
        version = next_version(series, plan, stored_bytes, span_ms, now_ms)
        if version is None:
            return
        await self._store.write_plan(tenure.shard, series, version)
        await self.informed(tenure)  # Another writer of the shard may have been first: its word stands.
        log.info("slices_planned", tenant=series.tenant, asset=series.asset, width_ms=version.width_ms)


def _measured(head: HeadContent) -> tuple[int, int]:
    """Give what a slice takes in the store, and the time that it covers."""
    stored_bytes = sum(ref.stored_bytes for ref in head.blocks)
    if not head.blocks:
        return 0, 1
    return stored_bytes, max(head.blocks[-1].to_ms - head.blocks[0].from_ms, 1)

"""When rows of old blocks are taken: once a day, series by series, a few between two turns (design 4.13).

Safe where nothing can be admitted any more that reaches there. Doors refuse what is older than the tenant's
rule lets live, and rows are taken only before the rule's horizon at `Tenure.applied_ms`, less a day: whatever
is not in the store yet was admitted after that time, so a door has held it against a later horizon. What
comes through all the same is set aside and never lost in silence (`screen`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

import structlog

from runtime.ports import Clock
from schemas.changes import Clear, Undo, Upsert
from schemas.ids import CORE, SeriesId, TenantId
from schemas.retention import Rule
from schemas.times import format_time
from storage import retention
from storage.heads import END_MS, NO_TIME_MS, decode_refs
from storage.port import CatalogStore, SeriesStore, SliceId
from storage.retention_rules import read_rule
from storage.slices import slice_range
from storage.spans import Placed
from streams.entries import decode_content, open_entry
from streams.port import Applied, Entry, RecordStream
from streams.shards import shard_of
from workers.folding import Folded
from workers.screening import entries_of, set_aside
from workers.sealer import Sealer
from workers.tenure import Tenure
from workers.weighing import Weighing

log = structlog.get_logger("writer")

RULES_S = 3600.0
"""How often the rules are read: a new one waits for a day anyway."""

PASS_S = 24 * 3600.0
"""How often all series are gone through: listing them walks the whole store, and a rule counts in days."""

MARK_S = 30.0
"""How often it is noted what is applied, while series wait for it."""

SERIES_AT_ONCE = 8
"""Series a look; there are five looks a second, so that 100,000 series take less than an hour."""


class Retaining:
    """The retention of one writer's series."""

    def __init__(
        self, stream: RecordStream, store: SeriesStore, catalog: CatalogStore, sealer: Sealer, *,
        shards: int, clock: Clock,
    ) -> None:  # fmt: skip
        """Know no rule yet."""
        self._stream = stream
        self._store = store
        self._catalog = catalog
        self._shards = shards
        self._sealer = sealer
        self._clock = clock
        self._weighing = Weighing(stream, store, catalog, shards=shards, clock=clock)
        self._rules: dict[TenantId, Rule] = {}
        """Of the tenants whose rows do not live for ever."""
        self._waiting: deque[SeriesId] = deque()
        self._passing: frozenset[Tenure] = frozenset()
        """Tenures that were held when the pass began."""
        self._rules_s = self._pass_s = self._mark_s = 0.0

    async def look(self, held: Mapping[int, Tenure]) -> None:
        """Take the rows of some series, or find out which are next."""
        now_s = self._clock.monotonic_s()
        if now_s >= self._rules_s:
            self._rules_s = now_s + RULES_S
            await self._read_rules(now_s)
        if self._rules and now_s >= self._mark_s:
            self._mark_s = now_s + MARK_S
            await asyncio.gather(*(self._mark(tenure) for tenure in held.values()))
        if self._rules and not self._waiting and now_s >= self._pass_s:
            self._pass_s = now_s + PASS_S
            self._passing = frozenset(held.values())
            listed = await self._store.list_series()
            self._waiting.extend(series for series in listed if series.tenant in self._rules)
        if self._waiting:
            await self._retain_some(held)
        await self._weighing.look(held)

    async def _read_rules(self, now_s: float) -> None:
        """Read the rules of all tenants; a new one is a reason to go through all series."""
        tenants = [TenantId(found.id) for found in await self._catalog.list(CORE, "tenant")]
        rules = {tenant: await read_rule(self._catalog, tenant) for tenant in tenants}
        known, self._rules = self._rules, {tenant: rule for tenant, rule in rules.items() if rule.days}
        if known != self._rules:
            self._pass_s = now_s
            self._waiting.clear()

    async def _mark(self, tenure: Tenure) -> None:
        """Find out how far rows may be taken in a shard."""
        await tenure.note_applied(self._stream)
        for tenant, rule in self._rules.items():
            before_ms = rule.taken_before_ms(tenure.applied_ms)
            if before_ms is not None:
                tenure.taken[tenant] = max(before_ms, tenure.taken.get(tenant, before_ms))

    async def _retain_some(self, held: Mapping[int, Tenure]) -> None:
        several = [self._waiting.popleft() for _ in range(min(SERIES_AT_ONCE, len(self._waiting)))]
        done = await asyncio.gather(*(self._retain(series, held) for series in several))
        self._waiting.extend(series for series, is_done in zip(several, done, strict=True) if not is_done)
        if not self._waiting:
            for tenure in self._passing:
                tenure.covered.update(tenure.covering)
                tenure.covering.clear()

    async def _retain(self, series: SeriesId, held: Mapping[int, Tenure]) -> bool:
        """Take the rows of one series that are over; False: come again."""
        tenure = held.get(shard_of(series.tenant, series.asset, self._shards))
        if tenure is None:
            return True  # Another writer's.
        before_ms = tenure.taken.get(series.tenant)
        if before_ms is None:
            return tenure.applied_ms > 0  # The rule is too young, or nothing is known of the shard yet.
        tenure.covering.setdefault(series.tenant, before_ms)
        covered_ms = tenure.covered.get(series.tenant, NO_TIME_MS)
        for start_ms, width_ms in (await self._store.read_slices(series)).items():
            first_ms, end_ms = slice_range(start_ms, width_ms)
            slice_id = SliceId(series, start_ms)
            if first_ms >= before_ms or end_ms <= covered_ms:
                continue
            if not await retention.is_due(self._store, slice_id, before_ms):
                continue
            if not await self._forget_latest(tenure, series, before_ms):
                return False
            await self._sealer.retain(slice_id, tenure.cursor, before_ms, self._clock.monotonic_s)
        return True

    async def _forget_latest(self, tenure: Tenure, series: SeriesId, before_ms: int) -> bool:
        """Drop the latest cache if it may have values that go now; False while a turn is being reported."""
        position = tenure.told
        if tenure.cursor != position:
            return False
        gone = Placed(position, position, Clear(NO_TIME_MS, before_ms))
        left = tenure.latest.after({series: [gone]}, position)[series]
        return left is not None or await self._stream.report_applied(
            tenure.shard, Applied(position, {series: None})
        )


def screen(
    tenure: Tenure, groups: dict[SeriesId, list[Placed]], entries: Sequence[Entry], folded: Folded
) -> None:
    """Take out of `groups` what reaches where retention may have taken rows; it goes to `folded`."""
    if not tenure.taken:
        return
    for series, changes in groups.items():
        before_ms = tenure.taken.get(series.tenant)
        if before_ms is None or all(_reach(placed) >= before_ms for placed in changes):
            continue
        reason = f"it reaches before {format_time(before_ms)}, where retention may have left summaries only"
        sound: list[Placed] = []
        for placed in _one_by_one(series, changes, entries):
            if _reach(placed) < before_ms:
                set_aside(series, placed, entries, reason, folded)
            else:
                sound.append(placed)
        groups[series] = sound


def _one_by_one(series: SeriesId, changes: Sequence[Placed], entries: Sequence[Entry]) -> Iterator[Placed]:
    """Take single records that were decoded together apart again."""
    for placed in changes:
        if placed.first == placed.last:
            yield placed
            continue
        for entry in entries_of(series, placed, entries):
            change = decode_content(open_entry(entry.body))
            assert not isinstance(change, Undo), "only records are decoded together"
            yield Placed(entry.position, entry.position, change)


def _reach(placed: Placed) -> int:
    """Give the earliest time that a change touches."""
    change = placed.change
    if isinstance(change, Upsert):
        return int(change.columns.time_ms.min(initial=END_MS))
    if isinstance(change, Clear):
        return change.start_ms
    return min((ref.from_ms for ref in decode_refs(change.blocks)), default=END_MS)

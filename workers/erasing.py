"""Erasing series: what an ERASE entry has ordered is taken out of the store, slice by slice (design 4.16).

The order is an entry like any other, so nothing that was admitted before it can come after it, and it is
remembered for ever: whatever of a tenant or asset comes behind it, from a door that has not heard, a client
that repeats, a stream that gives twice, is left out of the turn. The rows go between two turns, some slices
a look, by whichever writer holds the shard; one that is killed leaves the rest to the next.
A writer that was paused before the order and goes on after it may still store what it had in hand. No reader
sees that, and it is looked for once a day, and wherever the proof finds something.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from runtime.ports import Clock
from schemas.ids import Erased, SeriesId, is_erased
from storage.port import SeriesStore, SliceId
from storage.spans import Placed
from streams.entries import series_of
from streams.letters import series_of_letter
from streams.port import Applied, RecordStream, Settled
from streams.shards import shard_of
from workers import failpoints
from workers.folding import Folded
from workers.tenure import Tenure

log = structlog.get_logger("writer")

SLICES_A_LOOK: Final = 64
"""Erased between two looks at the seals: a tenth of a second; five looks a second."""

AGAIN_S: Final = 24 * 3600.0
"""How often all that was ever erased is looked for once more."""

REPORT_TRIES: Final = 3


def leave_out(tenure: Tenure, groups: dict[SeriesId, list[Placed]], folded: Folded) -> None:
    """Take out of a turn what belongs to somebody who is erased; nothing of it is set aside either."""
    erased = tenure.erased | folded.erased if folded.erased else tenure.erased
    if not erased:
        return
    gone = [series for series in groups if is_erased(series, erased)]
    for series in gone:
        del groups[series]
    folded.failed = [failure for failure in folded.failed if not _is_of(erased, failure[1])]
    if gone:
        log.info("erased_left_out", shard=tenure.shard, series=len(gone))


def _is_of(erased: Collection[Erased], body: bytes) -> bool:
    series = series_of(body)
    return series is not None and is_erased(series, erased)


@dataclass(slots=True)
class _Work:
    """What is to be taken out of one shard."""

    tenure: Tenure
    erased: Erased
    slices: deque[tuple[SliceId, tuple[int, ...]]] = field(default_factory=deque)
    series: set[SeriesId] = field(default_factory=set)
    cacheless: bool = False
    """True: the latest caches of these are dropped; nobody fills them again."""


class Erasing:
    """The erasing of one writer's series."""

    def __init__(self, stream: RecordStream, store: SeriesStore, *, shards: int, clock: Clock) -> None:
        """Know of nothing yet; what is ordered stands in the tenures."""
        self._stream = stream
        self._store = store
        self._shards = shards
        self._clock = clock
        self._works: deque[_Work] = deque()
        self._again_s = clock.monotonic_s() + AGAIN_S

    async def look(self, held: Mapping[int, Tenure]) -> None:
        """Erase some slices, or find out which are next."""
        now_s = self._clock.monotonic_s()
        if now_s >= self._again_s:
            self._again_s = now_s + AGAIN_S
            for tenure in held.values():
                tenure.erasing |= tenure.erased
        try:
            if not self._works:
                self._works = await self._found(held)
            await self._work(held, SLICES_A_LOOK)
        except BaseException:
            self._works.clear()  # What is there now is found anew.
            raise

    async def _found(self, held: Mapping[int, Tenure]) -> deque[_Work]:
        """Find the slices of all that is ordered and not gone, by one walk."""
        works = {
            (shard, erased): _Work(tenure, erased)
            for shard, tenure in held.items()
            for erased in tenure.erasing
        }
        if not works:
            return deque()

        tenants = {erased.tenant for _, erased in works}

        def work_of(series: SeriesId) -> _Work | None:
            if series.tenant not in tenants:
                return None
            shard = shard_of(series.tenant, series.asset, self._shards)
            whole = works.get((shard, Erased(series.tenant)))
            return whole or works.get((shard, Erased(series.tenant, series.asset)))

        slices = await self._store.find_slices(lambda series: work_of(series) is not None)
        for slice_id, parts in slices.items():
            work = work_of(slice_id.series)
            assert work is not None
            work.slices.append((slice_id, tuple(parts)))
            work.series.add(slice_id.series)
        return deque(works.values())

    async def _work(self, held: Mapping[int, Tenure], room: int) -> None:
        while self._works and room > 0:
            work = self._works[0]
            if held.get(work.tenure.shard) is not work.tenure:
                self._works.popleft()
                continue
            # The caches first: without slices nobody would know whose there are.
            work.cacheless = work.cacheless or await self._drop_caches(work.tenure, work.series)
            if not work.cacheless:
                return
            several = [work.slices.popleft() for _ in range(min(room, len(work.slices)))]
            await asyncio.gather(*(self._store.erase_slice(*each) for each in several))
            failpoints.reach("while_erasing")
            room -= max(len(several), 1)
            if not work.slices:
                await self._end(work.tenure, work.erased)
                self._works.popleft()

    async def _end(self, tenure: Tenure, erased: Erased) -> None:
        """Let plans and dead letters follow the rows, then note that all is gone."""
        for series in await self._store.read_plans(tenure.shard):
            if is_erased(series, {erased}):
                await self._store.erase_plans(tenure.shard, series)
        for head in await self._stream.dead_letters(tenure.shard):
            owner = series_of_letter(head, self._shards)
            if owner is not None and is_erased(owner, {erased}):
                await self._stream.settle(head.shard, head.position, Settled())
        await self._store.end_erased(tenure.shard, erased)
        tenure.erasing.discard(erased)
        log.info("erased", shard=tenure.shard, tenant=erased.tenant, asset=erased.asset)

    async def _drop_caches(self, tenure: Tenure, series: set[SeriesId]) -> bool:
        """Drop latest caches; False while a turn is reported, which the report must not come behind."""
        for _ in range(REPORT_TRIES):
            position = tenure.told
            if tenure.cursor != position:
                return False
            if series and not await self._stream.report_applied(
                tenure.shard, Applied(position, dict.fromkeys(series))
            ):
                return False
            if tenure.told == position:
                return True
        return False

"""When slices are sealed, and when what they leave behind is purged (design 4.6, 4.7).

Keeps counts of what this writer laid on each slice since it was last sealed, and a queue of purges
that wait for the grace. Both live in memory: a crash costs a later seal, never a row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from schemas.errors import Corrupt, Unavailable
from storage import purging, retention, sealing
from storage.port import SeriesStore, SliceId
from storage.sealing import SEAL_DELTAS, SEAL_ROWS, Sealed, Volume

log = structlog.get_logger("sealer")


SWEEP_S = 24 * 3600.0
"""How often a slice that is sealed is swept of what nothing names: after the first seal, then daily."""


SLOW_GAPS = 3
"""Quiet times in a row after which a slice counts as slow: its next record will come, too."""

SLOW_WAIT_S_MAX = 24 * 3600.0
"""A slow slice is left alone for twice its last gap, at most a day: else each record would be a seal."""

SLOW_MAX = 100_000
"""Slices whose pace is remembered from seal to seal, some 20 MB."""


@dataclass(slots=True)
class Laid:
    """What lies on the blocks of a slice."""

    shard: int
    deltas: int = 0
    rows: int = 0
    touched_s: float = 0.0
    gaps: int = 0
    """How many times in a row the slice was quiet, and was written to again."""
    gap_s: float = 0.0
    """How long it was quiet the last time."""


@dataclass(slots=True, frozen=True)
class SealRules:
    """The two times that sealing depends on."""

    grace_s: float
    quiet_s: float


class Sealer:
    """The sealing of one writer's slices."""

    def __init__(
        self,
        store: SeriesStore,
        rules: SealRules,
        new_id: Callable[[], bytes],
        named_by_jobs: purging.NamedByJobs | None = None,
    ) -> None:
        """Begin with nothing laid; without `named_by_jobs`, what imports staged is never swept."""
        self._named_by_jobs = named_by_jobs
        self._store = store
        self._rules = rules
        self._new_id = new_id
        self._laid: dict[SliceId, Laid] = {}
        self._swept: dict[SliceId, float] = {}
        self._purges: deque[tuple[float, Sealed]] = deque()
        self._ready: dict[SliceId, None] = {}
        self._quiet: dict[SliceId, Laid] = {}
        """What was sealed because it was quiet."""
        self._look_s = 0.0
        self.volume = Volume()
        """What all seals moved: (deltas + written) / deltas is the write amplification (design 4.6)."""
        self.retained = Volume()
        """What retention took up and left (design 4.13) …"""
        self.retained_blocks = 0
        """… and of how many blocks."""

    def note(self, slice_id: SliceId, shard: int, *, deltas: int, rows: int, now_s: float) -> None:
        """Count what a turn has laid on a slice."""
        laid = self._laid.pop(slice_id, None) or self._begun(slice_id, shard, now_s)
        laid.deltas += deltas
        laid.rows += rows
        laid.touched_s = now_s
        self._laid[slice_id] = laid  # At the end: the dict ascends by the time of the last touch.
        if laid.deltas >= SEAL_DELTAS or laid.rows >= SEAL_ROWS:
            self._ready[slice_id] = None

    def _begun(self, slice_id: SliceId, shard: int, now_s: float) -> Laid:
        """Count from nothing, knowing how long the slice was quiet before."""
        before = self._quiet.pop(slice_id, None)
        if before is None:
            return Laid(shard)
        return Laid(shard, gaps=before.gaps + 1, gap_s=now_s - before.touched_s)

    def forget(self, shards: set[int]) -> None:
        """Leave the slices of these shards to their next writer."""
        self._laid = {found: laid for found, laid in self._laid.items() if laid.shard not in shards}
        self._ready = {found: None for found in self._ready if found in self._laid}

    def due(self, now_s: float) -> list[tuple[SliceId, int]]:
        """Give the slices to seal now, with their shards."""
        if now_s >= self._look_s:
            self._look_s = now_s + self._rules.quiet_s / 60
            for slice_id, laid in self._laid.items():
                untouched_s = now_s - laid.touched_s
                if untouched_s < self._rules.quiet_s:
                    break
                slow = laid.gaps >= SLOW_GAPS
                if not slow or untouched_s >= min(2 * laid.gap_s, SLOW_WAIT_S_MAX):
                    self._ready[slice_id] = None
        return [(slice_id, self._laid[slice_id].shard) for slice_id in self._ready]

    async def seal(self, slice_id: SliceId, upto: int, now_s: Callable[[], float]) -> Sealed | None:
        """Seal one slice through the shard's acknowledged position; queue what is to be purged.

        None also for a slice with bytes that do not decode: it is logged and left as it is.
        """
        self._ready.pop(slice_id, None)
        laid = self._laid.pop(slice_id, None)
        try:
            sealed = await sealing.seal(self._store, slice_id, upto, self._new_id)
            if sealed is not None:
                self._keep(sealed, now_s)
                self.volume = _sum(self.volume, sealed.volume)
            if laid is not None:
                self._remember(slice_id, laid)
            if now_s() - self._swept.get(slice_id, -SWEEP_S) >= SWEEP_S:
                self._swept[slice_id] = now_s()
                # Positions are microseconds of the server's clock: what pins are held against.
                await self.release(slice_id, upto // 1000, now_s)
        except Unavailable:
            if laid is not None:
                self.note(slice_id, laid.shard, deltas=laid.deltas, rows=laid.rows, now_s=now_s())
            raise
        except Corrupt as broken:
            log.exception("slice_not_sealed", slice=str(slice_id), reason=broken.message)
            return None
        return sealed

    def _remember(self, slice_id: SliceId, laid: Laid) -> None:
        """Remember the pace of a slice that was sealed because it was quiet, or that is slow."""
        if laid.gaps >= SLOW_GAPS or (laid.deltas < SEAL_DELTAS and laid.rows < SEAL_ROWS):
            self._quiet[slice_id] = laid
            if len(self._quiet) > SLOW_MAX:
                del self._quiet[next(iter(self._quiet))]

    def _keep(self, left: Sealed, now_s: Callable[[], float]) -> None:
        """Queue what is to be purged after the grace."""
        # The grace begins here: readers may hold the older head until now, however long it took.
        self._purges.append((now_s() + self._rules.grace_s, left.to_purge()))

    async def release(self, slice_id: SliceId, applied_ms: int, now_s: Callable[[], float]) -> None:
        """Drop the pins of a slice whose time is over, and queue what nothing names any more.

        Everything that was admitted before `applied_ms` is in the store.
        """
        orphans = await purging.release(self._store, slice_id, applied_ms, self._named_by_jobs)
        if orphans.replaced:
            self._keep(orphans, now_s)

    async def retain(self, slice_id: SliceId, upto: int, before_ms: int, now_s: Callable[[], float]) -> None:
        """Seal one slice, then leave only summaries of what is older than a time (design 4.13).

        A slice with bytes that do not decode is logged and left as it is.
        """
        await self.seal(slice_id, upto, now_s)
        try:
            left = await retention.retain(self._store, slice_id, before_ms, self._new_id)
        except Corrupt as broken:
            log.exception("slice_not_retained", slice=str(slice_id), reason=broken.message)
            return
        if left is not None:
            self._keep(left, now_s)
            self.retained = _sum(self.retained, left.volume)
            self.retained_blocks += len(left.replaced)

    async def purge_due(self, now_s: float) -> int:
        """Purge what has waited through the grace; gives the number of slices."""
        done = 0
        while self._purges and self._purges[0][0] <= now_s:
            try:
                await purging.purge(self._store, self._purges[0][1])
            except Corrupt as broken:
                log.exception("slice_not_purged", slice=str(self._purges[0][1].slice), reason=broken.message)
            self._purges.popleft()
            done += 1
        return done

    @property
    def waiting(self) -> tuple[int, int, int]:
        """Count slices laid on, slices ready to seal, and purges that wait."""
        return len(self._laid), len(self._ready), len(self._purges)


def _sum(one: Volume, other: Volume) -> Volume:
    return Volume(*(mine + its for mine, its in zip(one, other, strict=True)))

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
from storage import sealing
from storage.port import SeriesStore, SliceId
from storage.sealing import SEAL_DELTAS, SEAL_ROWS, Sealed

log = structlog.get_logger("sealer")


@dataclass(slots=True)
class Laid:
    """What lies on the blocks of a slice."""

    shard: int
    deltas: int = 0
    rows: int = 0
    touched_s: float = 0.0


@dataclass(slots=True, frozen=True)
class SealRules:
    """The two times that sealing depends on."""

    grace_s: float
    quiet_s: float


class Sealer:
    """The sealing of one writer's slices."""

    def __init__(self, store: SeriesStore, rules: SealRules, new_id: Callable[[], bytes]) -> None:
        """Begin with nothing laid."""
        self._store = store
        self._rules = rules
        self._new_id = new_id
        self._laid: dict[SliceId, Laid] = {}
        self._swept: set[SliceId] = set()
        self._purges: deque[tuple[float, Sealed]] = deque()
        self._ready: dict[SliceId, None] = {}

    def note(self, slice_id: SliceId, shard: int, *, deltas: int, rows: int, now_s: float) -> None:
        """Count what a turn has laid on a slice."""
        laid = self._laid.pop(slice_id, None) or Laid(shard)
        laid.deltas += deltas
        laid.rows += rows
        laid.touched_s = now_s
        self._laid[slice_id] = laid  # At the end: the dict ascends by the time of the last touch.
        if laid.deltas >= SEAL_DELTAS or laid.rows >= SEAL_ROWS:
            self._ready[slice_id] = None

    def forget(self, shards: set[int]) -> None:
        """Leave the slices of these shards to their next writer."""
        self._laid = {found: laid for found, laid in self._laid.items() if laid.shard not in shards}
        self._ready = {found: None for found in self._ready if found in self._laid}

    def due(self, now_s: float) -> list[tuple[SliceId, int]]:
        """Give the slices to seal now, with their shards."""
        for slice_id, laid in self._laid.items():
            if now_s - laid.touched_s < self._rules.quiet_s:
                break
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
                # The grace begins here: readers may hold the older head until now, however long it took.
                self._purges.append((now_s() + self._rules.grace_s, sealed))
            if slice_id not in self._swept:
                self._swept.add(slice_id)
                orphans = await sealing.find_orphans(self._store, slice_id)
                if orphans.replaced:
                    self._purges.append((now_s() + self._rules.grace_s, orphans))
        except Unavailable:
            if laid is not None:
                self.note(slice_id, laid.shard, deltas=laid.deltas, rows=laid.rows, now_s=now_s())
            raise
        except Corrupt as broken:
            log.exception("slice_not_sealed", slice=str(slice_id), reason=broken.message)
            return None
        return sealed

    async def purge_due(self, now_s: float) -> int:
        """Purge what has waited through the grace; gives the number of slices."""
        done = 0
        while self._purges and self._purges[0][0] <= now_s:
            try:
                await sealing.purge(self._store, self._purges[0][1])
            except Corrupt as broken:
                log.exception("slice_not_purged", slice=str(self._purges[0][1].slice), reason=broken.message)
            self._purges.popleft()
            done += 1
        return done

    @property
    def waiting(self) -> tuple[int, int, int]:
        """Count slices laid on, slices ready to seal, and purges that wait."""
        return len(self._laid), len(self._ready), len(self._purges)

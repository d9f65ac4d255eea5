"""What a writer knows of a shard while it holds it: true as long as it saw every entry since it took over.

One object a tenure. Letting go drops it as a whole, so that a call which was under way meanwhile can only
add to what nobody looks at any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.ids import Erased, SeriesId, TenantId
from schemas.latest import Latest
from storage.port import SeriesStore, SliceId
from storage.slices import SlicePlan
from streams.port import RecordStream
from workers.latest import LatestKeeper
from workers.takeover import Held


@dataclass(slots=True, eq=False)
class Tenure:
    """A shard from its take-over on."""

    shard: int
    held: Held
    cursor: int
    """Everything up to it is in the store."""
    told: int
    """Everything up to it is in the store, and the readers know."""
    plans: dict[SeriesId, SlicePlan] = field(default_factory=dict)
    """Slice plans of the series that have more than the first version, as the planner last read them."""
    plans_read_s: float = 0.0
    latest: LatestKeeper = field(default_factory=LatestKeeper)
    listed: dict[SeriesId, set[int]] = field(default_factory=dict)
    """Every slice of a series, where it was read from the store."""
    stored: dict[SeriesId, set[int]] = field(default_factory=dict)
    """The slices that this writer stored."""
    admitted: tuple[int, int] = (0, 0)
    """A time of the stream server in ms, and a position above everything admitted before it."""
    applied_ms: int = 0
    """Everything that was admitted before this time of the stream server is in the store."""
    taken: dict[TenantId, int] = field(default_factory=dict)
    """By tenant: the time before which retention may take rows, and what reaches there is set aside."""
    erased: set[Erased] = field(default_factory=set)
    """What is erased for good: no entry of it is applied (design 4.16) …"""
    erasing: set[Erased] = field(default_factory=set)
    """… and what of it may still be there."""
    covering: dict[TenantId, int] = field(default_factory=dict)
    """By tenant: the time before which the present pass takes the rows of every series …"""
    covered: dict[TenantId, int] = field(default_factory=dict)
    """… and before which the last whole one did: slices that end there need no look again."""

    async def list(self, store: SeriesStore, series: SeriesId) -> set[int]:
        """Read the slices of a series, once: who sees every entry knows what comes to them."""
        if series not in self.listed:
            found = await store.read_slices(series)
            # Turn and seal may both ask; what was stored meanwhile is not in an answer that set out before.
            self.listed.setdefault(series, set()).update(found, self.stored.get(series, ()))
            if not self.listed[series]:
                self.latest.offer(series, Latest(self.cursor, complete=True))
        return self.listed[series]

    async def note_applied(self, stream: RecordStream) -> None:
        """Move `applied_ms` on, as far as what is stored shows.

        Not by the times in positions: they run ahead of every clock where a shard was opened anew (design 4).
        """
        state = await stream.read_state(self.shard)
        waiting = await stream.read({self.shard: self.cursor}, bytes_max=1)
        at_ms = state.time_us // 1000
        if not waiting.get(self.shard):
            self.applied_ms = max(self.applied_ms, at_ms)
            return
        # Something always waits in a busy shard: then it is enough that what waited earlier does no more.
        then_ms, position = self.admitted
        if self.cursor >= position:
            self.applied_ms = max(self.applied_ms, then_ms)
            self.admitted = at_ms, state.last_found

    def note_erased(self, erased: Mapping[Erased, bool]) -> None:
        """Know from now on what is erased, and of each whether all of it is gone."""
        self.erased.update(erased)
        self.erasing.update(each for each, is_gone in erased.items() if not is_gone)

    def is_stored(self, slice_id: SliceId) -> bool:
        """Tell whether the row of a slice is known to be in the store."""
        return slice_id.start_ms in self.stored.get(slice_id.series, ())

    def note_stored(self, slices: Iterable[SliceId]) -> None:
        """Know from now on that these slices are in the store."""
        for series, start_ms in slices:
            self.stored.setdefault(series, set()).add(start_ms)
            if series in self.listed:
                self.listed[series].add(start_ms)

"""What a delete would take: how many records, values and times, and when they were submitted (MS-52, 9.8).

Works over the port alone, on the tail and the store, so that what is acknowledged is counted. A block that no
later change touches says in its head how many rows it has, and in its summary how many values; of the others,
and of variables that have no summary, the columns are read, up to a limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from schemas.changes import Change, Clear
from schemas.columns import Columns
from schemas.ids import SeriesId
from schemas.limits import COUNT_ROWS_READ_MAX
from storage import levels, merge, summaries
from storage.deltas import RowsPart, attached_to, decode_delta
from storage.heads import BlockRef, HeadContent, decode_head
from storage.port import SeriesReads, SeriesStore, SliceId
from storage.reader import Attempt, Slices, read_gap, read_layers, read_refs, with_rows
from storage.slices import slice_range
from storage.spans import Placed, Wanted, spans_of
from storage.undoing import touches

BLOCKS_AT_ONCE = 8
"""Blocks whose columns are read in one go: at most 80,000 rows."""


@dataclass(slots=True)
class Taken:
    """What lies in a range."""

    records: int = 0
    """Rows, those without a value among them."""
    first_ms: int | None = None
    last_ms: int | None = None
    values: dict[int, int] | None = field(default_factory=dict)
    """By variable; None: too much would have had to be read."""
    rows_read: int = 0

    def add(self, other: Taken) -> None:
        """Count what lies in another range."""
        self.records += other.records
        self.rows_read += other.rows_read
        self.first_ms = min((t for t in (self.first_ms, other.first_ms) if t is not None), default=None)
        self.last_ms = max((t for t in (self.last_ms, other.last_ms) if t is not None), default=None)
        self.add_values(other.values)

    def add_values(self, values: dict[int, int] | None) -> None:
        """Count values; None makes their numbers unknown."""
        if values is None or self.values is None:
            self.values = None
            return
        for variable, count in values.items():
            self.values[variable] = self.values.get(variable, 0) + count

    def add_rows(self, rows: Columns) -> None:
        """Count rows that were read."""
        if rows.rows:
            times = int(rows.time_ms[0]), int(rows.time_ms[-1])
            self.add(Taken(rows.rows, *times, _present(rows), rows.rows))


def _present(rows: Columns) -> dict[int, int]:
    return {
        variable: rows.rows if column.present is None else int(column.present.sum())
        for variable, column in rows.cells.items()
    }


async def count(
    store: SeriesReads, series: SeriesId, wanted: Wanted, tail: Sequence[Placed], *, deadline_s: float
) -> Taken:
    """Count what lies in a range; StoreUnavailable where one slice takes longer than `deadline_s`."""
    taken = Taken()
    slices = Slices(store, series, wanted, deadline_s)
    for span in spans_of(series, await slices.listed(), tail, wanted):
        if span.slice is None:
            taken.add_rows(await read_gap(store, series, wanted, span, tail))
            continue
        async for attempt in slices.attempts(span.slice):
            window = replace(wanted, start_ms=span.start_ms, end_ms=span.end_ms)
            counting = _Counting(store, span.slice, attempt, attempt.later(tail, window), window)
            found = await counting.taken(COUNT_ROWS_READ_MAX - taken.rows_read)
            if found is not None and attempt.in_time:
                taken.add(found)
                break
    return taken


class _Counting:
    """One slice on its way into a count."""

    def __init__(
        self, store: SeriesReads, slice_id: SliceId, attempt: Attempt, later: Sequence[Placed], window: Wanted
    ) -> None:
        self.store = store
        self.slice_id = slice_id
        self.head: HeadContent = attempt.head
        self.later = later
        self.window = replace(window, start_ms=max(window.start_ms, attempt.head.rows_from_ms))

    async def taken(self, room: int) -> Taken | None:
        """Count the slice; None where a block that the head names is missing."""
        taken = Taken()
        whole, others = self._divided()
        for ref in whole:
            counted, unread = _told(ref)
            taken.add(Taken(ref.rows, ref.from_ms, ref.to_ms, counted))
            if unread and taken.values is not None and not await self._read_values(ref, unread, taken, room):
                return None
        for start, end in self._windows(whole, others):
            variables = None if taken.values is not None and taken.rows_read < room else frozenset[int]()
            rows = await self._rows(replace(self.window, start_ms=start, end_ms=end, variables=variables))
            if rows is None:
                return None
            taken.add_rows(rows)
            if variables is not None and rows.rows:
                taken.values = None
        return taken

    def _divided(self) -> tuple[list[BlockRef], list[BlockRef]]:
        """Part the blocks of which every row lies in the range, as it was sealed, from the others."""
        changes = [placed.change for placed in self.later]
        changed = levels.touched(self.head.blocks, changes, self.slice_id.start_ms).tolist()
        whole: list[BlockRef] = []
        others = attached_to(self.slice_id.start_ms, changes)
        for ref, hit in zip(self.head.blocks, changed, strict=True):
            inside = self.window.start_ms <= ref.from_ms and ref.to_ms < self.window.end_ms
            if not ref.summary_only:
                (whole if inside and not hit else others).append(ref)
        return whole, others

    def _windows(self, whole: Iterable[BlockRef], others: Iterable[BlockRef]) -> Iterator[tuple[int, int]]:
        """Give the times between whole blocks, in pieces of some blocks each."""
        marks = [(ref.from_ms, ref.to_ms, True) for ref in whole]
        marks += [(ref.from_ms, ref.to_ms, False) for ref in others]
        at, blocks = self.window.start_ms, 0
        for from_ms, to_ms, is_whole in sorted(marks):
            blocks += not is_whole
            if is_whole:
                if at < from_ms:
                    yield at, from_ms
                at, blocks = max(at, to_ms + 1), 0
            elif blocks >= BLOCKS_AT_ONCE and at < min(to_ms + 1, self.window.end_ms):
                yield at, min(to_ms + 1, self.window.end_ms)
                at, blocks = min(to_ms + 1, self.window.end_ms), 0
        if at < self.window.end_ms:
            yield at, self.window.end_ms

    async def _read_values(self, ref: BlockRef, unread: frozenset[int], taken: Taken, room: int) -> bool:
        """Count the values of some variables of a block; False where it is missing."""
        if taken.rows_read + ref.rows > room:
            taken.values = None
            return True
        found = await read_refs(self.store, self.slice_id, [ref], unread)
        if found is None:
            return False
        taken.rows_read += ref.rows
        taken.add_values(_present(found[0]))
        return True

    async def _rows(self, wanted: Wanted) -> Columns | None:
        layers = await read_layers(self.store, self.slice_id, with_rows(self.head), self.later, wanted)
        if layers is None:
            return None
        return merge.between(merge.state(layers), wanted.start_ms, wanted.end_ms)


def _told(ref: BlockRef) -> tuple[dict[int, int], frozenset[int]]:
    """Give what a head says of a block's values, and the variables of which it says nothing."""
    if not ref.summary:
        return {}, frozenset(ref.variables)
    counted = {}
    for variable, partials in summaries.decode_summaries([ref.summary]).items():
        uncertain = 0 if partials.uncertain is None else int(partials.uncertain.count.sum())
        counted[variable] = int(partials.good.count.sum()) + uncertain + int(partials.bad.sum())
    return counted, frozenset(ref.variables) - counted.keys()


async def newest_submission(
    store: SeriesStore, series: SeriesId, wanted: Wanted, tail: Sequence[Placed]
) -> int | None:
    """Give the position of the youngest entry that brought something into a range; None: nothing is there.

    A block knows only the youngest of all that it holds, so this may be an entry beside the range.
    """
    span = Clear(wanted.start_ms, wanted.end_ms)
    found = [placed.last for placed in tail if _brings(placed.change, span)]
    for start, width in (await store.read_slices(series)).items():
        first, end = slice_range(start, width)
        if first >= wanted.end_ms or end <= wanted.start_ms:
            continue
        state = await store.read_state(SliceId(series, start))
        head = decode_head(state.head.body)
        found += [
            ref.position_max
            for ref in with_rows(head)
            if ref.from_ms < wanted.end_ms and ref.to_ms >= wanted.start_ms
        ]
        part = RowsPart(wanted.start_ms, wanted.end_ms, frozenset())
        found += [
            delta.last
            for delta in state.deltas
            if delta.last > head.sealed_through and _brings(decode_delta(delta.body, part), span, start)
        ]
    return max(found, default=None)


def _brings(change: Change, span: Clear, slice_start_ms: int | None = None) -> bool:
    return not isinstance(change, Clear) and touches(change, span, slice_start_ms)

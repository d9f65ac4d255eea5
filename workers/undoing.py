"""What a writer does about deletes and imports: pins before one, judges an undo, lets go later (design 4.14).

A turn is divided into steps: a delete or an import that can be undone, or an undo, begins a new one where
anything of its series stands before it in the turn. So all that comes before it is stored when the touched
slices are sealed and pinned, or when the store is asked what the undo comes to. Whatever is done here may be
done twice, and by two writers.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from runtime.ports import Clock
from schemas.changes import Attach, Clear, Undo
from schemas.durations import DAY_MS
from schemas.errors import Corrupt, StreamUnavailable
from schemas.ids import CORE, SeriesId, TenantId, is_erased
from schemas.limits import DELETES_KEPT_DAYS, DELETES_KEPT_MAX
from schemas.receipts import Place
from storage import delete_records, undoing
from storage.delete_records import DeleteRecord
from storage.port import CatalogStore, Document, SeriesStore, SliceId
from storage.slices import FIRST_PLAN, slice_range, width_at
from storage.undoing import Cleared
from streams.entries import EntryKind, decode_content, open_entry
from streams.port import Entry, RecordStream
from workers import failpoints
from workers.sealer import Sealer
from workers.tenure import Tenure

log = structlog.get_logger("writer")

PINS_AT_ONCE = 8
"""A pin is a chain of round trips and maybe a seal; as many at once as a writer seals."""

LOOK_S = 3600.0
"""How often it is looked which deletes can be undone no more: their time counts in days."""

Judged = Mapping[int, Attach | str]
"""By position of an undo: what it attaches, or why it does not; of an import: why it does not."""

_CLEAR, _UNDO, _ERASE = (bytes([kind]) for kind in (EntryKind.CLEAR, EntryKind.UNDO, EntryKind.ERASE))
_ATTACH = bytes([EntryKind.ATTACH])


def divided(entries: Mapping[Tenure, list[Entry]]) -> Iterator[dict[Tenure, list[Entry]]]:
    """Divide a turn into the steps in which it is stored; nearly every turn is one."""
    pieces = {tenure: _pieces(found) for tenure, found in entries.items()}
    for number in range(max(map(len, pieces.values()), default=0)):
        yield {tenure: found[number] for tenure, found in pieces.items() if number < len(found)}


def _pieces(entries: list[Entry]) -> list[list[Entry]]:
    if not any(map(_is_marked, entries)):
        return [entries]
    pieces: list[list[Entry]] = []
    begin = 0
    before: set[bytes] = set()
    marked: set[bytes] = set()
    erases = False
    for at, entry in enumerate(entries):
        series = entry.body[16:48]
        if _is_marked(entry):
            if erases or series in (before if _needs_a_pin(entry) else marked):
                pieces.append(entries[begin:at])
                begin, erases, before, marked = at, False, set(), set()
            marked.add(series)
        before.add(series)
        erases = erases or _kind(entry) == _ERASE
    return [*pieces, entries[begin:]]


def _kind(entry: Entry) -> bytes:
    return entry.body[1:2]


def _is_marked(entry: Entry) -> bool:
    """Tell what has to be looked at before it is stored: a delete, an undo, an import that can be undone."""
    kind = _kind(entry)
    return kind in (_CLEAR, _UNDO) or (kind == _ATTACH and _needs_a_pin(entry))


def _needs_a_pin(entry: Entry) -> bool:
    """Tell an undo, or what can be undone, from a delete that only has to be known to those."""
    return _kind(entry) == _UNDO or entry.body[12:16] != bytes(4)


def beside(slice_id: SliceId, starts: Sequence[int]) -> list[SliceId]:
    """Give the slices before and after one, of those that begin at these times, ascending."""
    at = bisect_left(starts, slice_id.start_ms)
    after = bisect_right(starts, slice_id.start_ms)
    return [
        SliceId(slice_id.series, start)
        for start in (*starts[max(at - 1, 0) : at], *starts[after : after + 1])
    ]


@dataclass(slots=True)
class UndoFigures:
    """What was done about deletes."""

    pinned: int = 0
    """Slices that were looked at before a delete."""
    undone: int = 0
    refused: int = 0
    released: int = 0
    """Deletes that can be undone no more."""


class Undoing:
    """The deletes and undos of one writer's series."""

    def __init__(
        self, stream: RecordStream, store: SeriesStore, catalog: CatalogStore | None, sealer: Sealer, *,
        clock: Clock, seal: Callable[[SliceId, int], Awaitable[object]], is_held: Callable[[Tenure], bool],
    ) -> None:  # fmt: skip
        """Know of no delete; `seal` seals a slice of a shard that is held through what is stored of it."""
        self._stream = stream
        self._store = store
        self._catalog = catalog
        self._sealer = sealer
        self._clock = clock
        self._seal = seal
        self._is_held = is_held
        self._look_s = clock.monotonic_s() + LOOK_S
        self.figures = UndoFigures()

    # -- before a step is stored -----------------------------------------------------------------

    async def prepare(self, entries: Mapping[Tenure, list[Entry]]) -> dict[Tenure, Judged]:
        """Pin what the deletes of a step clear, and judge its undos.

        A tenure is missing in what it gives where it is no longer held, or another writer has gone on: what
        was found may then be of a state after the entries, and nothing of it counts.
        """
        judged: dict[Tenure, Judged] = {}
        for tenure, found in entries.items():
            if not self._is_held(tenure):
                continue
            marked = [entry for entry in found if _is_marked(entry)]
            verdicts: dict[int, Attach | str] = {}
            for first in range(0, len(marked), PINS_AT_ONCE):
                several = marked[first : first + PINS_AT_ONCE]
                await asyncio.gather(*(self._look_at(tenure, entry, verdicts) for entry in several))
            if marked and await self._store.read_cursor(tenure.shard) >= marked[0].position:
                log.warning("shard_was_anothers", shard=tenure.shard, seen=tenure.cursor)
                continue
            self._count(verdicts)
            judged[tenure] = verdicts
        return judged

    async def _look_at(self, tenure: Tenure, entry: Entry, verdicts: dict[int, Attach | str]) -> None:
        try:
            opened = open_entry(entry.body)
            change = decode_content(opened)
        except Corrupt:
            return  # Folding sets it aside.
        if is_erased(opened.series, tenure.erased):
            return  # It is left out of the turn.
        if isinstance(change, Clear):
            await self._keep(tenure, opened.series, entry.position, change)
        elif isinstance(change, Attach):
            refused = await self._look_at_import(tenure, opened.series, entry.position, change)
            if refused:
                verdicts[entry.position] = refused
        elif isinstance(change, Undo):
            verdicts[entry.position] = await undoing.judge(
                self._store, opened.series, change, before=entry.position, at_ms=entry.position // 1000
            )

    async def _keep(self, tenure: Tenure, series: SeriesId, position: int, clear: Clear) -> None:
        """Pin the slices that a clear touches, and see to it that somebody can find the delete."""
        cleared = undoing.cleared_by(position, clear)
        await self._pin_all(tenure, series, cleared)
        if self._catalog is not None and cleared.until_ms:
            place = Place(tenure.shard, tenure.held.incarnation, position)
            record = delete_records.record_of(series, place, clear)
            if await self._catalog.get(series.tenant, delete_records.KIND, record.id) is None:
                await delete_records.note(self._catalog, series.tenant, record)
        failpoints.reach("after_pin")

    async def _look_at_import(self, tenure: Tenure, series: SeriesId, position: int, attach: Attach) -> str:
        """Pin what an import touches, as before a delete; gives why it cannot be attached."""
        try:
            missing = await undoing.find_missing(self._store, series, attach)
        except Corrupt:
            return ""  # Folding sets it aside.
        if missing or not attach.undo_s:
            return missing
        imported = undoing.imported_by(position, attach)
        await self._pin_all(tenure, series, imported)
        if self._catalog is not None:
            place = Place(tenure.shard, tenure.held.incarnation, position)
            record = delete_records.record_of_import(series, place, imported)
            await delete_records.note(self._catalog, series.tenant, record)
        failpoints.reach("after_pin")
        return ""

    async def _pin_all(self, tenure: Tenure, series: SeriesId, cleared: Cleared) -> None:
        """Pin every slice that has times of the range, and those that an import is about to begin."""
        plan = tenure.plans.get(series, FIRST_PLAN)
        starts = {ref.slice_start_ms for ref in cleared.attached or ()}
        listed = sorted(await tenure.list(self._store, series))
        for start in listed:
            first, end = slice_range(start, width_at(plan, start + 1))
            if first < cleared.end_ms and end > cleared.start_ms:
                starts.add(start)
        touched = [SliceId(series, start) for start in sorted(starts)]
        for at in range(0, len(touched), PINS_AT_ONCE):
            several = touched[at : at + PINS_AT_ONCE]
            await asyncio.gather(
                *(self._pin(tenure, each, cleared, beside(each, listed)) for each in several)
            )
        self.figures.pinned += len(touched)

    async def _pin(
        self, tenure: Tenure, slice_id: SliceId, cleared: Cleared, neighbours: Sequence[SliceId]
    ) -> None:
        async def seal(each: SliceId) -> None:
            if not self._is_held(tenure):
                message = f"shard {tenure.shard} was let go before a delete was stored"
                raise StreamUnavailable(message)
            await self._seal(each, tenure.shard)

        await undoing.keep(self._store, slice_id, cleared, seal, neighbours)

    def _count(self, verdicts: Judged) -> None:
        refused = sum(isinstance(verdict, str) for verdict in verdicts.values())
        self.figures.refused += refused
        self.figures.undone += len(verdicts) - refused

    # -- when their time is over -----------------------------------------------------------------

    async def look(self, held: Mapping[int, Tenure]) -> None:
        """Once an hour, let go of what can be undone no more, and forget deletes that are long past."""
        now_s = self._clock.monotonic_s()
        if self._catalog is None or now_s < self._look_s:
            return
        self._look_s = now_s + LOOK_S
        for tenant in await self._catalog.list(CORE, "tenant"):
            documents = await self._catalog.list(tenant.id, delete_records.KIND)
            for left, document in zip(range(len(documents), 0, -1), documents, strict=True):
                record = delete_records.record_in(document)
                tenure = held.get(record.shard)
                if tenure is not None:
                    await self._settle(tenure, document, record, surplus=left > DELETES_KEPT_MAX)

    async def _settle(
        self, tenure: Tenure, document: Document, record: DeleteRecord, *, surplus: bool
    ) -> None:
        """Do what is due for one delete of a shard that is held."""
        assert self._catalog is not None
        series = record.series(TenantId(document.tenant))
        if is_erased(series, tenure.erased):
            await self._catalog.remove(document.tenant, delete_records.KIND, document.id, document.version)
        elif record.until_ms and not record.released:
            if await self._is_over(tenure, record):
                await self._release(tenure, series, record)
                body = msgspec.json.encode(msgspec.structs.replace(record, released=True))
                await self._catalog.replace(
                    document.tenant, delete_records.KIND, document.id, body, document.version
                )
        elif surplus or record.at_ms + DELETES_KEPT_DAYS * DAY_MS <= self._clock.now_ms():
            await self._catalog.remove(document.tenant, delete_records.KIND, document.id, document.version)

    async def _is_over(self, tenure: Tenure, record: DeleteRecord) -> bool:
        """Tell whether no entry can come, or wait, that may still undo a delete."""
        if self._clock.now_ms() < record.until_ms:
            return False
        # Positions run ahead of the clock at times, never behind: what is admitted later is above.
        if tenure.applied_ms < record.until_ms:
            await tenure.note_applied(self._stream)
        return tenure.applied_ms >= record.until_ms

    async def _release(self, tenure: Tenure, series: SeriesId, record: DeleteRecord) -> None:
        for start, width in (await self._store.read_slices(series)).items():
            first, end = slice_range(start, width)
            if first < record.end_ms and end > record.start_ms:
                await self._sealer.release(SliceId(series, start), tenure.applied_ms, self._clock.monotonic_s)
        self.figures.released += 1

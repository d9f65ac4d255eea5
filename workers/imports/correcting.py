"""Corrections: a later version of a file takes the place of what the earlier one wrote (design 4.14, 9.7).

Rows that both have are replaced by the import itself. What the earlier version wrote and the later one has no
more is staged beside them, as rows that take values away; so one entry a series brings all of it, an undo of
the import brings the earlier version back, and a kill costs what a kill of any staging costs.

What the earlier version wrote is told by its pins, as long as it could be undone. A value that something else
has changed since is not the earlier version's any more and stays. Where the earlier version is the first one
that is remembered, what it had overwritten comes back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from schemas.changes import Attach
from schemas.codes import INVALID_BODY
from schemas.columns import NO_QUALITY, Bools, Column, Columns, Ints, Texts, Values
from schemas.durations import SECOND_MS
from schemas.errors import Problem, Unavailable
from schemas.ids import SeriesId, TenantId
from schemas.imports import BadSource, Correction, RowKind
from storage import job_records, merge
from storage.heads import BlockRef, decode_head, decode_refs, encode_refs
from storage.import_journal import CORRECTION, Attached, Journal
from storage.job_records import JobRecord
from storage.pins import decode_pin
from storage.port import CatalogStore, SeriesStore, SliceId
from storage.reader import read_layers, read_series, with_rows
from storage.slices import slice_range
from storage.spans import Placed, Wanted
from workers.imports.attaching import CHECKED_S
from workers.imports.staging import Stager
from workers.running import Attempt

GONE: Final = "the import {earlier} of the earlier version is not remembered, or was undone."
REPLACED: Final = "the import {earlier} of the earlier version was replaced by {later} already."
EXPIRED: Final = (
    "What the import {earlier} of the earlier version wrote is not known any more:"
    " rows of the same times were replaced, none was taken away."
)

WINDOW_ROWS: Final = 50_000
"""Rows of the earlier version that are looked at together: some megabytes with all their values."""


class Found(NamedTuple):
    """What became of a correction."""

    is_done: bool
    """True: nothing that the earlier version wrote stands beside what the later one writes."""
    removed: int = 0
    """Records that the earlier version had and the later one has not."""
    remark: str = ""


class _Old(NamedTuple):
    """What the earlier version attached to one slice."""

    slice: SliceId
    told: Attached
    refs: tuple[BlockRef, ...]
    before: Sequence[BlockRef]
    """What comes back: the slice as it was before; nothing where that was an earlier version, too."""


async def correct(
    catalog: CatalogStore, store: SeriesStore, attempt: Attempt, stager: Stager, correction: Correction, *,
    kind: RowKind, now_ms: int,
) -> Found:  # fmt: skip
    """Stage, as a unit of its own, what takes away the rows that the later version has no more.

    Called once the units of the source are staged. BadSource where an import that somebody named cannot be
    replaced; Unavailable where something is away.
    """
    journal = stager.journal
    earlier, first = await _earlier(catalog, attempt, correction)
    if earlier is None:
        return Found(is_done=False)
    written = await _written(catalog, journal.tenant, earlier)
    attached = [told for tolds in written.values() for told in tolds]
    new = await journal.staged(CORRECTION)
    meet = any(_meet(told, new.get(told.series(journal.tenant))) for told in attached)
    if not (correction.asked or meet):
        return Found(is_done=False)
    undo_ms = max(int(earlier.told.get("undo_s", 0)), CHECKED_S) * SECOND_MS
    if any(told.position // 1_000 + undo_ms <= now_ms for told in attached):
        message = EXPIRED.format(earlier=earlier.id)
        if correction.asked:
            raise _bad(message)
        return Found(is_done=False, remark=message)
    for job, told in ((job, told) for job, tolds in written.items() for told in tolds):
        series = told.series(journal.tenant)
        refs = new.get(series, [])
        async for old in _old_slices(store, series, told, first=first and job == earlier.id):
            async for rows in _taken_away(store, old, refs, kind):
                inside = _inside(rows, refs) if correction.inside_only else rows
                if inside.rows:
                    await stager.take_away(series, inside)
                    emptied = ~merge.rows_with_values(inside)
                    stager.staged.removed += int(emptied.sum())
                await attempt.told(rows=attempt.record.rows, octets=attempt.record.bytes)
    await stager.end(0)
    return Found(is_done=True, removed=stager.staged.removed)


async def _written(catalog: CatalogStore, tenant: TenantId, earlier: JobRecord) -> dict[str, list[Attached]]:
    """Give by job what an import attached, and what the replays of its refused rows did."""
    known = await job_records.all_of(catalog, tenant)
    jobs = [earlier.id]
    for job in jobs:
        jobs += [each.id for each in known if each.replay_of == job and not each.undone_ms]
    return {
        job: [told for told in await Journal(catalog, tenant, job).attached() if told.position]
        for job in jobs
    }


async def _earlier(
    catalog: CatalogStore, attempt: Attempt, correction: Correction
) -> tuple[JobRecord | None, bool]:
    """Give the import that is corrected, and whether it is the first one of its file; None: it is no more."""
    known = [each for each in await job_records.all_of(catalog, attempt.tenant) if each != attempt.record]
    record = next((each for each in known if each.id == correction.earlier), None)
    later = job_records.replaced_in(each for each in known if each.id != attempt.record.id)
    if correction.earlier in later:
        raise _bad(REPLACED.format(earlier=correction.earlier, later=later[correction.earlier]))
    if record is None or record.undone_ms:
        if correction.asked:
            raise _bad(GONE.format(earlier=correction.earlier))
        return None, False
    older = (
        each.submitted_ms < record.submitted_ms and each.committing and each.version_of == record.version_of
        for each in known
    )
    return record, not record.replaces and not any(older)


def _bad(message: str) -> BadSource:
    return BadSource([Problem("/replaces", INVALID_BODY, message)])


def _meet(told: Attached, refs: Sequence[BlockRef] | None) -> bool:
    """Tell whether the later version has times of the range of the earlier one."""
    return any(ref.from_ms < told.end_ms and ref.to_ms >= told.start_ms for ref in refs or ())


def _inside(rows: Columns, refs: Sequence[BlockRef]) -> Columns:
    """Cut to the times from the first to the last row of the later version."""
    if not refs:
        return merge.EMPTY
    return merge.between(rows, min(ref.from_ms for ref in refs), max(ref.to_ms for ref in refs) + 1)


async def _old_slices(
    store: SeriesStore, series: SeriesId, told: Attached, *, first: bool
) -> AsyncIterator[_Old]:
    """Give what the earlier version attached, slice by slice, by the pins of its entry."""
    for start, width in sorted((await store.read_slices(series)).items()):
        begin, end = slice_range(start, width)
        if begin >= told.end_ms or end <= told.start_ms:
            continue
        slice_id = SliceId(series, start)
        for pin in await store.read_pins(slice_id):
            pinned = decode_pin(pin.body)
            if pin.position == told.position and pinned.attached is not None:
                head = pinned.head if first else None
                before = () if head is None else with_rows(decode_head(head))
                # What it has itself brought back, as an earlier version's correction, was never its own.
                wrote = [ref for ref in decode_refs(pinned.attached) if ref.block_id not in told.corrections]
                if wrote:
                    yield _Old(slice_id, told, tuple(wrote), before)


async def _taken_away(
    store: SeriesStore, old: _Old, new: Sequence[BlockRef], kind: RowKind
) -> AsyncIterator[Columns]:
    """Give rows that undo, cell by cell, what of a slice is not given again; ascending, window by window."""
    mine = [ref for ref in new if ref.slice_start_ms == old.slice.start_ms]
    for start_ms, end_ms in _windows(old.refs):
        wrote = await _rows(store, old.slice, old.refs, start_ms, end_ms)
        given = await _rows(store, old.slice, mine, start_ms, end_ms, times_only=kind is RowKind.WHOLE)
        lacking = _lacking(wrote, given, kind)
        if not any(rows.any() for rows in lacking.values()):
            yield merge.EMPTY  # A sign of life.
            continue
        stands = await read_series(store, old.slice.series, Wanted(start_ms, end_ms))
        before = await _rows(store, old.slice, old.before, start_ms, end_ms)
        yield _undone(wrote, stands, before, lacking)


def _windows(refs: Sequence[BlockRef]) -> Iterator[tuple[int, int]]:
    """Divide the times of blocks where some begin, so that few rows lie in each part."""
    ordered = sorted(refs, key=lambda ref: ref.from_ms)
    begin, rows = ordered[0].from_ms, 0
    for ref in ordered:
        if rows >= WINDOW_ROWS and ref.from_ms > begin:
            yield begin, ref.from_ms
            begin, rows = ref.from_ms, 0
        rows += ref.rows
    yield begin, max(ref.to_ms for ref in refs) + 1


async def _rows(
    store: SeriesStore, slice_id: SliceId, refs: Sequence[BlockRef], start_ms: int, end_ms: int, *,
    times_only: bool = False,
) -> Columns:  # fmt: skip
    """Read what blocks come to, a later one over an earlier one."""
    wanted = Wanted(start_ms, end_ms, frozenset() if times_only else None)
    # Blocks of a head do not say of which slice they are, those of an attach must.
    said = {"slice_start_ms": slice_id.start_ms, "summary": b""}
    marked = encode_refs(tuple(msgspec.structs.replace(ref, **said) for ref in refs))
    placed = Placed(0, 0, Attach(marked, start_ms, end_ms))
    layers = await read_layers(store, slice_id, (), [placed], wanted)
    if layers is None:
        message = f"a block of {slice_id.text} that an import has attached is being moved"
        raise Unavailable(message)
    return merge.state(layers)


_EVERY_CELL: Final = 0
"""In what is lacking: the rows of which the later version has nothing."""


def _lacking(wrote: Columns, given: Columns, kind: RowKind) -> dict[int, Bools]:
    """Tell by variable in which rows of the earlier version the later one gives nothing."""
    there = np.isin(wrote.time_ms, given.time_ms)
    if kind is RowKind.WHOLE:
        return {_EVERY_CELL: ~there} | dict.fromkeys(wrote.cells, ~there)
    cells = _at(given, wrote.time_ms)
    return {
        variable: _present(column, wrote.rows) & ~_present(cells.get(variable), wrote.rows)
        for variable, column in wrote.cells.items()
    }


def _undone(wrote: Columns, stands: Columns, before: Columns, lacking: dict[int, Bools]) -> Columns:
    """Give rows to merge into what stands: values that come back, and removals."""
    times, count = wrote.time_ms, wrote.rows
    now, back = _at(stands, times), _at(before, times)
    nowhere = np.zeros(count, np.bool_)
    touched = np.zeros(count, np.bool_)
    cells: dict[int, Column] = {}
    for variable in sorted(wrote.cells.keys() | back.keys()):
        own = wrote.cells.get(variable)
        mine = lacking.get(variable, lacking.get(_EVERY_CELL, nowhere))
        mine = mine & _equal(own, now.get(variable), count)
        returns = mine & _present(back.get(variable), count)
        goes = mine & _present(own, count) & ~returns
        source = back.get(variable) or own
        if source is not None and (returns | goes).any():
            cells[variable] = Column(source.values, returns, goes, source.quality)
            touched |= returns | goes
    rows = np.flatnonzero(touched)
    return merge.fold([Columns(times, cells, np.ones(count, np.bool_)).take(rows)])


def _at(columns: Columns, times: Ints) -> dict[int, Column]:
    """Give the cells of certain times, in their order; where there is no row nothing is present."""
    if not columns.rows:
        return {}
    rows = np.minimum(np.searchsorted(columns.time_ms, times), columns.rows - 1)
    there = columns.time_ms[rows] == times
    taken = {variable: column.take(rows) for variable, column in columns.cells.items()}
    return {
        variable: Column(column.values, there & _present(column, len(times)), None, column.quality)
        for variable, column in taken.items()
    }


def _present(column: Column | None, count: int) -> Bools:
    if column is None:
        return np.zeros(count, np.bool_)
    return np.ones(count, np.bool_) if column.present is None else column.present


def _equal(one: Column | None, other: Column | None, count: int) -> Bools:
    """Tell in which rows two columns say the same: the same value with the same code, or nothing."""
    here, there = _present(one, count), _present(other, count)
    equal: Bools = here == there
    both = np.flatnonzero(here & there)
    if one is not None and other is not None and len(both):
        equal[both] = _same_values(one.values, other.values, both) & (
            _codes(one, count)[both] == _codes(other, count)[both]
        )
    return equal


def _same_values(one: Values, other: Values, rows: Ints) -> Bools:
    if isinstance(one, Texts) or isinstance(other, Texts):
        if not (isinstance(one, Texts) and isinstance(other, Texts)):
            return np.zeros(len(rows), np.bool_)
        pairs = zip(one.take(rows).to_list(), other.take(rows).to_list(), strict=True)
        return np.array([left == right for left, right in pairs], np.bool_)
    same: Bools = one[rows] == other[rows]
    return same


def _codes(column: Column, count: int) -> Ints:
    return np.full(count, NO_QUALITY) if column.quality is None else column.quality

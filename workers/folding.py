"""Entries of one turn → deltas: what a writer computes between reading the stream and writing the store.

Pure. A delta folds all entries of its series between its first and last position, none left out; it
is cut between entries: before and after a clear or an attach, at slice borders and at 1 MiB (design 4.5).
An entry that fails by its own fault is set aside at first sight, and its position counts as applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from schemas.changes import Attach, Change, Clear, Undo, Upsert
from schemas.column_codec import stack_rows
from schemas.errors import Corrupt
from schemas.ids import Erased, SeriesId
from storage import merge
from storage.deltas import DELTA_RAW_BYTES_MAX, encode_delta
from storage.heads import decode_refs, encode_refs
from storage.port import Delta, SliceId
from storage.slices import FIRST_PLAN, SlicePlan, slice_range, split_by_slice, width_at
from storage.spans import Placed
from streams.entries import EntryKind, OpenedEntry, decode_content, erased_by, open_entry
from streams.port import Entry

_Opened = tuple[Entry, OpenedEntry]


@dataclass(slots=True)
class Folded:
    """What one shard's entries come to."""

    deltas: list[Delta] = field(default_factory=list)
    slices: dict[SliceId, tuple[int, int]] = field(default_factory=dict)
    """Touched slices, with the numbers of deltas and rows laid on each."""
    plans: Mapping[SeriesId, SlicePlan] = field(default_factory=dict)
    """Slice plans of the series that have more than the first version."""
    widths: dict[SliceId, int] = field(default_factory=dict)
    """Of touched slices that are not as wide as the first version says."""
    changes: dict[SeriesId, list[Placed]] = field(default_factory=dict)
    """The folded runs of each series in order, for the latest cache."""
    failed: list[tuple[int, bytes, str]] = field(default_factory=list)
    """(position, body, reason) of entries that do not decode."""
    erased: set[Erased] = field(default_factory=set)
    """What entries of the turn order to be erased (design 4.16)."""
    judged: Mapping[int, Attach | str] = field(default_factory=dict)
    """By position of an undo: what it attaches, or why it does not; of an attach: why not (design 4.14)."""


def grouped(entries: Sequence[Entry], folded: Folded) -> dict[SeriesId, list[Placed]]:
    """Decode entries and group them by series, each in position order; failures go to `folded`."""
    opened: dict[SeriesId, list[_Opened]] = {}
    for entry in entries:
        try:
            found = open_entry(entry.body)
        except Corrupt as broken:
            folded.failed.append((entry.position, entry.body, broken.message))
            continue
        if found.kind == EntryKind.ERASE:
            folded.erased.add(erased_by(found))
            continue
        opened.setdefault(found.series, []).append((entry, found))
    groups = _stacked(opened)
    for series, each in opened.items():
        if series not in groups:
            groups[series] = _decoded(each, folded)
    return groups


def _decoded(each: Sequence[_Opened], folded: Folded) -> list[Placed]:
    """Decode the entries of a series one by one."""
    changes = []
    for entry, found in each:
        try:
            change = decode_content(found)
            if isinstance(change, Undo):
                change = _undone(folded, entry.position)
            elif isinstance(change, Attach):
                decode_refs(change.blocks)
                _demand_sound(folded, entry.position)
            changes.append(Placed(entry.position, entry.position, change))
        except Corrupt as broken:
            folded.failed.append((entry.position, entry.body, broken.message))
    return changes


def _undone(folded: Folded, position: int) -> Attach:
    """Give what an undo brings back; Corrupt where it brings nothing."""
    judged = folded.judged.get(position, "what it belongs to is erased")
    if isinstance(judged, str):
        raise Corrupt(f"not undone: {judged}")
    return judged


def _demand_sound(folded: Folded, position: int) -> None:
    """Raise Corrupt where blocks that an entry attaches are not there: nobody could read them."""
    judged = folded.judged.get(position)
    if isinstance(judged, str):
        raise Corrupt(f"not attached: {judged}")


def _stacked(opened: Mapping[SeriesId, Sequence[_Opened]]) -> dict[SeriesId, list[Placed]]:
    """Decode series of single records together, as many as have the same columns; others are left out."""
    layouts: dict[tuple[int, bytes], list[SeriesId]] = {}
    for series, each in opened.items():
        layout = _layout(each[0][1])
        if layout is not None and all(_layout(found) == layout for _, found in each[1:]):
            layouts.setdefault(layout, []).append(series)
    groups: dict[SeriesId, list[Placed]] = {}
    for alike in layouts.values():
        rows = stack_rows([found.content for series in alike for _, found in opened[series]])
        if rows is None:
            continue
        start = 0
        for series in alike:
            each = opened[series]
            groups[series] = [
                Placed(run[0][0].position, run[-1][0].position, Upsert(rows.part(first, first + len(run))))
                for first, run in _delta_runs(each, start)
            ]
            start += len(each)
    return groups


def _delta_runs(each: Sequence[_Opened], start: int) -> Iterator[tuple[int, Sequence[_Opened]]]:
    """Cut a series' single records where a delta would grow beyond its size; gives (first row, run)."""
    rows = max(1, DELTA_RAW_BYTES_MAX // len(each[0][1].content))
    for first in range(0, len(each), rows):
        yield start + first, each[first : first + rows]


_ONE_ROW = (1).to_bytes(4, "little")


def _layout(found: OpenedEntry) -> tuple[int, bytes] | None:
    """Name what entries must share to be decoded together: one row, size and columns."""
    if found.kind != EntryKind.UPSERT or found.content[4:8] != _ONE_ROW:
        return None
    return len(found.content), bytes(found.content[:4])


def has_clear(changes: Sequence[Placed]) -> bool:
    """Tell whether folding these changes needs the slices that the series has in the store."""
    return any(
        isinstance(placed.change, Clear) or (isinstance(placed.change, Attach) and placed.change.clears)
        for placed in changes
    )


def fold_series(
    series: SeriesId, changes: Sequence[Placed], listed: AbstractSet[int], folded: Folded
) -> None:
    """Fold one series' changes of a turn; `listed` are its slices in the store (needed for clears only)."""
    known = set(listed)
    plan = folded.plans.get(series, FIRST_PLAN)
    for placed in _runs(changes):
        folded.changes.setdefault(series, []).append(placed)
        for start, change, rows in _by_slice(series, placed, known, plan):
            known.add(start)
            slice_id = SliceId(series, start)
            if plan:
                folded.widths[slice_id] = width_at(plan, start + 1)
            deltas, before = folded.slices.get(slice_id, (0, 0))
            folded.slices[slice_id] = deltas + 1, before + rows
            folded.deltas.append(Delta(slice_id, placed.first, placed.last, encode_delta(change)))


def _runs(changes: Sequence[Placed]) -> Iterator[Placed]:
    """Join neighbouring upserts up to the size of a delta; clears and attaches stand alone."""
    run: list[Placed] = []
    size = 0
    for placed in changes:
        grows = placed.change.columns.raw_bytes if isinstance(placed.change, Upsert) else 0
        if run and (not isinstance(placed.change, Upsert) or size + grows > DELTA_RAW_BYTES_MAX):
            yield _folded_run(run)
            run, size = [], 0
        if isinstance(placed.change, Upsert):
            run.append(placed)
            size += grows
        else:
            yield placed
    if run:
        yield _folded_run(run)


def _folded_run(run: Sequence[Placed]) -> Placed:
    columns = [placed.change.columns for placed in run if isinstance(placed.change, Upsert)]
    return Placed(run[0].first, run[-1].last, Upsert(merge.fold(columns)))


def _by_slice(
    series: SeriesId, placed: Placed, known: AbstractSet[int], plan: SlicePlan
) -> Iterator[tuple[int, Change, int]]:
    change = placed.change
    if isinstance(change, Upsert):
        if change.columns.rows:
            for start, columns in split_by_slice(series, change.columns, plan):
                yield start, Upsert(columns), columns.rows
    elif isinstance(change, Clear):
        for start in _touched(known, plan, change):
            yield start, change, 0
    else:
        refs = decode_refs(change.blocks)
        starts = {ref.slice_start_ms for ref in refs}
        if change.clears:
            starts.update(_touched(known, plan, change))
        for start in sorted(starts):
            inside = tuple(ref for ref in refs if ref.slice_start_ms == start)
            part = Attach(encode_refs(inside), change.start_ms, change.end_ms, change.clears)
            yield start, part, sum(ref.rows for ref in inside)


def _touched(known: AbstractSet[int], plan: SlicePlan, span: Clear | Attach) -> Iterator[int]:
    """Give the slices that have times in a range, ascending."""
    for start in sorted(known):
        first, end = slice_range(start, width_at(plan, start + 1))
        if first < span.end_ms and end > span.start_ms:
            yield start

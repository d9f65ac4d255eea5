"""Entries → notices: what each subscription is told of what a turn has stored (MS-84).

Pure. Entries of one series that follow one another become one notice; a deletion and an import stand alone,
as they do among deltas. Of a subscription the notices are ordered by their first entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
import numpy as np

from schemas import thresholds
from schemas.aspects import AspectType
from schemas.changes import Attach, Clear, Undo, Upsert
from schemas.columns import Bools, Columns, Ints
from schemas.ids import SeriesId
from schemas.limits import NOTICE_BYTES_MAX, NOTICE_RECORDS_MAX, TIME_MS_MAX, TIME_MS_MIN
from schemas.notices import DataNotice, Digest, encode_notice
from schemas.queries import Part
from schemas.render import render_records
from schemas.shares import Spans
from schemas.subscriptions import VALUES, Filter, Subscription
from schemas.thresholds import Side
from schemas.times import format_time
from storage import merge
from storage.heads import decode_refs
from storage.spans import Placed
from streams.entries import EntryKind, decode_content, open_entry
from streams.notice_port import LogId
from streams.port import Entry
from workers.interest import NamedAspect

_side = msgspec.json.Decoder(Side)

_UNDO = bytes([EntryKind.UNDO])
"""The second byte of such an entry."""


class Piece(NamedTuple):
    """What one notice of a series is about."""

    first: int
    """Position of its first entry …"""
    last: int
    """… and of its last."""
    change: Columns | Clear | Attach


@dataclass(slots=True)
class Made:
    """What is kept of one pass over a shard."""

    notices: dict[LogId, list[tuple[int, bytes]]] = field(default_factory=dict)
    """By log, with the position of the first entry each is about."""
    remembered: dict[LogId, dict[str, bytes]] = field(default_factory=dict)
    digests: dict[LogId, set[str]] = field(default_factory=dict)
    """Aspect types with new data."""

    def bodies(self) -> dict[LogId, list[bytes]]:
        """Give the notices of each log in their order."""
        made = {log: [body for _, body in sorted(each)] for log, each in self.notices.items()}
        for log, types in self.digests.items():
            made[log] = [encode_notice(Digest(tuple(sorted(types))))]
        return made


@dataclass(slots=True, frozen=True)
class Telling:
    """One series and what is known of it."""

    series: SeriesId
    aspect: NamedAspect | None
    """None: its type is gone, and only what needs no names can be told."""
    pieces: Sequence[Piece]
    giver: str = ""
    """The tenant that shares it with the subscriber; empty: it is the subscriber's own."""

    def as_shared(self, times: Spans) -> Telling:
        """Give what a receiver may know: as if the series had only the records of these times."""
        pieces = [part for piece in self.pieces for part in _within(piece, times)]
        return Telling(self.series, self.aspect, pieces, self.series.tenant)

    def is_wanted(self, chosen: Filter) -> bool:
        """Tell whether the aspect is one of those that a filter names."""
        return not chosen.aspects or (self.aspect is not None and self.aspect.name in chosen.aspects)


def log_of(subscription: Subscription) -> LogId:
    """Name the log of a subscription."""
    return LogId(subscription.tenant, subscription.id)


def undone(entries: Sequence[Entry]) -> dict[int, Attach]:
    """Give by position what undoes of stored entries brought back: a range, and no blocks.

    An undo that brought nothing back was set aside, so it is not among them.
    """
    found = {}
    for entry in entries:
        if entry.body[1:2] == _UNDO:
            change = decode_content(open_entry(entry.body))
            assert isinstance(change, Undo)
            found[entry.position] = Attach(b"", change.start_ms, change.end_ms)
    return found


def pieces_of(changes: Sequence[Placed]) -> list[Piece]:
    """Fold neighbouring upserts of one series into one; what a turn's entries come to for a notice."""
    found: list[Piece] = []
    run: list[Placed] = []
    for placed in changes:
        if isinstance(placed.change, Upsert):
            run.append(placed)
            continue
        found += _folded(run)
        found.append(Piece(placed.first, placed.last, placed.change))
        run = []
    return found + _folded(run)


def _folded(run: Sequence[Placed]) -> list[Piece]:
    if not run:
        return []
    columns = merge.fold([placed.change.columns for placed in run if isinstance(placed.change, Upsert)])
    return [Piece(run[0].first, run[-1].last, columns)]


def _within(piece: Piece, times: Spans) -> Iterator[Piece]:
    """Give what lies in each of these times of what a notice is about.

    Apart, so that a notice is about nothing between them and is judged by one of them (`notices.may_tell`).
    """
    change = piece.change
    for span in times:
        if isinstance(change, Columns):
            rows = np.arange(*np.searchsorted(change.time_ms, span))
            if len(rows):
                yield piece._replace(change=change.take(rows))
            continue
        start_ms, end_ms = max(change.start_ms, span.start_ms), min(change.end_ms, span.end_ms)
        if start_ms < end_ms:
            yield piece._replace(change=msgspec.structs.replace(change, start_ms=start_ms, end_ms=end_ms))


def tell(told: Subscription, telling: Telling, known: Mapping[str, bytes], made: Made) -> None:
    """Make the notices of one subscription about one series; `known` is what is remembered of each series."""
    if not telling.is_wanted(told.filter):
        return
    log = log_of(told)
    pieces = [piece for piece in telling.pieces if piece.last > told.since_us]
    if told.digests:
        if telling.aspect is not None and any(not isinstance(each.change, Clear) for each in pieces):
            made.digests.setdefault(log, set()).add(telling.aspect.type.id)
        return
    name = telling.series.text
    side = _side.decode(known[name]) if name in known else None
    before = side
    for piece in pieces:
        if isinstance(piece.change, Columns):
            notice, side = _written(told, telling, piece.change, side)
        else:
            notice = _other(told, telling, piece.change)
        if notice is not None:
            made.notices.setdefault(log, []).append((piece.first, encode_notice(notice)))
    if side is not None and side != before:
        made.remembered.setdefault(log, {})[name] = msgspec.json.encode(side)


def _notice(telling: Telling, change: str) -> DataNotice:
    aspect = telling.aspect
    named = ("", "") if aspect is None else (aspect.name, "" if telling.giver else aspect.type.id)
    series = telling.series
    return DataNotice(change, series.asset, series.aspect, *named, giver=telling.giver)


def _other(told: Subscription, telling: Telling, change: Clear | Attach) -> DataNotice | None:
    """Tell of a deletion or an import: of all variables, so a filter of these lets it through."""
    if told.filter.threshold is not None:
        return None
    if isinstance(change, Clear) or not change.blocks:
        start, end = _edge(change.start_ms - 1), _edge(change.end_ms - 1)
        notice = _notice(telling, "deleted" if isinstance(change, Clear) else "restored")
        return msgspec.structs.replace(notice, start=start, end=end)
    refs = decode_refs(change.blocks)
    if telling.giver:  # How many of the records lie in the shared times, blocks do not tell.
        edges = [(max(ref.from_ms, change.start_ms), min(ref.to_ms, change.end_ms - 1)) for ref in refs]
        return _imported(telling, [edge for edge in edges if edge[0] <= edge[1]], 0)
    return _imported(telling, [(ref.from_ms, ref.to_ms) for ref in refs], sum(ref.rows for ref in refs))


def _imported(telling: Telling, edges: Sequence[tuple[int, int]], records: int) -> DataNotice | None:
    """Tell of blocks with records from and to these times; records 0: nobody says how many."""
    if not edges:
        return None
    return msgspec.structs.replace(
        _notice(telling, "imported"),
        start=format_time(min(start_ms for start_ms, _ in edges)),
        end=format_time(max(end_ms for _, end_ms in edges)),
        records=records,
    )


def _edge(time_ms: int) -> str:
    """Write the edge of a range; empty where it has none."""
    return format_time(time_ms) if TIME_MS_MIN <= time_ms <= TIME_MS_MAX else ""


def _written(
    told: Subscription, telling: Telling, columns: Columns, side: Side | None
) -> tuple[DataNotice | None, Side | None]:
    """Tell of records, with the side of a threshold after them."""
    chosen = told.filter
    if telling.aspect is None:
        if chosen.variables or chosen.threshold is not None or not columns.rows:
            return None, side
        return _of_rows(_notice(telling, "written"), columns, np.arange(columns.rows)), side
    aspect = telling.aspect.type
    rows = _with_values(columns, aspect, chosen.variables)
    if chosen.threshold is not None:
        fulfilling, side = _fulfilling(columns, aspect, chosen.threshold, side)
        rows = np.intersect1d(rows, fulfilling)
    if not len(rows):
        return None, side
    notice = _of_rows(_notice(telling, "written"), columns, rows)
    variables = tuple(_shown(columns, aspect, chosen.variables, rows))
    notice = msgspec.structs.replace(notice, variables=variables)
    return _with_records(notice, columns, aspect, rows) if told.payload == VALUES else notice, side


def _of_rows(notice: DataNotice, columns: Columns, rows: Ints) -> DataNotice:
    first, last = columns.time_ms[rows[0]], columns.time_ms[rows[-1]]
    start, end = format_time(int(first)), format_time(int(last))
    return msgspec.structs.replace(notice, start=start, end=end, records=len(rows))


def _with_values(columns: Columns, aspect: AspectType, wanted: Sequence[str]) -> Ints:
    """Give the rows that have a value of one of these variables; none named: all rows."""
    if not wanted:
        return np.arange(columns.rows)
    there: Bools = np.zeros(columns.rows, np.bool_)
    for variable in aspect.variables:
        column = columns.cells.get(variable.id)
        if column is not None and variable.name in wanted:
            there |= True if column.present is None else column.present
    return np.flatnonzero(there)


def _fulfilling(
    columns: Columns, aspect: AspectType, threshold: thresholds.Threshold, side: Side | None
) -> tuple[Ints, Side | None]:
    variable = aspect.variable(threshold.variable)
    column = None if variable is None else columns.cells.get(variable.id)
    if column is None:
        return np.zeros(0, np.int64), side
    counts, fulfilled = thresholds.usable(column, columns.rows), thresholds.met(column, threshold)
    if threshold.on == thresholds.EACH:
        return np.flatnonzero(counts & fulfilled), side
    return thresholds.crossings(columns.time_ms, counts, fulfilled, side)


def _shown(columns: Columns, aspect: AspectType, wanted: Sequence[str], rows: Ints) -> Iterator[str]:
    for variable in aspect.variables:
        column = columns.cells.get(variable.id)
        if column is None or (wanted and variable.name not in wanted):
            continue
        if column.present is None or column.present[rows].any():
            yield variable.name


NO_RECORDS: Final = msgspec.Raw(b"[]")


def _with_records(notice: DataNotice, columns: Columns, aspect: AspectType, rows: Ints) -> DataNotice:
    """Add the records themselves, as many as there is room for."""
    parts = tuple(
        Part(variable.id, values=True, codes=True)
        for variable in aspect.variables
        if variable.name in notice.variables
    )
    written = rows[:NOTICE_RECORDS_MAX]
    while len(written):
        body = render_records(columns.take(written), aspect, parts)
        if len(body) <= NOTICE_BYTES_MAX:
            truncated = len(written) < len(rows)
            return msgspec.structs.replace(notice, values=msgspec.Raw(body), truncated=truncated)
        written = written[: len(written) // 2]
    return msgspec.structs.replace(notice, values=NO_RECORDS, truncated=True)

"""Tables → the items of an answer as JSON: one an interval, one member a variable (wire 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from schemas.columns import Ints
from schemas.functions import COUNTING, TIMES, Table
from schemas.screen import Points
from schemas.times import format_time, format_times

_PIECE_INTERVALS = 1_024
"""Written at once: some 2 MB of objects a variable at most."""


class Named(NamedTuple):
    """A table and what the answer calls it."""

    name: str
    table: Table
    counts_alone: bool
    """Say counts of an interval with nothing but bad values, too (design 8.27)."""


def render_items(tables: Sequence[Named], borders_ms: Ints) -> bytes:
    """Write the intervals of which something is said as a JSON array, ascending; variables as given.

    Numbers that are not finite are null. Piece by piece, so that an answer is never there as objects.
    """
    kept = [(named, np.flatnonzero(named.table.usable | named.counts_alone)) for named in tables]
    groups = np.unique(np.concatenate([np.zeros(0, np.int64), *(n.table.groups[rows] for n, rows in kept)]))
    pieces = []
    for start in range(0, len(groups), _PIECE_INTERVALS):
        items = _items(kept, groups[start : start + _PIECE_INTERVALS], borders_ms)
        if items:
            pieces.append(msgspec.json.encode(items)[1:-1])
    return b"[%b]" % b",".join(pieces)


def _items(kept: Sequence[tuple[Named, Ints]], groups: Ints, borders_ms: Ints) -> list[dict[str, Any]]:
    edges = zip(format_times(borders_ms[groups]), format_times(borders_ms[groups + 1]), strict=True)
    items: list[dict[str, Any]] = [{"starttime": start, "endtime": end} for start, end in edges]
    for named, rows in kept:
        numbers = named.table.groups[rows]
        first, last = np.searchsorted(numbers, (groups[0], groups[-1] + 1)).tolist()
        places = np.searchsorted(groups, numbers[first:last])
        for place, member in zip(places.tolist(), _members(named.table, rows[first:last]), strict=True):
            if member:
                items[place][named.name] = member
    return [item for item in items if len(item) > 2]


def _members(table: Table, rows: Ints) -> list[dict[str, Any]]:
    """Write the functions of these rows; of one with bad values only what can be said of it."""
    names = list(table.columns)
    columns = [_written(name, column[rows]) for name, column in table.columns.items()]
    members = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    for place in np.flatnonzero(~table.usable[rows]).tolist():
        members[place] = {name: value for name, value in members[place].items() if name in COUNTING}
    return members


def _written(name: str, column: Any) -> list[Any]:
    if name not in TIMES:
        values: list[Any] = column.tolist()
        return values
    if column.dtype.kind == "i":
        return list(format_times(column))
    return [None if time_ms is None else format_time(time_ms) for time_ms in column.tolist()]


def render_points(points: Mapping[str, Points]) -> bytes:
    """Write the points of each variable as a JSON object."""
    return msgspec.json.encode({name: _records(found) for name, found in points.items()})


def _records(points: Points) -> list[dict[str, Any]]:
    pairs = zip(format_times(points.time_ms), points.values.tolist(), strict=True)
    return [{"_time": time, "value": value} for time, value in pairs]

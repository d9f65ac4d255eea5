"""Tables → the items of an answer as JSON: one an interval, one member a variable (wire 2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

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
    kept = [(named, (named.table.usable | named.counts_alone).nonzero()[0]) for named in tables]
    groups = np.unique(np.concatenate([np.zeros(0, np.int64), *(n.table.groups[rows] for n, rows in kept)]))
    pieces = []
    for start in range(0, len(groups), _PIECE_INTERVALS):
        items = _items(kept, groups[start : start + _PIECE_INTERVALS], borders_ms)
        if items:
            pieces.append(msgspec.json.encode(items)[1:-1])
    return b"[%b]" % b",".join(pieces)


def _items(kept: Sequence[tuple[Named, Ints]], groups: Ints, borders_ms: Ints) -> list[dict[str, Any]]:
    found = []
    for named, rows in kept:
        first, last = named.table.groups[rows].searchsorted((groups[0], groups[-1] + 1)).tolist()
        found.append((named, rows[first:last]))
    texts = _texts_of([borders_ms[groups], borders_ms[groups + 1], *_times_in(found)])
    edges = zip(next(texts), next(texts), strict=True)
    items: list[dict[str, Any]] = [{"starttime": start, "endtime": end} for start, end in edges]
    for named, rows in found:
        places = groups.searchsorted(named.table.groups[rows]).tolist()
        for place, member in zip(places, _members(named.table, rows, texts), strict=True):
            if member:
                items[place][named.name] = member
    return [item for item in items if len(item) > 2]


def _times_in(found: Sequence[tuple[Named, Ints]]) -> Iterator[Ints]:
    """Give the columns of times, in the order in which they are written."""
    for named, rows in found:
        for name, column in named.table.columns.items():
            if _is_time(name, column):
                yield column[rows]


def _is_time(name: str, column: NDArray[Any]) -> bool:
    return name in TIMES and column.dtype.kind == "i"


def _texts_of(columns: Sequence[Ints]) -> Iterator[list[str]]:
    """Write columns of times, all in one go: most are short, and a call costs more than a text."""
    texts = format_times(np.concatenate(columns))
    start = 0
    for column in columns:
        yield texts[start : start + len(column)]
        start += len(column)


def _members(table: Table, rows: Ints, texts: Iterator[list[str]]) -> list[dict[str, Any]]:
    """Write the functions of these rows; of one with bad values only what can be said of it."""
    names = list(table.columns)
    columns = [
        next(texts) if _is_time(name, column) else _written(name, column[rows])
        for name, column in table.columns.items()
    ]
    members = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    for place in (~table.usable[rows]).nonzero()[0].tolist():
        members[place] = {name: value for name, value in members[place].items() if name in COUNTING}
    return members


def _written(name: str, column: NDArray[Any]) -> list[Any]:
    values: list[Any] = column.tolist()
    if name not in TIMES:
        return values
    return [None if time_ms is None else format_time(time_ms) for time_ms in values]


def render_points(points: Mapping[str, Points]) -> bytes:
    """Write the points of each variable as a JSON object."""
    return msgspec.json.encode({name: _records(found) for name, found in points.items()})


def _records(points: Points) -> list[dict[str, Any]]:
    pairs = zip(format_times(points.time_ms), points.values.tolist(), strict=True)
    return [{"_time": time, "value": value} for time, value in pairs]

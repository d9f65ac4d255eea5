"""What a read wants and where it lies: changes in their place, slices of a series and the gaps between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np

from schemas.changes import Attach, Change, Upsert
from schemas.columns import Ints
from schemas.ids import SeriesId
from storage.heads import END_MS, NO_TIME_MS, decode_refs
from storage.port import SliceId
from storage.slices import slice_range


class Placed(msgspec.Struct, frozen=True, gc=False):
    """A change with its place in the order: a stored delta, or an unapplied entry (first = last)."""

    first: int
    last: int
    change: Change


@dataclass(slots=True, frozen=True)
class Wanted:
    """What to read: start_ms ≤ time < end_ms, some variables (None: all), rows to collect."""

    start_ms: int
    end_ms: int
    variables: frozenset[int] | None = None
    rows: int | None = None
    """Stop once this many rows with a value were found; None: all."""
    descending: bool = False
    """Begin with the newest; the answer ascends all the same."""


EVERYTHING = Wanted(NO_TIME_MS, END_MS)
"""All rows of a slice with all variables."""


class Span(NamedTuple):
    """Times start_ms ≤ t < end_ms of one slice, or between slices."""

    slice: SliceId | None
    """None: the store has no slice there, only the tail can know anything."""
    start_ms: int
    end_ms: int


def spans_of(
    series: SeriesId, listed: Mapping[int, int], tail: Sequence[Placed], wanted: Wanted
) -> list[Span]:
    """Divide a range into slices of the store and gaps that the tail has rows in, ascending.

    Slices are disjoint (design 4.8), so what lies in a gap is in no slice that was listed when the tail was
    fetched: all that is acknowledged of it is in the tail, whatever its slice will be.
    """
    found: list[Span] = []
    times = times_of(tail) if tail else None
    before = NO_TIME_MS
    for start, width in listed.items():
        first, end = slice_range(start, width)
        found += _gap(before, first, times)
        found.append(Span(SliceId(series, start), first, end))
        before = end
    found += _gap(before, END_MS, times)
    cut = (
        span._replace(start_ms=max(span.start_ms, wanted.start_ms), end_ms=min(span.end_ms, wanted.end_ms))
        for span in found
    )
    return [span for span in cut if span.start_ms < span.end_ms]


def _gap(start_ms: int, end_ms: int, times: Ints | None) -> list[Span]:
    if times is None or start_ms >= end_ms or not ((times >= start_ms) & (times < end_ms)).any():
        return []
    return [Span(None, start_ms, end_ms)]


def times_of(tail: Iterable[Placed]) -> Ints:
    """Give the times of rows of changes; of attached blocks, the first and the last."""
    found: list[Ints] = []
    for placed in tail:
        change = placed.change
        if isinstance(change, Upsert):
            found.append(change.columns.time_ms)
        elif isinstance(change, Attach):
            refs = decode_refs(change.blocks)
            found.append(np.array([time_ms for ref in refs for time_ms in (ref.from_ms, ref.to_ms)], "<i8"))
    return np.concatenate(found) if found else np.zeros(0, "<i8")

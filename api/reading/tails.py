"""The unapplied tail of a series: what makes a read contain everything acknowledged before it (design 4.17).

Fetched in one call before anything else of a read. Where the tail cannot be had (stream down, a chain
too long or broken, an undo in it, of which only the writer can tell what it comes to) a plain read answers
from the store and says how far that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from schemas.changes import Change, Undo, Upsert
from schemas.errors import Corrupt, StreamUnavailable
from schemas.ids import SeriesId
from schemas.latest import Latest, advanced, decode_latest
from storage import merge
from storage.spans import Placed
from streams.entries import decode_content, open_entry
from streams.port import Entry, RecordStream

log = structlog.get_logger("tails")


@dataclass(slots=True, frozen=True)
class FreshTail:
    """A tail, decoded."""

    applied: int | None
    """The shard's applied position; None where the stream did not answer."""
    changes: Sequence[Placed] = ()
    complete: bool = False
    """True: with `changes` on top, the store's state is everything acknowledged."""
    latest: Latest | None = None
    """The newest values including `changes`; None where only the store can tell."""


async def fetch_tail(stream: RecordStream, shard: int, series: SeriesId) -> FreshTail:
    """Fetch and decode the tail of a series; never raises for a stream that is down."""
    try:
        tail = await stream.read_tail(shard, series)
    except StreamUnavailable as error:
        log.warning("tail_unavailable", reason=error.message)
        return FreshTail(None)
    if tail.chain is None:
        return FreshTail(tail.applied)
    changes: list[Placed] = []
    for entry in tail.chain:
        change = decoded(entry)
        if isinstance(change, Undo):
            return FreshTail(tail.applied)
        if change is not None:
            changes.append(Placed(entry.position, entry.position, change))
    latest = None if tail.latest is None else decode_latest(tail.latest)
    for placed in changes:
        latest = advanced(latest, _folded(placed.change), placed.last)
    return FreshTail(tail.applied, changes, complete=True, latest=latest)


def decoded(entry: Entry) -> Change | Undo | None:
    """Decode an entry; None for one that the writer would set aside, which counts for nothing here too."""
    try:
        return decode_content(open_entry(entry.body))
    except Corrupt as broken:
        log.warning("tail_entry_skipped", position=entry.position, reason=broken.message)
        return None


def _folded(change: Change) -> Change:
    return Upsert(merge.fold([change.columns])) if isinstance(change, Upsert) else change

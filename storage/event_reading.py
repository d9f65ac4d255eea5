"""Events as rows and as documents, and the walk over those that a filter may want: for doors and jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from schemas.event_filters import EventFilter
from schemas.events import Event, document_of
from schemas.limits import TIME_MS_MAX
from storage.event_port import EventRow, EventSpan, EventStore

READ_ROWS: Final = 500
"""Events a read: a third of a megabyte as people write them, and some milliseconds of a predicate's time."""


def row_of(tenant: str, event_id: str, event: Event) -> EventRow:
    """Make the row of a new event."""
    return EventRow(tenant, event.entity_id, event.time_ms, event_id, event.type_id, 0, body_of(event))


def body_of(event: Event) -> bytes:
    """Write what of an event the store does not look into."""
    return msgspec.json.encode([event.correlation_id, event.members])


def event_of(row: EventRow, body: bytes | None = None) -> Event:
    """Read the event of a row; with an earlier body, as it was then."""
    kept = row.body if body is None else body
    correlation_id, members = msgspec.json.decode(kept, type=tuple[str, dict[str, object]])
    return Event(row.entity, row.time_ms, row.type, correlation_id, members)


def passes(row: EventRow, wanted: EventFilter) -> bool:
    """Tell whether an event that `walk` gave is wanted; its body is read only where that decides."""
    return wanted.test is None or wanted.passes(document_of(event_of(row), row.id))


async def walk(store: EventStore, tenant: str, wanted: EventFilter) -> AsyncIterator[list[EventRow]]:
    """Read the events of a tenant that a filter's place, time and ids leave, the newest first, by pages.

    What else it demands, `passes` tells.
    """
    start_ms = 0 if wanted.start_ms is None else wanted.start_ms
    end_ms = TIME_MS_MAX + 1 if wanted.end_ms is None else wanted.end_ms
    if wanted.ids is not None:
        found = await asyncio.gather(*(store.get(tenant, event_id) for event_id in sorted(wanted.ids)))
        rows = [row for row in found if row is not None and start_ms <= row.time_ms < end_ms]
        rows = [row for row in rows if wanted.entity in {None, row.entity}]
        yield sorted(rows, key=lambda row: (row.time_ms, row.id), reverse=True)
        return
    span = EventSpan(tenant, wanted.entity, start_ms, end_ms)
    while page := await store.read(span, READ_ROWS):
        yield page
        if len(page) < READ_ROWS:
            return
        span = span.behind(page[-1])

"""The jobs of events: create what a door has checked, delete what a filter wants (wire 9).

Either may run twice: an event that was created has its id from the door, and one that is deleted is gone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping

import msgspec
import structlog

from schemas.event_filters import parse_event_filter
from schemas.jobs import CREATE_EVENTS, DELETE_EVENTS, CreateEvents, DeleteEvents
from storage.event_port import EventRow, EventStore
from storage.event_reading import passes, walk
from streams.job_port import JobFunction

log = structlog.get_logger("jobs")

Counts = dict[str, int]


def functions(open_events: Callable[[], Awaitable[EventStore]]) -> dict[str, JobFunction]:
    """Give the jobs of events by their names; each opens, in its own process, the store that it works on."""

    async def on_store(act: Callable[[EventStore], Coroutine[None, None, Counts]]) -> Counts:
        store = await open_events()
        try:
            return await act(store)
        finally:
            await store.close()

    def create(arguments: Mapping[str, object]) -> object:
        told = msgspec.convert(dict(arguments), CreateEvents)
        return asyncio.run(on_store(lambda store: create_events(store, told)))

    def delete(arguments: Mapping[str, object]) -> object:
        told = msgspec.convert(dict(arguments), DeleteEvents)
        return asyncio.run(on_store(lambda store: delete_events(store, told)))

    return {CREATE_EVENTS: create, DELETE_EVENTS: delete}


async def create_events(store: EventStore, told: CreateEvents) -> Counts:
    """Create the events of a job; those that an earlier try has created stand, and count as well."""
    rows = [
        EventRow(told.tenant, new.entity, new.time_ms, new.id, new.type, 0, new.body.encode())
        for new in told.events
    ]
    await asyncio.gather(*map(store.create, rows))
    log.info("events_created", tenant=told.tenant, created=len(rows))
    return {"created": len(rows)}


async def delete_events(store: EventStore, told: DeleteEvents) -> Counts:
    """Delete what a filter wants, of all times unless it names one, the newest first.

    Events that come meanwhile, newer than those already passed, stay. One that is changed between reading and
    deleting is looked at once more, as it is then.
    """
    wanted = parse_event_filter(json.loads(told.filter))
    deleted = 0
    async for page in walk(store, told.tenant, wanted):
        rows = [row for row in page if passes(row, wanted)]
        gone = await asyncio.gather(*map(store.remove, rows))
        deleted += sum(gone)
        for row in (row for row, is_gone in zip(rows, gone, strict=True) if not is_gone):
            present = await store.get(row.tenant, row.id)
            deleted += present is not None and passes(present, wanted) and await store.remove(present)
    log.info("events_deleted", tenant=told.tenant, deleted=deleted)
    return {"deleted": deleted}

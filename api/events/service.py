"""Events of a tenant: what a request must satisfy beside the pure rules, and lists over the store (wire 9).

A list reads the newest events of its range, `EVENTS_READ_MAX` at most, so its work is bounded however many a
tenant has; where that was not all, the answer says so.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from api.events.reach import EventReach, EventSource
from api.events.types import EventTypes
from api.http.hal import Wanted
from api.identity.tokens import Identity
from api.shares.access import Access
from runtime.ports import Ports
from schemas import codes
from schemas.durations import DAY_MS
from schemas.errors import Conflict, Invalid, NotFound, PreconditionFailed, Problem, Unavailable
from schemas.event_filters import EventFilter, parse_event_sort
from schemas.events import (
    EVENTS_PER_JOB_MAX,
    Event,
    check_event_change,
    document_of,
    fitted,
    is_event_id,
    read_event,
)
from schemas.ids import TenantId
from storage.event_port import EventRow, EventStore
from storage.event_reading import body_of, event_of, row_of, walk

EVENTS_READ_MAX: Final = 10_000
"""Read for one list: a fifth of a second of the door's time in the worst case, 10 MB."""

RECENT_MS: Final = 7 * DAY_MS
"""How far a list looks back that says nothing of time (wire 9)."""

_NO_EVENT: Final = "There is no such event."
_STALE: Final = "The etag is not that of the present version; read it again."


class Version(NamedTuple):
    """An event, or one of its earlier versions, on its way out."""

    row: EventRow
    number: int


class Found(NamedTuple):
    """What a list came to."""

    page: list[dict[str, Any]]
    """Documents, without what a resource has beside them."""
    total: int
    complete: bool
    """False: the range has more events than were read."""


class EventService:
    """Events of one installation."""

    def __init__(self, ports: Ports, access: Access, caller: Identity) -> None:
        """Take the ports, and who reaches which assets; Unavailable where no store of events is."""
        if ports.events is None:
            raise Unavailable("This door has no store of events.")
        self._store: EventStore = ports.events
        self._clock = ports.clock
        self._reach = EventReach(access, caller)
        self._types = EventTypes(ports.catalog)

    async def create(self, tenant: TenantId, sent: Mapping[str, object]) -> EventRow:
        """Store a new event; Invalid for what a rule forbids."""
        row, problems = await self._new(tenant, sent)
        if problems:
            raise Invalid(problems)
        if not await self._store.create(row):
            raise Conflict("The id that was drawn is taken; send the event again.")
        return row

    async def create_once(self, tenant: TenantId, sent: Mapping[str, object], event_id: str) -> None:
        """Store an event under an id that follows from what was sent, so that a repeat stores nothing.

        Invalid for what a rule forbids.
        """
        row, problems = await self._new(tenant, sent)
        if problems:
            raise Invalid(problems)
        await self._store.create(msgspec.structs.replace(row, id=event_id))

    async def prepare(self, tenant: TenantId, sent: Sequence[Mapping[str, object]]) -> list[EventRow]:
        """Check the events of a job and give them ids; Invalid with the place of each problem."""
        if not 1 <= len(sent) <= EVENTS_PER_JOB_MAX:
            message = f"A job creates 1 to {EVENTS_PER_JOB_MAX} events."
            raise Invalid([Problem("/events", codes.INVALID_BODY, message)])
        rows, found = [], []
        for place, each in enumerate(sent):
            row, problems = await self._new(tenant, each)
            rows.append(row)
            found += [problem._replace(pointer=f"/events/{place}{problem.pointer}") for problem in problems]
        if found:
            raise Invalid(found)
        return rows

    async def get(self, tenant: TenantId, event_id: str) -> EventRow:
        """Give an own event; NotFound for an unknown and a foreign one alike."""
        row = await self._store.get(tenant, event_id) if is_event_id(event_id) else None
        if row is None or not self._reach.owns(row.entity):
            raise NotFound(_NO_EVENT)
        return row

    async def find(self, tenant: TenantId, event_id: str) -> EventRow:
        """Give an event, own or shared; else NotFound."""
        try:
            return await self.get(tenant, event_id)
        except NotFound:
            for giver in self._reach.givers() if is_event_id(event_id) else ():
                row = await self._store.get(giver, event_id)
                if row is not None and self._reach.is_shared(row):
                    return row
            raise

    async def replace(
        self, tenant: TenantId, event_id: str, sent: Mapping[str, object], built_on: int
    ) -> EventRow:
        """Replace the members of an event; what it was is kept as a version of it.

        Entity, time, type and correlation id stay where they are left out.
        """
        row = await self.get(tenant, event_id)
        if row.version != built_on:
            raise PreconditionFailed(_STALE)
        old = event_of(row)
        bare = document_of(msgspec.structs.replace(old, members={}), row.id)
        new, problems = read_event({**bare, **sent})
        fields = await self._types.fields_of(tenant, row.type) or []
        new, misfits = fitted(new, fields)
        problems += misfits or check_event_change(old, new, fields)
        if problems:
            raise Invalid(problems)
        stored = await self._store.replace(row, body_of(new))
        if stored is None:
            raise PreconditionFailed(_STALE)
        return stored

    async def listed(self, tenant: TenantId, wanted: Wanted, asked: EventFilter, *, history: bool) -> Found:
        """Give a page of the events that a filter wants, with `history` each before its earlier versions.

        Those of a shared asset are listed where the filter names it.
        """
        if not asked.is_timed:
            asked = asked._replace(start_ms=self._clock.now_ms() - RECENT_MS)
        source = self._reach.source(tenant, asked)
        rows, complete = await self._matching(source)
        order = parse_event_sort(wanted.sort)
        if order.by_time:
            rows = rows if order.descending else rows[::-1]
        else:
            documents = {row.id: document_of(event_of(row), row.id) for row in rows}
            rows.sort(key=lambda row: order.key(documents[row.id]), reverse=order.descending)
        versions = [Version(row, row.version) for row in rows]
        if history:
            every = (Version(row, number) for row in rows for number in range(row.version, -1, -1))
            versions = list(itertools.islice(every, EVENTS_READ_MAX))
            complete = complete and next(every, None) is None
        start = wanted.page * wanted.size
        page = await self._documents(versions[start : start + wanted.size])
        return Found(page, len(versions), complete)

    async def _matching(self, source: EventSource) -> tuple[list[EventRow], bool]:
        """Read the events of a filter, the newest first; and whether that is all of them."""
        rows: list[EventRow] = []
        count = 0
        async for page in walk(self._store, source.tenant, source.asked):
            if count + len(page) > EVENTS_READ_MAX:
                rows += [row for row in page[: EVENTS_READ_MAX - count] if source.shows(row)]
                return rows, False
            count += len(page)
            rows += [row for row in page if source.shows(row)]
        return rows, True

    async def _documents(self, versions: Sequence[Version]) -> list[dict[str, Any]]:
        """Write a page; of earlier versions the bodies are read."""
        older = {version.row.id: version.row for version in versions if version.number < version.row.version}
        bodies = dict(
            zip(older, await asyncio.gather(*map(self._store.read_versions, older.values())), strict=True)
        )
        return [
            document(row, row.body if number == row.version else bodies[row.id][number], number)
            for row, number in versions
            if number == row.version or number in bodies[row.id]
        ]

    async def _new(self, tenant: TenantId, sent: Mapping[str, object]) -> tuple[EventRow, list[Problem]]:
        event, problems = read_event(sent)
        fields = await self._types.fields_of(tenant, event.type_id)
        if fields is None:
            problems.append(Problem("/typeId", codes.INVALID_BODY, "There is no such event type."))
        else:
            event, misfits = fitted(event, fields)
            problems += misfits
        if not any(problem.pointer == "/entityId" for problem in problems):
            problems += await self._check_entity(event)
        event = msgspec.structs.replace(event, correlation_id=event.correlation_id or new_id())
        return row_of(tenant, new_id(), event), problems

    async def _check_entity(self, event: Event) -> list[Problem]:
        try:
            await self._reach.demand_own(event.entity_id)
        except NotFound:
            return [Problem("/entityId", codes.INVALID_BODY, "There is no such asset.")]
        return []


def document(row: EventRow, body: bytes, version: int) -> dict[str, Any]:
    """Write a version of an event as it goes out, without links."""
    return {**document_of(event_of(row, body), row.id), "etag": version}


def new_id() -> str:
    """Draw the id of an event or a job: a UUID with dashes (wire 0.4)."""
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))

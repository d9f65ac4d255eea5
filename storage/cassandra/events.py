"""Events in Cassandra: each a row in the partition of its entity and day, and tables that lead there.

What leads to an event is written before it and removed after it, so that only the row of the event says that
there is one (decision 0023). Lists of a tenant take the order from `event_times` and the events from their
own partitions. A day on which nothing happened is not asked for: `event_days` names the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from schemas.durations import DAY_MS
from schemas.limits import TIME_MS_MAX, TIME_MS_MIN
from storage.cassandra.calls import Call
from storage.cassandra.migrate import migrate
from storage.cassandra.outcomes import settled
from storage.cassandra.session import Address, Session
from storage.cassandra.survey import count_left
from storage.event_port import EventRow, EventSpan, EventStore
from storage.recent import Recent
from storage.statements import load

STATEMENTS = load("storage.cassandra", "events.cql")

BODY_PAGE_ROWS = 100
"""Rows with bodies a page, each at most 64 KiB: the server builds a page on its heap."""

DAYS_AT_ONCE = 8
"""Days read side by side: a list without a time filter touches so many."""

DAYS_KEPT = 20_000
"""Entity-days of which a process remembers that it noted them: some 4 MB."""

ALL_ENTITIES = ""
"""The entity under which a tenant's own days are noted."""

ROWS_MAX = 2**31 - 1

ERASE_ROWS = 500
"""Events erased side by side."""

LEADING = {
    "walk_places": "erase_places",
    "walk_times": "erase_times",
    "walk_versions": "drop_versions",
    "walk_days": "erase_days",
}
"""Of each table beside `events`: what lists its partitions, and what deletes one."""

_Found = TypeVar("_Found")


class _Place(NamedTuple):
    """Where an event of a tenant is."""

    time_ms: int
    id: str
    entity: str

    @property
    def day(self) -> int:
        return _day(self.time_ms)


class CassandraEventStore(EventStore):
    """Events of one keyspace."""

    def __init__(self, session: Session) -> None:
        """Take a session whose statements are prepared."""
        self.session = session
        self._noted: Recent[tuple[str, str, int], bool] = Recent(DAYS_KEPT)

    @classmethod
    async def open(cls, address: Address) -> CassandraEventStore:
        """Connect, bring the keyspace to the present schema, prepare; StoreUnavailable if any of it fails."""
        session = await Session.open(address)
        try:
            await migrate(session)
            pages = dict.fromkeys(("read_events", "read_versions"), BODY_PAGE_ROWS)
            await session.prepare(STATEMENTS, pages)
        except BaseException:
            await session.close()
            raise
        return cls(session)

    async def create(self, row: EventRow) -> bool:
        """Store what leads to a new event, then the event; False if it is there."""
        day = _day(row.time_ms)
        days = [(row.tenant, entity, day) for entity in (row.entity, ALL_ENTITIES)]
        unknown = [key for key in days if self._noted.get(key) is None]
        await self._write(
            Call("write_place", [(row.tenant, row.id, row.entity, row.time_ms)]),
            Call("write_time", [(row.tenant, day, row.time_ms, row.id, row.entity)]),
            *(Call("write_day", [key]) for key in unknown),
        )
        for key in unknown:
            self._noted.put(key, True)

        async def swap() -> bool:
            return await self.session.swap("create_event", *_key(row), row.type, row.version, row.body)

        return await self._settled(swap, row)

    async def get(self, tenant: str, event_id: str) -> EventRow | None:
        """Read one event; None where there is none."""
        places = await self.session.rows("read_place", tenant, event_id)
        if not places:
            return None
        entity, time_ms = places[0]
        return await self._read_at(tenant, _Place(time_ms, event_id, entity), serial=False)

    async def read(self, span: EventSpan, limit: int) -> list[EventRow]:
        """Read the newest events of a span, by time and id descending."""
        if span.entity is not None:
            return await self._read_entity(span, span.entity, limit)
        found: list[EventRow] = []
        while len(found) < limit:
            wanted = limit - len(found)
            places = await self._read_places(span, wanted)
            found += await self._read_rows(span.tenant, places)
            if len(places) < wanted:
                break
            span = span._replace(end_ms=places[-1].time_ms, end_id=places[-1].id)
        return found

    async def replace(self, row: EventRow, body: bytes) -> EventRow | None:
        """Keep the present body, then store the next version; None if another was first."""
        await self.session.write("write_version", row.tenant, row.id, row.version, row.body)
        wanted = msgspec.structs.replace(row, version=row.version + 1, body=body)

        async def swap() -> bool:
            return await self.session.swap("replace_event", wanted.version, body, *_key(row), row.version)

        return wanted if await self._settled(swap, wanted) else None

    async def remove(self, row: EventRow) -> bool:
        """Delete an event that was read, then what led to it; False if it is not what stands any more."""

        async def swap() -> bool:
            return await self.session.swap("remove_event", *_key(row), row.version)

        if not await self._settled(swap, row, gone=True):
            return False
        await self._write(
            Call("drop_place", [(row.tenant, row.id)]),
            Call("drop_time", [(row.tenant, _day(row.time_ms), row.time_ms, row.id)]),
            Call("drop_versions", [(row.tenant, row.id)]),
        )
        return True

    async def read_versions(self, row: EventRow) -> dict[int, bytes]:
        """Give the bodies that an event had before it was as it was read, by their versions, ascending."""
        return dict(await self.session.rows("read_versions", row.tenant, row.id, row.version))

    async def erase(self, tenant: str, entity: str | None = None) -> int:
        """Delete all events of a tenant, or of one entity of it, and what leads to them.

        Of an entity by its own list. Of a tenant by walks over the tables, which find what leads nowhere too.
        """
        total = 0
        everything = EventSpan(tenant, entity, TIME_MS_MIN, TIME_MS_MAX + 1)
        while page := await self.read(everything, ERASE_ROWS):
            total += sum(await asyncio.gather(*map(self.remove, page)))
        if entity is not None:
            await self.session.write("erase_days", tenant, entity)
            return total
        for walk, erase in LEADING.items():
            async for found in self.session.pages(walk):
                await self._write(*(Call(erase, [key]) for key in found if key[0] == tenant))
        return total

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count what names a tenant, by table of events."""
        return await count_left(self.session, tenant, lambda table: table.startswith("event"))

    async def close(self) -> None:
        """Close every connection; twice is harmless."""
        await self.session.close()

    async def _write(self, *calls: Call) -> None:
        await self.session.write_all([[call] for call in calls])

    async def _read_entity(self, span: EventSpan, entity: str, limit: int) -> list[EventRow]:
        async def read_day(day: int, count: int) -> list[EventRow]:
            return await self._read_day(span, entity, day, count)

        return await self._by_days(span, entity, limit, read_day)

    async def _read_places(self, span: EventSpan, limit: int) -> list[_Place]:
        """List the newest places of a tenant; some may lead nowhere."""

        async def read_day(day: int, count: int) -> list[_Place]:
            place = (span.start_ms, span.end_ms, span.end_id)
            rows = await self.session.rows("read_times", span.tenant, day, *place, count)
            return [_Place(*row) for row in rows]

        return await self._by_days(span, ALL_ENTITIES, limit, read_day)

    async def _by_days(
        self,
        span: EventSpan,
        entity: str,
        limit: int,
        read_day: Callable[[int, int], Awaitable[list[_Found]]],
    ) -> list[_Found]:
        """Go through the days of a span, the newest first, until there is enough."""
        first, last = _day(span.start_ms), _day(span.end_ms)
        days = [day for (day,) in await self.session.rows("read_days", span.tenant, entity, first, last)]
        found: list[_Found] = []
        for place in range(0, len(days), DAYS_AT_ONCE):
            count = limit - len(found)
            wave = days[place : place + DAYS_AT_ONCE]
            pages = await asyncio.gather(*(read_day(day, count) for day in wave))
            found += [each for page in pages for each in page]
            if len(found) >= limit:
                break
        return found[:limit]

    async def _read_day(self, span: EventSpan, entity: str, day: int, count: int) -> list[EventRow]:
        place = (span.start_ms, span.end_ms, span.end_id)
        rows = await self.session.rows("read_events", span.tenant, entity, day, *place, count)
        return [EventRow(span.tenant, entity, *row) for row in rows]

    async def _read_rows(self, tenant: str, places: Sequence[_Place]) -> list[EventRow]:
        """Read the events at these places, those of an entity and day together; newest first."""
        groups: dict[tuple[str, int], list[_Place]] = {}
        for place in places:
            groups.setdefault((place.entity, place.day), []).append(place)

        async def read_group(entity: str, day: int, members: list[_Place]) -> list[EventRow]:
            if len(members) == 1:
                row = await self._read_at(tenant, members[0], serial=False)
                return [] if row is None else [row]
            span = EventSpan(tenant, entity, members[-1].time_ms, members[0].time_ms + 1)
            wanted = {member.id for member in members}
            return [row for row in await self._read_day(span, entity, day, ROWS_MAX) if row.id in wanted]

        pages = await asyncio.gather(*(read_group(*key, members) for key, members in groups.items()))
        rows = [row for page in pages for row in page]
        rows.sort(key=lambda row: (row.time_ms, row.id), reverse=True)
        return rows

    async def _read_at(self, tenant: str, place: _Place, *, serial: bool) -> EventRow | None:
        key = (tenant, place.entity, place.day, place.time_ms, place.id)
        rows = await self.session.rows("read_event", *key, serial=serial)
        return EventRow(tenant, place.entity, place.time_ms, place.id, *rows[0]) if rows else None

    async def _settled(
        self, swap: Callable[[], Awaitable[bool]], wanted: EventRow, *, gone: bool = False
    ) -> bool:
        async def look() -> EventRow | None:
            place = _Place(wanted.time_ms, wanted.id, wanted.entity)
            return await self._read_at(wanted.tenant, place, serial=True)

        return await settled(swap, look, wanted, "the event was changed", gone=gone)


def _key(row: EventRow) -> tuple[str, str, int, int, str]:
    return row.tenant, row.entity, _day(row.time_ms), row.time_ms, row.id


def _day(time_ms: int) -> int:
    return time_ms // DAY_MS

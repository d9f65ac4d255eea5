"""Events in one SQLite file: a change and the body it replaces are one transaction.

Every process opens the file for writing, as with the catalogue: writers queue at SQLite's lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import msgspec

from storage.event_port import EventRow, EventSpan, EventStore
from storage.sqlite.connection import Database
from storage.sqlite.survey import count_left
from storage.statements import read, texts

SCHEMA = (read("storage.sqlite", "events_schema.sql"),)
"""Step n brings a file from version n to n + 1."""

STATEMENTS = texts("storage.sqlite", "events.sql")


ERASE_ROWS = 1_000
"""Events a transaction: some milliseconds in which other writers wait."""


class SqliteEventStore(EventStore):
    """Events and their earlier versions in one file."""

    def __init__(self, database: Database) -> None:
        """Take the open file."""
        self.database = database

    @classmethod
    async def open(cls, path: Path, *, durable: bool = True) -> SqliteEventStore:
        """Open or make the file; StoreUnavailable if that fails. `durable` False is for control tests."""
        return cls(await Database.open(path, SCHEMA, durable=durable))

    async def create(self, row: EventRow) -> bool:
        """Store a new event at version 0; False if the tenant has one with its id."""

        def job(connection: apsw.Connection) -> bool:
            connection.execute(STATEMENTS["create"], msgspec.structs.astuple(row))
            return connection.changes() == 1

        return await self.database.write(job, swap=True)

    async def get(self, tenant: str, event_id: str) -> EventRow | None:
        """Read one event; None where there is none."""

        def job(connection: apsw.Connection) -> EventRow | None:
            found = connection.execute(STATEMENTS["get"], (tenant, event_id)).fetchone()
            return None if found is None else EventRow(*found)

        return await self.database.read(job)

    async def read(self, span: EventSpan, limit: int) -> list[EventRow]:
        """Read the newest events of a span, by time and id descending."""
        place = (span.start_ms, span.end_ms, span.end_id, limit)

        def job(connection: apsw.Connection) -> list[EventRow]:
            if span.entity is None:
                found = connection.execute(STATEMENTS["read_tenant"], (span.tenant, *place))
            else:
                found = connection.execute(STATEMENTS["read_entity"], (span.tenant, span.entity, *place))
            return [EventRow(*row) for row in found]

        return await self.database.read(job)

    async def replace(self, row: EventRow, body: bytes) -> EventRow | None:
        """Store the next version of an event that was read; None if that is not what stands any more."""

        def job(connection: apsw.Connection) -> bool:
            connection.execute(STATEMENTS["replace"], (row.tenant, row.id, row.version, body))
            if connection.changes() == 0:
                return False
            connection.execute(STATEMENTS["keep_version"], (row.tenant, row.id, row.version, row.body))
            return True

        if not await self.database.write(job, swap=True):
            return None
        return msgspec.structs.replace(row, version=row.version + 1, body=body)

    async def remove(self, row: EventRow) -> bool:
        """Delete an event that was read, with its versions; False if that is not what stands any more."""

        def job(connection: apsw.Connection) -> bool:
            connection.execute(STATEMENTS["remove"], (row.tenant, row.id, row.version))
            if connection.changes() == 0:
                return False
            connection.execute(STATEMENTS["drop_versions"], (row.tenant, row.id))
            return True

        return await self.database.write(job, swap=True)

    async def read_versions(self, row: EventRow) -> dict[int, bytes]:
        """Give the bodies that an event had before it was as it was read, by their versions, ascending."""

        def job(connection: apsw.Connection) -> dict[int, bytes]:
            values = (row.tenant, row.id, row.version)
            rows: Iterator[Any] = connection.execute(STATEMENTS["read_versions"], values)
            return dict(rows)

        return await self.database.read(job)

    async def erase(self, tenant: str, entity: str | None = None) -> int:
        """Delete all events of a tenant, or of one entity of it, with their versions."""
        first, key = ("first_of_all", (tenant,)) if entity is None else ("first_of_entity", (tenant, entity))

        def job(connection: apsw.Connection) -> int:
            rows = list(connection.execute(STATEMENTS[first], (*key, ERASE_ROWS)))
            ids = [(tenant, str(event_id)) for (event_id,) in rows]
            connection.executemany(STATEMENTS["drop_versions"], ids)
            connection.executemany(STATEMENTS["erase"], ids)
            return len(ids)

        total = 0
        while erased := await self.database.write(job):
            total += erased
        return total

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count rows of a tenant, by table of the file."""
        return await count_left(self.database, tenant)

    async def close(self) -> None:
        """Close every connection; twice is harmless."""
        await self.database.close()

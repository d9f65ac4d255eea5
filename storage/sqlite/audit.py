"""The audit log in one SQLite file: acts in one table, their outcomes in another, neither ever changed.

Every process opens the file for writing, as with the catalogue: writers queue at SQLite's lock, and what
waits in one process is committed together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import apsw

from storage.audit_port import AuditLine, AuditSpan, AuditStore
from storage.sqlite.connection import Database
from storage.sqlite.survey import count_left
from storage.statements import read, texts

SCHEMA = (read("storage.sqlite", "audit_schema.sql"),)
"""Step n brings a file from version n to n + 1."""

STATEMENTS = texts("storage.sqlite", "audit.sql")

ERASED_AT_ONCE: Final = 10_000
"""Lines a transaction: some tens of milliseconds for which other writers wait."""


class SqliteAuditStore(AuditStore):
    """Audit lines in one file."""

    def __init__(self, database: Database) -> None:
        """Take the open file."""
        self.database = database

    @classmethod
    async def open(cls, path: Path, *, durable: bool = True) -> SqliteAuditStore:
        """Open or make the file; StoreUnavailable if that fails. `durable` False is for control tests."""
        return cls(await Database.open(path, SCHEMA, durable=durable))

    async def append(self, line: AuditLine) -> None:
        """Add a line, with its outcome where that is known."""

        def job(connection: apsw.Connection) -> None:
            connection.execute(STATEMENTS["append"], (line.tenant, line.time_ms, line.id, line.act))
            if line.outcome is not None:
                _conclude(connection, line)

        await self.database.write(job)

    async def conclude(self, line: AuditLine) -> None:
        """Add the outcome of a line."""
        await self.database.write(lambda connection: _conclude(connection, line))

    async def read(self, span: AuditSpan, limit: int) -> list[AuditLine]:
        """Read the newest lines of a span, by time and id descending."""
        values = (span.tenant, span.start_ms, span.end_ms, span.end_id, limit)

        def job(connection: apsw.Connection) -> list[AuditLine]:
            return [AuditLine(*row) for row in connection.execute(STATEMENTS["read"], values)]

        return await self.database.read(job)

    async def erase(self, tenant: str) -> None:
        """Remove every line of a tenant, so many a transaction that nobody waits long for one."""
        for name in ("erase_outcomes", "erase_lines"):
            while await self._erase_some(STATEMENTS[name], tenant):
                pass

    async def count_left(self, tenant: str) -> dict[str, int]:
        """Count rows of a tenant, by table of the file."""
        return await count_left(self.database, tenant)

    async def _erase_some(self, statement: str, tenant: str) -> bool:
        def job(connection: apsw.Connection) -> bool:
            connection.execute(statement, (tenant, ERASED_AT_ONCE))
            return connection.changes() == ERASED_AT_ONCE

        return await self.database.write(job)

    async def close(self) -> None:
        """Close every connection; twice is harmless."""
        await self.database.close()


def _conclude(connection: apsw.Connection, line: AuditLine) -> None:
    connection.execute(STATEMENTS["conclude"], (line.tenant, line.time_ms, line.id, line.outcome))
